import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, evaluate, regularizationTerms, trainStep, trainingLoop } from 'tfjs-decomposed-loss';
import {
  activityRegularization,
  addWeightDecay,
  auditRegularizers,
  enforceRegularizers,
  fuseRegularizers,
  regularizationSchedule,
  withWeightDecay,
} from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { penalty } from '../helpers/float64';
import { tensorsLeftBy, tensorsLeftByFailing } from '../helpers/memory';
import { batches, data, fillWeights, numbersOf, regressor, state } from '../helpers/models';

const { l2 } = tf.regularizers;
const [x, y] = [() => data([8, 4]), () => data([8, 1], 2)];
const silent = { verbose: 0 as const, shuffle: false };

/** Powers of two, which scale a float32 without rounding; one a batch of two epochs with two batches each. */
const FACTORS = [0, 0.5, 2, 0.25];
const schedule = (epoch: number, batch: number) => FACTORS[2 * epoch + batch]!;

type Regularizer = ReturnType<typeof l2>;

/** A model whose one kernel has a regularizer, which is given to the oracle to change. */
function model(kernelRegularizer: Regularizer): tfjs.Sequential {
  const built = tf.sequential({
    layers: [
      tf.layers.dense({ name: 'hidden', units: 3, inputShape: [4], activation: 'tanh', kernelRegularizer }),
      tf.layers.dense({ name: 'out', units: 1 }),
    ],
  });
  built.compile({ loss: 'meanSquaredError', optimizer: tf.train.momentum(0.1, 0.5) });
  return fillWeights(built);
}

const half = (tensor: tfjs.Tensor, batch: number) => tensor.slice(4 * batch, 4);

/** Trains the host alone, which follows a coefficient that is changed between two batches. */
async function hostTrains(regularizer: Regularizer, one: tfjs.LayersModel, base: { l1: number; l2: number }) {
  const losses: number[] = [];
  for (const [step, factor] of FACTORS.entries()) {
    Object.assign(regularizer, { l1: base.l1 * factor, l2: base.l2 * factor });
    losses.push((await one.trainOnBatch(half(x(), step % 2), half(y(), step % 2))) as number);
  }
  return [(losses[0]! + losses[1]!) / 2, (losses[2]! + losses[3]!) / 2];
}

const base = { l1: 0.125, l2: 0.25 };

describe.each(['fit', 'fitDataset'] as const)('%s', (by) => {
  const train = (one: tfjs.LayersModel, callbacks: tfjs.CustomCallbackArgs | object[], args: object = {}) =>
    by === 'fit'
      ? one.fit(x(), y(), { ...silent, batchSize: 4, epochs: 2, callbacks, ...args })
      : one.fitDataset(batches([half(x(), 0), half(y(), 0)], [half(x(), 1), half(y(), 1)]), {
          verbose: 0,
          epochs: 2,
          callbacks,
          ...args,
        });

  it.each([
    ['plain', () => {}],
    ['decomposed', () => {}],
  ])('trains as the host with the coefficients times the factor, to the bit: %s', async (name) => {
    const [own, hosts] = [tf.regularizers.l1l2(base), tf.regularizers.l1l2(base)];
    const [ours, host] = [model(own), model(hosts)];
    const callbacks = [regularizationSchedule(schedule), ...(name === 'plain' ? [] : [decomposedLoss()])];
    const { history } = await train(ours, callbacks);
    const expected = await hostTrains(hosts, host, base);
    expect(await state(ours)).toEqual(await state(host));
    numbersOf({ history } as tfjs.History, 'loss').forEach((loss, epoch) => expect(loss).toBeNear(expected[epoch]!));
    expect(history['regularization_strength']).toEqual([0.25, 1.125]);
    expect(own.getConfig()).toEqual(base);
  });

  it('validates at the factor in force', async () => {
    const one = model(l2({ l2: 0.25 }));
    const validation = { validationData: by === 'fit' ? [x(), y()] : batches([x(), y()]) };
    const seen: number[] = [];
    const kernel = () => penalty(one.getWeights()[0]!, { l2: 0.25 });
    class Penalty extends tf.Callback {
      override async onEpochEnd() {
        seen.push(kernel());
      }
    }
    const callbacks = [decomposedLoss(), regularizationSchedule(schedule), new Penalty()];
    const { history } = await train(one, callbacks, validation);
    numbersOf({ history } as tfjs.History, 'val_regularization_loss').forEach((value, epoch) => {
      expect(value).toBeNear(seen[epoch]! * [0.5, 0.25][epoch]!, 1e-5);
    });
  });

  it('weighs the mean of the factor by batch size, and shows each in the logs of a batch', async () => {
    const strengths: unknown[] = [];
    class Logs extends tf.Callback {
      override async onBatchEnd(_: number, logs?: tfjs.Logs) {
        strengths.push(logs!['regularization_strength']);
      }
    }
    const [big, small] = [
      [half(x(), 0), half(y(), 0)],
      [x().slice(0, 1), y().slice(0, 1)],
    ] as [[tfjs.Tensor, tfjs.Tensor], [tfjs.Tensor, tfjs.Tensor]];
    const callbacks = [new Logs(), regularizationSchedule(schedule)];
    const one = model(l2({ l2: 0.25 }));
    const args = { ...silent, epochs: 1, batchSize: 4, callbacks };
    const { history } =
      by === 'fit'
        ? await one.fit(tf.concat([big[0], small[0]]), tf.concat([big[1], small[1]]), args)
        : await one.fitDataset(batches(big, small), { verbose: 0, epochs: 1, callbacks });
    expect(strengths).toEqual([0, 0.5]);
    expect(history['regularization_strength']![0]).toBeNear((4 * 0 + 1 * 0.5) / 5);
  });

  it('leaves the model as it was, and no tensor', async () => {
    const one = model(l2({ l2: 0.25 }));
    const trained = (one as unknown as { model: object }).model;
    const own = () => [one, trained].map((each) => Object.keys(each));
    const callback = regularizationSchedule(schedule);
    await train(one, [callback]);
    const before = own();
    // The data of each run stay.
    const data = await tensorsLeftBy(() => train(one, []));
    expect(await tensorsLeftBy(() => train(one, [callback]))).toBe(data);
    expect(own()).toEqual(before);
    expect(Object.hasOwn(trained, 'calculateLosses')).toBe(false);
    const { regularization } = await evaluate(one, x(), y());
    expect(regularization).toBeNear(penalty(one.getWeights()[0]!, { l2: 0.25 }), 1e-5);
  });

  it('is gone after a throw, and the weights are as after the last step', async () => {
    const [hosts, own] = [l2({ l2: 0.25 }), l2({ l2: 0.25 })];
    const [one, host] = [model(own), model(hosts)];
    const failing = (epoch: number, batch: number) => {
      if (epoch === 1 && batch === 1) throw new Error('no such epoch');
      return schedule(epoch, batch);
    };
    await expect(train(one, [decomposedLoss(), regularizationSchedule(failing)])).rejects.toThrow(
      'Expected the factor of `regularizationSchedule` in epoch 1, batch 1 to be a number, got an error: no such epoch.',
    );
    for (const [step, factor] of [0, 0.5, 2].entries()) {
      Object.assign(hosts, { l2: 0.25 * factor });
      await host.trainOnBatch(half(x(), step % 2), half(y(), step % 2));
    }
    expect(await state(one)).toEqual(await state(host));
    const terms = regularizationTerms(one);
    expect(terms[0]!.value).toBeNear(penalty(one.getWeights()[0]!, { l2: 0.25 }), 1e-5);
    class Failing extends tf.Callback {
      #epoch = 0;
      override async onEpochBegin(epoch: number) {
        this.#epoch = epoch;
      }
      override async onBatchBegin(batch: number) {
        failing(this.#epoch, batch);
      }
    }
    const left = await tensorsLeftByFailing(() => train(one, [new Failing()]));
    expect(await tensorsLeftByFailing(() => train(one, [regularizationSchedule(failing)]))).toBe(left);
  });
});

describe('trainingLoop', () => {
  const loop = (one: tfjs.LayersModel, callbacks: object[], fails = false) =>
    trainingLoop({ models: one, epochs: 2, callbacks }, async (running) => {
      for (let epoch = 0; epoch < 2; epoch += 1) {
        for (let batch = 0; batch < 2; batch += 1) {
          await running.step(() => trainStep(one, half(x(), batch), half(y(), batch)), 4);
        }
        await running.validate(() => evaluate(one, x(), y()));
        if (fails) throw new Error('the body failed');
        await running.endEpoch();
      }
    });

  it('trains as the host with the coefficients times the factor, and validates at the factor in force', async () => {
    const [own, hosts] = [tf.regularizers.l1l2(base), tf.regularizers.l1l2(base)];
    const [ours, host] = [model(own), model(hosts)];
    const { history } = await loop(ours, [regularizationSchedule(schedule)]);
    const expected = await hostTrains(hosts, host, base);
    expect(await state(ours)).toEqual(await state(host));
    numbersOf({ history } as tfjs.History, 'loss').forEach((loss, epoch) => expect(loss).toBeNear(expected[epoch]!));
    expect(history['regularization_strength']).toEqual([0.25, 1.125]);
    const last = penalty(ours.getWeights()[0]!, base);
    expect(history['val_regularization_loss']![1]).toBeNear(0.25 * last, 1e-5);
    expect((await evaluate(ours, x(), y())).regularization).toBeNear(last, 1e-5);
  });

  it('is gone after the body throws', async () => {
    const one = model(tf.regularizers.l1l2(base));
    await expect(loop(one, [regularizationSchedule(schedule)], true)).rejects.toThrow('the body failed');
    const { regularization } = await evaluate(one, x(), y());
    expect(regularization).toBeNear(penalty(one.getWeights()[0]!, base), 1e-5);
  });
});

it('is gone after a step that fails while it is watched', async () => {
  const one = model(l2({ l2: 0.25 }));
  const trained = (one as unknown as { model: tfjs.LayersModel }).model;
  const lossFunctions = [...trained.lossFunctions];
  trained.lossFunctions = [
    () => {
      throw new Error('the loss failed');
    },
  ];
  for (const callbacks of [
    [regularizationSchedule(() => 2), decomposedLoss()],
    [decomposedLoss(), regularizationSchedule(() => 2)],
  ]) {
    await expect(one.fit(x(), y(), { ...silent, callbacks })).rejects.toThrow('the loss failed');
    expect(Object.hasOwn(trained, 'calculateLosses')).toBe(false);
  }
  trained.lossFunctions = lossFunctions;
  expect((await evaluate(one, x(), y())).regularization).toBeNear(penalty(one.getWeights()[0]!, { l2: 0.25 }), 1e-5);
});

describe('scales every kind of penalty, and nothing else', () => {
  const build = (prepare: (one: tfjs.Sequential) => unknown, coefficient = 0.25) => {
    const kernelRegularizer = tf.regularizers.l1l2({ l1: coefficient, l2: coefficient });
    const regularized = { kernelRegularizer };
    const one = tf.sequential({
      layers: [
        tf.layers.lstm({ name: 'lstm', units: 3, inputShape: [4, 1], ...regularized }),
        activityRegularization({ name: 'activity', l1: coefficient, l2: coefficient }),
        tf.layers.dense({ name: 'hidden', units: 3, ...regularized }),
        tf.layers.dense({ name: 'out', units: 1 }),
      ],
    });
    one.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
    fillWeights(one);
    prepare(one);
    return one;
  };
  const decay = (one: tfjs.Sequential, coefficient = 0.25) => addWeightDecay(one, { l2: coefficient, include: 'out' });
  const fit = (one: tfjs.Sequential, callbacks: object[]) =>
    one.fit(data([8, 4, 1]), y(), { ...silent, batchSize: 4, epochs: 2, callbacks });

  it.each<[string, (one: tfjs.Sequential) => unknown]>([
    ['declared, and of activations', () => {}],
    ['enforced', enforceRegularizers],
    ['fused', fuseRegularizers],
    ['enforced and fused', (one) => [enforceRegularizers(one), fuseRegularizers(one)]],
  ])('as with a half of each coefficient: %s', async (_, prepare) => {
    const scheduled = build((one) => [decay(one), prepare(one)]);
    const halved = build((one) => [decay(one, 0.125), prepare(one)], 0.125);
    const { history } = await fit(scheduled, [
      decomposedLoss({ breakdown: 'weight', warn: false }),
      regularizationSchedule(() => 0.5),
    ]);
    const { history: expected } = await fit(halved, [decomposedLoss({ breakdown: 'weight', warn: false })]);
    const { regularization_strength: strength, ...others } = history;
    expect(strength).toEqual([0.5, 0.5]);
    expect(Object.keys(others)).toEqual(Object.keys(expected));
    for (const [key, values] of Object.entries(expected)) {
      values.forEach((value, epoch) => expect(others[key]![epoch]).toBeNear(value as number, 1e-5));
    }
    expect(Object.keys(expected).filter((key) => key.includes('activity'))).toHaveLength(1);
  });

  it('not decoupled weight decay', async () => {
    const [scheduled, plain] = [regressor(), regressor()];
    for (const one of [scheduled, plain]) withWeightDecay(one.optimizer, { rate: 0.5 });
    enforceRegularizers(plain);
    const without = regressor({ optimizer: withWeightDecay(tf.train.sgd(0.1), { rate: 0.5 }) });
    (without as unknown as { model: { calculateLosses(): tfjs.Scalar[] } }).model.calculateLosses = () => [];
    await scheduled.fit(x(), y(), { ...silent, callbacks: regularizationSchedule(() => 0) });
    await without.fit(x(), y(), silent);
    scheduled.getWeights().forEach((weight, index) => {
      const expected = without.getWeights()[index]!.dataSync();
      weight.dataSync().forEach((value, place) => expect(value).toBeNear(expected[place]!));
    });
  });

  it('of a model within a model, and of that model alone once more', async () => {
    const inner = model(l2({ l2: 0.25 }));
    const inputs = tf.input({ shape: [4] });
    const outer = tf.model({ inputs, outputs: inner.apply(inputs) as tfjs.SymbolicTensor });
    outer.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
    const once = penalty(inner.getWeights()[0]!, { l2: 0.25 });
    const callbacks = [decomposedLoss(), regularizationSchedule(() => 4)];
    const { history } = await outer.fit(x(), y(), { ...silent, callbacks });
    expect(history['regularization_loss']![0]).toBeNear(4 * once, 1e-5);
    expect((await evaluate(inner, x(), y())).regularization).toBeNear(once, 1e-5);
  });

  it('shows in the terms while it trains', async () => {
    const one = regressor();
    const values: number[][] = [];
    const terms = () => values.push(regularizationTerms(one).map(({ value }) => value));
    terms();
    class Terms extends tf.Callback {
      override async onBatchBegin() {
        terms();
      }
    }
    await one.fit(x(), y(), { ...silent, batchSize: 8, callbacks: [regularizationSchedule(() => 0.5), new Terms()] });
    expect(values[1]).toEqual(values[0]!.map((value) => value / 2));
  });

  it('shows in the audit while it trains', async () => {
    const frozen = regressor();
    frozen.layers[0]!.trainable = false;
    frozen.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    const applied: number[] = [];
    class Audit extends tf.Callback {
      override async onEpochEnd() {
        const { findings } = auditRegularizers(frozen);
        applied.push(findings.find(({ code }) => code === 'frozen-layer-penalized')!.penalty!.applied);
      }
    }
    const factors = [1, 0.5];
    const callbacks = [regularizationSchedule((epoch) => factors[epoch]!), new Audit()];
    await frozen.fit(x(), y(), { ...silent, epochs: 2, callbacks });
    expect(applied[1]).toBeNear(applied[0]! / 2);
  });
});

describe('bad input', () => {
  it.each([
    [NaN, 'NaN'],
    [-1, '-1'],
    [Infinity, 'Infinity'],
    ['1', "'1'"],
    [undefined, 'undefined'],
  ])('a factor of %p is refused before the step', async (factor, got) => {
    const one = regressor();
    const before = await state(one);
    const callbacks = regularizationSchedule(() => factor as number);
    await expect(one.fit(x(), y(), { ...silent, callbacks })).rejects.toThrow(
      `in epoch 0, batch 0 to be a finite number, 0 or more, got ${got}`,
    );
    expect(await state(one)).toEqual(before);
  });

  it('something else than a function', () => {
    expect(() => regularizationSchedule(0.5 as never)).toThrow(
      /`factor` of `regularizationSchedule` to be a function, got 0.5/,
    );
  });

  it('two in one training, or a metric of that name', async () => {
    const two = [regularizationSchedule(() => 1), regularizationSchedule(() => 1)];
    const misleading = jest.spyOn(console, 'error');
    await expect(regressor().fit(x(), y(), { ...silent, callbacks: two })).rejects.toThrow(
      /Expected one `regularizationSchedule/,
    );
    expect(misleading).not.toHaveBeenCalled();
    misleading.mockRestore();
    const regularization_strength = (yTrue: tfjs.Tensor, yPred: tfjs.Tensor) => tf.mean(tf.sub(yTrue, yPred));
    const metric = regressor({ metrics: [regularization_strength] });
    await expect(metric.fit(x(), y(), { ...silent, callbacks: two[0]! })).rejects.toThrow(/no metric/);
  });

  it('a model that computes its penalties by itself', async () => {
    const inputs = tf.input({ shape: [4] });
    const own = tf.model({ inputs, outputs: tf.layers.dense({ units: 1 }).apply(inputs) as tfjs.SymbolicTensor });
    own.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    own.calculateLosses = () => [tf.scalar(1)];
    await expect(own.fit(x(), y(), { ...silent, callbacks: regularizationSchedule(() => 1) })).rejects.toThrow(
      /`calculateLosses` of its own/,
    );
  });
});

it('scales each penalty of a breakdown, also where weights of one shape are fused', async () => {
  const dense = (name: string) =>
    tf.layers.dense({ name, units: 4, inputShape: [4], kernelRegularizer: tf.regularizers.l1l2({ l1: 0.1, l2: 0.2 }) });
  const built = tf.sequential({ layers: [dense('a'), dense('b')] });
  built.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
  fillWeights(built);
  fuseRegularizers(built);
  const callbacks = [regularizationSchedule(() => 0.25), decomposedLoss({ breakdown: 'weight' })];
  const { history } = await built.fit(x(), data([8, 4]), { ...silent, callbacks });
  for (const name of ['a', 'b']) {
    const expected = 0.25 * penalty(built.getLayer(name).getWeights()[0]!, { l1: 0.1, l2: 0.2 });
    expect(history[`regularization_loss/${name}/kernel`]![0]).toBeNear(expected);
  }
});
