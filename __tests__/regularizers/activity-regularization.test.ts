import type * as tfjs from '@tensorflow/tfjs';
import { registerKerasClasses } from 'tfjs-decomposed-loss/keras';
import { activityRegularization } from 'tfjs-decomposed-loss/regularizers';
import {
  decomposedLoss,
  evaluate,
  evaluateDataset,
  evaluateLoss,
  regularizationLoss,
  regularizationTerms,
  trainStep,
  type DecomposedLoss,
} from 'tfjs-decomposed-loss';
import { ActivityRegularization } from '../../src/regularizers/activity-regularization';
import { activityCases, loadActivityCase, tensorsOf, type ActivityFixture } from '../fixtures/activity';
import type { KerasLosses } from '../fixtures/keras';
import { tf } from '../helpers/backend';
import { penalty } from '../helpers/float64';
import { tensorsLeftBy, tensorsLeftByFailing } from '../helpers/memory';
import { batches, data, fillWeights, numbersOf, state } from '../helpers/models';

const L1 = 0.3;
const L2 = 0.7;

/** dense -> activity -> dense, on 4 inputs. */
function model({ l1 = L1, l2 = L2 } = {}): tfjs.Sequential {
  const built = tf.sequential({
    layers: [
      tf.layers.dense({ name: 'hidden', units: 3, inputShape: [4], kernelRegularizer: 'l1l2' }),
      activityRegularization({ name: 'activity', l1, l2 }),
      tf.layers.dense({ name: 'out', units: 1 }),
    ],
  });
  built.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.01) });
  return fillWeights(built);
}

/** The activity penalty of `model()` on a batch, in float64 from what the host computes for the hidden layer. */
function activityOf(built: tfjs.LayersModel, x: tfjs.Tensor): number {
  const hidden = built.getLayer('hidden').apply(x) as tfjs.Tensor;
  return penalty(hidden, { l1: L1, l2: L2 }) / x.shape[0];
}

/** The weights' penalty of `model()`: `'l1l2'` stands for 0.01 and 0.01. */
const weightsOf = (built: tfjs.LayersModel): number => penalty(built.getWeights()[0]!, { l1: 0.01, l2: 0.01 });

const values = (tensor: tfjs.Tensor): number[] => Array.from(tensor.dataSync());

const scalarOf = (value: tfjs.Scalar | tfjs.Scalar[]): number => [value].flat()[0]!.dataSync()[0]!;

function expectClose(actual: number, expected: number, tolerance = 1e-5): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(tolerance * Math.abs(expected));
}

function expectSame(actual: DecomposedLoss, keras: KerasLosses): void {
  expectClose(actual.total, keras.total);
  expectClose(actual.data, keras.data);
  expectClose(actual.regularization, keras.regularization);
}

const cut = ([x, y]: [tfjs.Tensor, tfjs.Tensor], begin: number, size: number): [tfjs.Tensor, tfjs.Tensor] => [
  x.slice(begin, size),
  y.slice(begin, size),
];

function batchOf(fixture: ActivityFixture, step: number): [tfjs.Tensor, tfjs.Tensor] {
  const all = tensorsOf(tf, fixture.data);
  const begin = fixture.batchSize * (step % Math.ceil(all[0].shape[0] / fixture.batchSize));
  const size = Math.min(fixture.batchSize, all[0].shape[0] - begin);
  return cut(all, begin, size);
}

function expectFinalWeights(built: tfjs.LayersModel, { finalWeights }: ActivityFixture): void {
  const weights = new Map(built.weights.map((weight) => [weight.originalName, weight.read()]));
  expect(weights.size).toBe(finalWeights.length);
  finalWeights.forEach(({ name, values }) => {
    const keras = ([values] as number[][]).flat(9);
    const scale = Math.max(...keras.map(Math.abs));
    Array.from(weights.get(name)!.dataSync()).forEach((value, index) => {
      expect(Math.abs(value - keras[index]!)).toBeLessThanOrEqual(1e-4 * scale);
    });
  });
}

describe.each(activityCases)('as Keras, from its own JSON: $name', ({ expected }) => {
  it("in the host's own trainOnBatch", async () => {
    const built = await loadActivityCase(tf, expected);
    for (const [step, { total }] of expected.steps.entries()) {
      expectClose((await built.trainOnBatch(...batchOf(expected, step))) as number, total);
    }
    expectFinalWeights(built, expected);
  });

  it('in trainStep, evaluate and evaluateDataset, the last batch smaller', async () => {
    const built = await loadActivityCase(tf, expected);
    const [x, y] = tensorsOf(tf, expected.data);
    const dataset = batches(batchOf(expected, 0), batchOf(expected, 1), batchOf(expected, 2));
    for (const [step, keras] of expected.steps.entries()) {
      expectSame(await trainStep(built, ...batchOf(expected, step)), keras);
      expectSame(await evaluate(built, x, y, { batchSize: expected.batchSize }), keras.evaluation);
      expectSame(await evaluateDataset(built, dataset), keras.evaluation);
    }
    expectFinalWeights(built, expected);
  });

  it.each(['fit', 'fitDataset'] as const)('in %s and its validation', async (by) => {
    const built = await loadActivityCase(tf, expected);
    const validationData = tensorsOf(tf, expected.validationData);
    const args = { epochs: expected.epochs, verbose: 0 as const, callbacks: decomposedLoss() };
    const [first, second, third] = [0, 1, 2].map((step) => batchOf(expected, step));
    const { history } =
      by === 'fit'
        ? await built.fit(...tensorsOf(tf, expected.data), {
            ...args,
            validationData,
            batchSize: expected.batchSize,
            shuffle: false,
          })
        : await built.fitDataset(batches(first!, second!, third!), {
            ...args,
            validationData: batches(cut(validationData, 0, 4), cut(validationData, 4, 2)),
          });
    const { loss, val_loss, lastValidation } = expected.history;
    loss.forEach((value, epoch) => {
      expectClose(history['loss']![epoch] as number, value);
      const parts = ['data_loss', 'regularization_loss'].map((key) => history[key]![epoch] as number);
      expectClose(parts[0]! + parts[1]!, value);
    });
    val_loss.forEach((value, epoch) => expectClose(history['val_total_loss']![epoch] as number, value));
    expectClose(numbersOf({ history } as never, 'val_data_loss').at(-1)!, lastValidation.data);
    expectClose(numbersOf({ history } as never, 'val_regularization_loss').at(-1)!, lastValidation.regularization);
  });
});

describe('the penalty', () => {
  it('is over the whole batch, by its size, at the weights before the step', async () => {
    const built = model();
    const [x, y] = [data([6, 4]), data([6, 1], 2)];
    const expected = {
      activity: activityOf(built, x),
      weights: weightsOf(built),
      data: scalarOf(built.evaluate(x, y)),
    };
    const { data: dataLoss, regularization, total } = await trainStep(built, x, y);
    expectClose(regularization, expected.activity + expected.weights);
    expectClose(dataLoss, expected.data);
    expectClose(total, expected.data + expected.activity + expected.weights);
  });

  it('takes activations of any rank, and integers', async () => {
    const built = tf.sequential({
      layers: [
        activityRegularization({ inputShape: [2, 3, 2], dtype: 'int32', l1: L1, l2: L2 }),
        tf.layers.flatten(),
        tf.layers.dense({ units: 1 }),
      ],
    });
    built.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    const x = tf.tensor(
      Array.from({ length: 36 }, (_, i) => (i % 7) - 3),
      [3, 2, 3, 2],
      'int32',
    );
    const expected = penalty(x, { l1: L1, l2: L2 }) / 3;
    expectClose((await evaluate(built, x, tf.ones([3, 1]))).regularization, expected);
    expectClose((await trainStep(built, x, tf.ones([3, 1]))).regularization, expected);
  });

  it('counts masked values, and passes the mask on', async () => {
    const layers = (...between: tfjs.layers.Layer[]) => [
      tf.layers.masking({ name: 'masking', maskValue: 0, inputShape: [3, 2] }),
      tf.layers.dense({ name: 'hidden', units: 3 }),
      ...between,
      tf.layers.lstm({ units: 2 }),
      tf.layers.dense({ units: 1 }),
    ];
    const [built, without] = [
      tf.sequential({ layers: layers(activityRegularization({ l1: L1, l2: L2 })) }),
      tf.sequential({ layers: layers() }),
    ].map((one) => {
      one.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
      return fillWeights(one);
    }) as [tfjs.Sequential, tfjs.Sequential];
    const x = tf.tensor([3, 1, 2, 4, 0, 0, 1, 5, 0, 0, 0, 0], [2, 3, 2]);
    const y = data([2, 1]);
    const hidden = built.getLayer('hidden').apply(x) as tfjs.Tensor;
    const { regularization, data: dataLoss } = await trainStep(built, x, y);
    expectClose(regularization, penalty(hidden, { l1: L1, l2: L2 }) / 2);
    expectClose(dataLoss, (await without.trainOnBatch(x, y)) as number);
  });

  it("has Keras's slope at activations of 0, which is 0, where the host's |x| has -1", async () => {
    const built = tf.sequential({
      layers: [
        tf.layers.dense({ units: 3, inputShape: [4], kernelInitializer: 'zeros' }),
        activityRegularization({ l1: 5 }),
        tf.layers.dense({ units: 1, kernelInitializer: 'zeros' }),
      ],
    });
    built.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
    await trainStep(built, data([6, 4]), tf.zeros([6, 1]));
    expect(built.getWeights().map((weight) => tf.max(tf.abs(weight)).dataSync()[0])).toEqual([0, 0, 0, 0]);
    expect(
      tf
        .grad((x) => tf.abs(x))(tf.tensor1d([0]))
        .dataSync()[0],
    ).toBe(-1);
  });

  it('moves the layers before it only', async () => {
    const [without, withIt] = [model({ l1: 0, l2: 0 }), model()];
    const [x, y] = [data([6, 4]), data([6, 1], 2)];
    await trainStep(without, x, y);
    await trainStep(withIt, x, y);
    const [expected, actual] = [await state(without), await state(withIt)];
    const moved = actual.slice(0, 4).map((weight, index) => String(weight) !== String(expected[index]));
    expect(moved).toEqual([true, true, false, false]);
  });

  it('is apart from a loss that was added to its layer by hand', async () => {
    const built = model();
    built.getLayer('activity').addLoss(() => tf.scalar(5));
    const [x, y] = [data([6, 4]), data([6, 1], 2)];
    const expected = activityOf(built, x) + weightsOf(built) + 5;
    expectClose((await evaluate(built, x, y)).regularization, expected);
    const loss = () => tf.losses.meanSquaredError<tfjs.Tensor, tfjs.Scalar>(y, built.apply(x) as tfjs.Tensor);
    expectClose((await evaluateLoss(loss, { models: built })).regularization, expected);
    expectClose((await trainStep(built, x, y)).regularization, expected);
  });

  it('is 0 in a custom loss that nothing passed through the layer in', () => {
    const built = model();
    expectClose(regularizationLoss(built).dataSync()[0]!, weightsOf(built));
  });

  it('is that of a call without options', () => {
    const layer = activityRegularization({ l1: 1 });
    const slope = tf.grad((x) => {
      layer.call(x, undefined as never);
      return layer.calculateLosses()[0]!;
    })(tf.tensor2d([[2, -3]]));
    expect(Array.from(slope.dataSync())).toEqual([1, -1]);
  });

  it('is left out where both coefficients are 0', async () => {
    const built = model({ l1: 0, l2: 0 });
    const [x, y] = [data([6, 4]), data([6, 1], 2)];
    expectClose((await evaluate(built, x, y)).regularization, weightsOf(built));
    expectClose((await trainStep(built, x, y)).regularization, weightsOf(model()));
  });

  it('is that of the latest pass where a gradient takes several, each asked for its penalty', () => {
    const layer = activityRegularization({ l1: 1 });
    const penalties: number[] = [];
    const pass = (x: tfjs.Tensor): tfjs.Scalar => {
      layer.apply(x);
      const [value] = layer.calculateLosses();
      penalties.push(scalarOf(value!), scalarOf(layer.calculateLosses()[0]!));
      return value!;
    };
    const slope = tf.grad((x) => tf.add(pass(x), pass(tf.mul(x, 10))))(tf.tensor2d([[2, -3]]));
    expect(penalties).toEqual([5, 5, 50, 50]);
    expect(Array.from(slope.dataSync())).toEqual([11, -11]);
  });
});

describe('outside of a step', () => {
  it('is 0 before and after training, and after predict', async () => {
    const built = model();
    const layer = built.getLayer('activity');
    const now = () => layer.calculateLosses().map(scalarOf);
    expect(now()).toEqual([0]);
    await built.fit(data([6, 4]), data([6, 1], 2), { epochs: 2, batchSize: 4, verbose: 0 });
    expect(now()).toEqual([0]);
    built.predict(data([6, 4]));
    await evaluate(built, data([6, 4]), data([6, 1], 2));
    expect(now()).toEqual([0]);
  });

  it('is a term of its own without a value', () => {
    const rows = regularizationTerms(model());
    expect(rows.map(({ layer, kind }) => `${layer}: ${kind}`)).toEqual([
      'hidden: l1',
      'hidden: l2',
      'activity: activity',
    ]);
    const row = { layer: 'activity', weight: null, kind: 'activity', regularizer: null, l1: L1, l2: L2 };
    expect(rows[2]).toEqual({ ...row, value: 0, share: 0, calls: 1 });
  });

  it('names a wrapped layer and counts the calls of a shared one', async () => {
    const rows = async (name: string) => {
      const fixture = activityCases.find((one) => one.name === name)!.expected;
      const terms = regularizationTerms(await loadActivityCase(tf, fixture));
      return terms.filter(({ kind }) => kind === 'activity').map(({ layer, calls }) => ({ layer, calls }));
    };
    expect(await rows('time-distributed')).toEqual([{ layer: 'distributed/activity', calls: 1 }]);
    expect(await rows('shared')).toEqual([{ layer: 'activity', calls: 2 }]);
    expect(await rows('nested')).toEqual([{ layer: 'encoder/activity', calls: 2 }]);
  });
});

describe('in the breakdown', () => {
  it.each(['layer', 'weight'] as const)('it has a name of its own: by %s', async (breakdown) => {
    const built = model();
    const [x, y] = [data([6, 4]), data([6, 1], 2)];
    const expected = { activity: activityOf(built, x), weights: weightsOf(built) };
    const { history } = await built.fit(x, y, { verbose: 0, callbacks: decomposedLoss({ breakdown }) });
    const [hidden, activity] = breakdown === 'layer' ? ['hidden', 'activity'] : ['hidden/kernel', 'activity/activity'];
    expectClose(history[`regularization_loss/${hidden}`]![0] as number, expected.weights);
    expectClose(history[`regularization_loss/${activity}`]![0] as number, expected.activity);
  });

  it.each(['shared', 'nested', 'time-distributed'])('the parts add up: %s', async (name) => {
    const fixture = activityCases.find((one) => one.name === name)!.expected;
    const built = await loadActivityCase(tf, fixture);
    const args = { verbose: 0 as const, callbacks: decomposedLoss({ breakdown: 'weight' }) };
    const { history } = await built.fit(...tensorsOf(tf, fixture.data), args);
    const parts = Object.keys(history).filter((key) => key.startsWith('regularization_loss/'));
    expect(parts.filter((key) => key.endsWith('/activity'))).toHaveLength(1);
    const whole = parts.reduce((total, key) => total + (history[key]![0] as number), 0);
    expectClose(whole, history['regularization_loss']![0] as number);
  });
});

describe('what validation reports', () => {
  const evaluating = (built: tfjs.LayersModel, hook: 'onBatchBegin' | 'onBatchEnd' | 'onEpochEnd') => {
    const far = tf.mul(data([5, 4], 30), 100);
    return new tf.CustomCallback({
      [hook]: async () => {
        built.evaluate(far, data([5, 1]));
        await evaluate(built, far, data([5, 1]));
        built.predict(far);
      },
    });
  };

  it.each(['onBatchBegin', 'onBatchEnd', 'onEpochEnd'] as const)(
    'is of the validation data alone: %s',
    async (hook) => {
      const [x, y] = [data([6, 4]), data([6, 1], 2)];
      const [xVal, yVal] = [data([5, 4], 8), data([5, 1], 9)];
      const train = {
        fit: (built: tfjs.LayersModel, args: object) =>
          built.fit(x, y, { epochs: 2, verbose: 0, validationData: [xVal, yVal], ...args }),
        fitDataset: (built: tfjs.LayersModel, args: object) =>
          built.fitDataset(batches([x, y]), { epochs: 2, verbose: 0, validationData: batches([xVal, yVal]), ...args }),
      };
      for (const by of ['fit', 'fitDataset'] as const) {
        const built = model();
        const { history } = await train[by](built, { callbacks: [decomposedLoss(), evaluating(built, hook)] });
        expectClose(history['val_regularization_loss']![1] as number, activityOf(built, xVal) + weightsOf(built));
      }
    },
  );
});

it('what evaluateDataset reports is of its data, although others pass through the model meanwhile', async () => {
  const built = model();
  built.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(1e-20) });
  const [x, y] = [data([4, 4]), data([4, 1], 2)];
  const dataset = tf.data.generator(function* () {
    for (const begin of [0, 2]) {
      built.predict(tf.mul(x, 100));
      void built.trainOnBatch(tf.mul(x, 100), y);
      yield { xs: x.slice(begin, 2), ys: y.slice(begin, 2) };
    }
  });
  expectClose((await evaluateDataset(built, dataset)).regularization, activityOf(built, x) + weightsOf(built));
});

describe.each(['predict', 'evaluate', 'apply'] as const)('a metric that calls %s', (what) => {
  const far = tf.mul(data([6, 4], 9), 100);

  /** The model, with a metric that runs it on other data where it is asked to. */
  function compiled(isCalling: boolean): tfjs.Sequential {
    let isWithin = !isCalling;
    const metric = (yTrue: tfjs.Tensor, yPred: tfjs.Tensor) => {
      if (!isWithin) {
        isWithin = true;
        if (what === 'evaluate') built.evaluate(far, data([6, 1], 2));
        else built[what](far);
        isWithin = false;
      }
      return tf.metrics.meanSquaredError(yTrue, yPred);
    };
    const built = model();
    built.compile({ loss: 'meanSquaredError', metrics: [metric], optimizer: tf.train.sgd(0.01) });
    return built;
  }

  it('leaves the penalty of a step alone', async () => {
    const [x, y] = [data([6, 4]), data([6, 1], 2)];
    const [built, expected] = [compiled(true), compiled(false)];
    expect(await trainStep(built, x, y)).toEqual(await trainStep(expected, x, y));
    expect(built.getWeights().map(values)).toEqual(expected.getWeights().map(values));
  });

  it('leaves the penalties of a fit that validates alone', async () => {
    const args = { epochs: 2, batchSize: 3, verbose: 0 as const, shuffle: false, validationSplit: 0.5 };
    const train = async (built: tfjs.Sequential) =>
      (await built.fit(data([12, 4]), data([12, 1], 2), { ...args, callbacks: decomposedLoss() })).history;
    const [built, expected] = [compiled(true), compiled(false)];
    expect(await train(built)).toEqual(await train(expected));
    expect(built.getWeights().map(values)).toEqual(expected.getWeights().map(values));
  });
});

it('trains to bit-identical weights with and without this library', async () => {
  const [plain, watched] = [model(), model()];
  const args = { epochs: 3, batchSize: 4, verbose: 0 as const, validationSplit: 0.2, shuffle: false };
  await plain.fit(data([10, 4]), data([10, 1]), args);
  await watched.fit(data([10, 4]), data([10, 1]), { ...args, callbacks: decomposedLoss({ breakdown: 'weight' }) });
  expect(await state(watched)).toEqual(await state(plain));
});

describe('memory', () => {
  const layersOf = (nested: boolean): tfjs.LayersModel => {
    const inputs = tf.input({ shape: [4] });
    const inner = model();
    const outputs = (nested ? inner : tf.layers.dense({ units: 1 })).apply(inputs) as tfjs.SymbolicTensor;
    const built = tf.model({ inputs, outputs });
    built.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.001) });
    return built;
  };

  it.each([
    ['Sequential', () => model()],
    ['nested', () => layersOf(true)],
  ])('does not grow over 200 steps of the host: %s', async (_, build) => {
    const built = build();
    const [x, y] = [data([200, 4]), data([200, 1])];
    const counts: number[] = [];
    const callbacks = new tf.CustomCallback({ onBatchEnd: () => void counts.push(tf.memory().numTensors) });
    await built.fit(x, y, { epochs: 1, batchSize: 1, verbose: 0, callbacks });
    expect(counts).toHaveLength(200);
    expect(new Set(counts.slice(1)).size).toBe(1);
  });

  it('does not grow over 200 rounds of trainStep, evaluate and predict', async () => {
    const built = layersOf(true);
    const [x, y] = [data([4, 4]), data([4, 1])];
    const round = async () => {
      await trainStep(built, x, y);
      await evaluate(built, x, y, { batchSize: 3 });
      tf.dispose([built.predict(x), built.evaluate(x, y)]);
    };
    await round();
    expect(
      await tensorsLeftBy(async () => {
        for (let i = 0; i < 200; i += 1) await round();
      }),
    ).toBe(0);
  });

  it('leaves nothing after fit and fitDataset with validation', async () => {
    const built = layersOf(true);
    const [x, y] = [data([8, 4]), data([8, 1])];
    const dataset = batches([x, y], [x, y]);
    const callbacks = () => decomposedLoss({ breakdown: 'weight' });
    const left = await tensorsLeftBy(async () => {
      await built.fit(x, y, { epochs: 3, batchSize: 3, verbose: 0, validationSplit: 0.25, callbacks: callbacks() });
      await built.fitDataset(dataset, { epochs: 3, verbose: 0, validationData: dataset, callbacks: callbacks() });
    });
    expect(left).toBe(0);
  });

  it('leaves no more than the host where a step throws between the pass and its penalties, and goes on', async () => {
    let fails = true;
    const build = (args: { l1: number; l2: number }) => {
      const built = model(args);
      const loss = (yTrue: tfjs.Tensor, yPred: tfjs.Tensor) => {
        if (fails) throw new Error('on purpose');
        return tf.metrics.meanSquaredError(yTrue, yPred);
      };
      built.compile({ loss, optimizer: tf.train.sgd(0.01) });
      return built;
    };
    const [built, without] = [build({ l1: L1, l2: L2 }), build({ l1: 0, l2: 0 })];
    const [x, y] = [data([6, 4]), data([6, 1], 2)];
    const failing = (one: tfjs.LayersModel) => tensorsLeftByFailing(() => one.trainOnBatch(x, y));
    // The host keeps what the gradients of a step that throws would have needed, here one input more.
    expect((await failing(built)) - (await failing(without))).toBe(1);
    expect(await tensorsLeftByFailing(() => trainStep(built, x, y))).toBe(0);
    expect(built.getLayer('activity').calculateLosses().map(scalarOf)).toEqual([0]);
    fails = false;
    expectClose((await trainStep(built, x, y)).regularization, activityOf(model(), x) + weightsOf(model()));
  });

  it('leaves nothing where a gradient runs the model and never asks for its penalty', async () => {
    const built = model();
    const x = data([6, 4]);
    const saliency = tf.grad((input) => tf.sum(built.predict(input) as tfjs.Tensor));
    expect(await tensorsLeftBy(async () => saliency(x).dispose())).toBe(0);
    expectClose(
      (await trainStep(built, x, data([6, 1], 2))).regularization,
      activityOf(model(), x) + weightsOf(model()),
    );
  });

  it('forgets a pass with its gradient, also within a tidy of the user', () => {
    const built = model();
    const x = data([6, 4]);
    const expected = activityOf(built, x);
    tf.tidy(() => {
      tf.grad((input) => tf.sum(built.predict(input) as tfjs.Tensor))(tf.mul(x, 100));
      const asked = tf.valueAndGrad((input) => {
        built.predict(input);
        return built.getLayer('activity').calculateLosses()[0]!;
      });
      const { value } = asked(x);
      expectClose(scalarOf(value), expected);
    });
  });

  it('costs nothing in predict and in the evaluation of the host', async () => {
    const built = model();
    const [x, y] = [data([6, 4]), data([6, 1], 2)];
    const { kernelNames } = await tf.profile((): tfjs.Tensor[] => [built.predict(x), built.evaluate(x, y)].flat());
    expect(kernelNames).toContain('Mean');
    expect(kernelNames).not.toContain('Abs');
  });

  it('puts the model back after evaluations that end and that throw', async () => {
    const built = model();
    const trained = (built as unknown as { model: tfjs.LayersModel }).model;
    const own = () => [Object.keys(trained), [...trained.lossFunctions]];
    built.evaluate(data([6, 4]), data([6, 1]));
    const before = own();
    await evaluate(built, data([6, 4]), data([6, 1]));
    await expect(evaluate(built, data([6, 4]), data([5, 1]))).rejects.toThrow();
    await expect(evaluateDataset(built, batches())).rejects.toThrow(/no batch/);
    expect(own()).toEqual(before);
    expect((built.getLayer('activity') as ActivityRegularization).evaluations).toBe(0);
  });
});

describe('as a layer', () => {
  it('is saved as Keras reads it, and loaded again', async () => {
    const built = model();
    const saved = await new Promise<tfjs.io.ModelArtifacts>((resolve) => {
      void built.save(
        tf.io.withSaveHandler(async (artifacts) => {
          resolve(artifacts);
          return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
        }),
      );
    });
    const config = JSON.parse(JSON.stringify(saved.modelTopology)) as {
      config: { layers: Array<{ class_name: string; config: object }> };
    };
    const layer = {
      class_name: 'ActivityRegularization',
      config: { name: 'activity', trainable: true, l1: L1, l2: L2 },
    };
    expect(config.config.layers[1]).toEqual(layer);
    const loaded = await tf.loadLayersModel(tf.io.fromMemory(saved));
    loaded.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    const [x, y] = [data([6, 4]), data([6, 1], 2)];
    expect(await evaluate(loaded, x, y)).toEqual(await evaluate(built, x, y));
  });

  it('hands its input and its mask on', () => {
    const layer = activityRegularization({ l2: 1 });
    const [x, mask] = [data([2, 3]), tf.ones([2, 3], 'bool')];
    expect((layer.apply(x) as tfjs.Tensor).arraySync()).toEqual(x.arraySync());
    expect(layer.computeMask(x, mask)).toBe(mask);
  });

  it('leaves a class alone that something else registered under its name', () => {
    const { classNameMap } = tf.serialization.SerializationMap.getMap();
    const ours = classNameMap['ActivityRegularization']!;
    class Other extends tf.layers.Layer {
      static readonly className = 'ActivityRegularization';
    }
    tf.serialization.registerClass(Other);
    registerKerasClasses();
    expect(classNameMap['ActivityRegularization']![0]).toBe(Other);
    classNameMap['ActivityRegularization'] = ours;
    registerKerasClasses();
    expect(classNameMap['ActivityRegularization'][0]).toBe(ActivityRegularization);
  });

  it.each([
    ['l1', Number.NaN],
    ['l2', Number.POSITIVE_INFINITY],
    ['l1', '0.1'],
    ['l2', {}],
  ])('refuses %s: %p', (name, value) => {
    expect(() => activityRegularization({ [name]: value })).toThrow(new RegExp(`\`${name}\`.*finite number, got`));
  });

  it.each([
    [{ l1: 1 }, 1e30, 2e30],
    [{ l2: 1 }, 3e38, Infinity],
  ])(
    'computes nothing for a coefficient of 0, which would be NaN where the other sum overflows: %j',
    async (args, x, expected) => {
      const model = tf.sequential({ layers: [activityRegularization({ ...args, inputShape: [2] })] });
      model.compile({ loss: () => tf.zeros([1, 2]), optimizer: 'sgd' });
      const { regularization } = await evaluate(model, tf.fill([1, 2], x), tf.zeros([1, 2]));
      expect(regularization).toBe(Math.fround(expected));
    },
  );

  it('takes null for a coefficient, as Keras does', () => {
    expect(activityRegularization({ l1: null, l2: 1 } as never).getConfig()).toMatchObject({ l1: 0, l2: 1 });
  });
});

describe("a layer's own activityRegularizer", () => {
  it('is refused by the host when the layer is applied', () => {
    const layer = tf.layers.dense({ units: 1, inputShape: [2], activityRegularizer: 'l1l2' });
    expect(() => tf.sequential({ layers: [layer] })).toThrow(/activity regularizer\(s\) is not supported yet/);
  });

  it('is refused by this library, with the remedy, where the host ignores it: within a wrapper, at any depth', async () => {
    const inner = tf.sequential({
      name: 'inner',
      layers: [
        tf.layers.timeDistributed({
          layer: tf.layers.dense({ name: 'silent', units: 1, activityRegularizer: 'l1l2' }),
          inputShape: [3, 2],
        }),
      ],
    });
    const inputs = tf.input({ shape: [3, 2] });
    const built = tf.model({ inputs, outputs: inner.apply(inputs) as tfjs.SymbolicTensor });
    built.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    const [x, y] = [data([4, 3, 2]), data([4, 3, 1])];
    await built.fit(x, y, { verbose: 0 });
    const message = /activityRegularizer.*`silent`.*`activityRegularization\({l1, l2}\)`/;
    expect(() => regularizationTerms(built)).toThrow(message);
    await expect(trainStep(built, x, y)).rejects.toThrow(message);
    await expect(evaluate(built, x, y)).rejects.toThrow(message);
    await expect(built.fit(x, y, { verbose: 0, callbacks: decomposedLoss() })).rejects.toThrow(message);
    await built.fit(x, y, { verbose: 0 });
  });
});
