import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as tfjs from '@tensorflow/tfjs';
import {
  decomposedLoss,
  earlyStopping,
  evaluate,
  evaluateLoss,
  minimize,
  trainStep,
  trainingLoop,
  type DecomposedLoss,
  type TrainingLoop,
  type TrainingLoopArgs,
} from 'tfjs-decomposed-loss';
import { gradientBalance } from 'tfjs-decomposed-loss/gradients';
import { lossLogger } from 'tfjs-decomposed-loss/node';
import { regularizationSchedule } from 'tfjs-decomposed-loss/regularizers';
import { fitCallbacks } from 'tfjs-decomposed-loss/tfvis';
import { tf } from '../helpers/backend';
import { tensorsLeftBy, tensorsLeftByFailing } from '../helpers/memory';
import { data, regressor } from '../helpers/models';
import { FakeElement } from '../helpers/page';

const x = data([6, 4]);
const y = data([6, 1], 2);
const [valX, valY] = [data([4, 4], 7), data([4, 1], 8)];
const BATCH = 4;

type Logs = Record<string, number>;

/** Every event that callbacks are told, with its logs as numbers. */
function recorder() {
  const events: Array<[event: string, index: number | undefined, logs: Logs]> = [];
  const note =
    (event: string) =>
    async (...args: unknown[]) => {
      const [index, logs] = args.length === 2 ? (args as [number, Logs]) : [undefined, args[0] as Logs];
      events.push([event, index, { ...logs }]);
    };
  const names = ['onTrainBegin', 'onTrainEnd', 'onEpochBegin', 'onEpochEnd', 'onBatchBegin', 'onBatchEnd'] as const;
  const callback = new tf.CustomCallback(Object.fromEntries(names.map((name) => [name, note(name)])));
  return { events, callback };
}

const batchesOf = (all: tfjs.Tensor): tfjs.Tensor[] => [tf.slice(all, 0, BATCH), tf.slice(all, BATCH)];
const [xs, ys] = [batchesOf(x), batchesOf(y)];

/** The epochs of `fit`, by hand. */
const epochs =
  (model: tfjs.LayersModel, count: number) =>
  async (loop: TrainingLoop): Promise<void> => {
    for (let epoch = 0; epoch < count && !loop.stopTraining; epoch += 1) {
      for (const [index, one] of xs.entries()) {
        await loop.step(() => trainStep(model, one, ys[index]!), one.shape[0]);
      }
      await loop.validate(() => evaluate(model, valX, valY), 4);
      await loop.endEpoch();
    }
  };

const fitted = (model: tfjs.LayersModel, count: number, callbacks: tfjs.CustomCallback[]) =>
  model.fit(x, y, {
    ...{ epochs: count, batchSize: BATCH, shuffle: false, verbose: 0, validationData: [valX, valY] },
    callbacks: [decomposedLoss(), ...callbacks] as never,
  });

/** `val_loss` lacks the penalty in `fit`. */
const asInFit = (logs: Logs): Logs => Object.fromEntries(Object.entries(logs).filter(([key]) => key !== 'val_loss'));

describe('beside fit', () => {
  it('sends the same events in the same order, with the same logs', async () => {
    const [own, host] = [recorder(), recorder()];
    const loop = await trainingLoop(
      { callbacks: own.callback, models: regressor({ metrics: ['mae'] }), epochs: 2 },
      epochs(regressor({ metrics: ['mae'] }), 2),
    );
    const fit = await fitted(regressor({ metrics: ['mae'] }), 2, [host.callback]);
    expect(own.events.map(([event, index]) => [event, index])).toEqual(
      host.events.map(([event, index]) => [event, index]),
    );
    own.events.forEach(([event, , logs], place) => {
      const expected = asInFit(host.events[place]![2]);
      const found = asInFit(logs);
      expect([event, Object.keys(found).sort()]).toEqual([event, Object.keys(expected).sort()]);
      for (const key of Object.keys(expected)) expect(found[key]).toBeNear(expected[key]!, 1e-5);
    });
    expect(loop.epoch).toEqual(fit.epoch);
    expect(Object.keys(asInFit(loop.history as never)).sort()).toEqual(
      Object.keys(asInFit(fit.history as never)).sort(),
    );
  });

  it('takes tensors, which it reads once an epoch, for the same means', async () => {
    const [tensors, numbers] = [regressor(), regressor()];
    const loss = (model: tfjs.LayersModel, index: number) => () =>
      tf.losses.meanSquaredError<tfjs.Tensor, tfjs.Scalar>(ys[index]!, model.apply(xs[index]!) as tfjs.Tensor);
    const run = (model: tfjs.LayersModel, returnTensors: boolean) =>
      trainingLoop({ models: model }, async (loop) => {
        const optimizer = tf.train.sgd(0.1);
        for (let epoch = 0; epoch < 2; epoch += 1) {
          for (const index of [0, 1]) {
            const args = { models: model, variables: model };
            await loop.step(
              () =>
                returnTensors
                  ? minimize(optimizer, loss(model, index), { ...args, returnTensors })
                  : minimize(optimizer, loss(model, index), args),
              xs[index]!.shape[0],
            );
          }
          await loop.validate(() => evaluateLoss(loss(model, 0), { models: model }));
          await loop.endEpoch({ epsilon: 0.5 });
        }
      });
    const [own, other] = [await run(tensors, true), await run(numbers, false)];
    expect(Object.keys(own.history)).toEqual([
      ...['loss', 'data_loss', 'regularization_loss', 'val_loss', 'val_data_loss', 'val_regularization_loss'],
      ...['val_total_loss', 'epsilon'],
    ]);
    for (const [key, values] of Object.entries(other.history)) {
      values.forEach((value, epoch) => expect(own.history[key]![epoch]).toBeNear(value as number, 1e-5));
    }
  });
});

it('tells callbacks beforehand of which losses it is, as fit does, and that it may validate', async () => {
  const model = regressor();
  const seen: unknown[] = [];
  const callback = new (class extends tf.Callback {
    override async onTrainBegin() {
      seen.push({ ...this.params });
    }
  })();
  const callbacks = [decomposedLoss(), callback];
  await model.fit(x, y, { epochs: 1, validationSplit: 0.5, verbose: 0, callbacks });
  await trainingLoop({ models: model, epochs: 1, callbacks }, epochs(model, 1));
  const metrics = expect.arrayContaining(['loss', 'data_loss', 'regularization_loss']);
  expect(seen).toEqual(Array(2).fill(expect.objectContaining({ epochs: 1, doValidation: true, metrics })));
});

it('has functions that work when they are taken out of the loop', async () => {
  const run = (models: tfjs.LayersModel, body: (loop: TrainingLoop) => Promise<void>) =>
    trainingLoop({ callbacks: [decomposedLoss()], models }, body);
  const whole = (model: tfjs.LayersModel) => () => trainStep(model, x, y);
  const [one, other] = [regressor(), regressor()];
  const taken = await run(one, async ({ step, validate, endEpoch }) => {
    await step(whole(one), 6);
    await validate(() => evaluate(one, valX, valY), 4);
    await endEpoch({ rate: 1 });
  });
  const kept = await run(other, async (loop) => {
    await loop.step(whole(other), 6);
    await loop.validate(() => evaluate(other, valX, valY), 4);
    await loop.endEpoch({ rate: 1 });
  });
  expect(taken.history).toEqual(kept.history);
  expect(Object.keys(taken.history)).toEqual(expect.arrayContaining(['data_loss', 'val_loss', 'rate']));
});

it('weights the means by size, and each key over the batches that have it', async () => {
  const loss = (total: number): DecomposedLoss => ({
    ...{
      total,
      data: total / 2,
      regularization: total / 2,
      parts: { fit: total / 2 },
      weights: { fit: 1 },
      metrics: {},
    },
  });
  const { history } = await trainingLoop({}, async (loop) => {
    await loop.step(() => ({ d: loss(1), g: loss(10) }), 1);
    await loop.step(async () => ({ d: loss(4) }), 3);
    await loop.endEpoch();
  });
  expect(history).toMatchObject({ 'd/loss': [(1 + 3 * 4) / 4], 'g/loss': [10], 'g/data_loss/fit': [5] });
  expect(Object.keys(history)).not.toContain('loss');
});

describe('callbacks', () => {
  it('print how many epochs there are only where that is known', async () => {
    const log = jest.spyOn(console, 'log').mockImplementation();
    const callbacks = decomposedLoss({ verbose: true });
    await trainingLoop({ callbacks, models: regressor() }, epochs(regressor(), 1));
    await trainingLoop({ callbacks, models: regressor(), epochs: 1 }, epochs(regressor(), 1));
    const printed = log.mock.calls.map(([line]) => String(line).split('  ')[0]);
    log.mockRestore();
    expect(printed).toEqual(['Epoch 1', 'Epoch 1/1']);
  });

  const folder = mkdtempSync(join(tmpdir(), 'loop-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('may be all that fit takes, in any mixture', async () => {
    const model = regressor();
    const ends: number[] = [];
    const path = join(folder, 'losses.csv');
    const place = new FakeElement('div');
    const args: TrainingLoopArgs = {
      callbacks: [
        decomposedLoss({ logKeys: { dataLoss: 'fit', valDataLoss: 'val_fit' } }),
        { onEpochEnd: async (epoch: number) => void ends.push(epoch) },
        [lossLogger(path), undefined, tf.callbacks.earlyStopping({ monitor: 'val_fit', patience: 1 })],
      ],
      models: model,
    };
    await trainingLoop(args, epochs(model, 2));
    expect(ends).toEqual([0, 1]);
    const [header, ...rows] = readFileSync(path, 'utf8').trim().split('\n');
    expect(header).toMatch(
      /^epoch,loss,regularization_loss,val_loss,val_regularization_loss,val_total_loss,fit,.*val_fit/,
    );
    expect(rows).toHaveLength(2);
    await trainingLoop({ callbacks: fitCallbacks(place as never), models: model }, epochs(model, 2));
    expect(place.querySelectorAll('.tfjs-decomposed-loss-chart').length).toBeGreaterThan(0);
  });

  it('number epochs on in a second loop', async () => {
    const model = regressor();
    const path = join(folder, 'on.csv');
    const log = lossLogger(path);
    for (let run = 0; run < 3; run += 1) await trainingLoop({ callbacks: log, models: model }, epochs(model, 1));
    await trainingLoop({ callbacks: log, models: model, initialEpoch: 7 }, epochs(model, 1));
    const rows = readFileSync(path, 'utf8').trim().split('\n').slice(1);
    expect(rows.map((row) => Number(row.split(',')[0]))).toEqual([0, 1, 2, 7]);
  });

  it('stop the loop, and restore the best weights of all models', async () => {
    const [first, second] = [regressor(), regressor()];
    const stop = earlyStopping({ monitor: 'val_loss', patience: 1, restoreBestWeights: true });
    const values = [3, 1, 2, 5, 0];
    const best: number[][] = [];
    const weights = () =>
      [first, second].flatMap((model) => model.getWeights().map((one) => Array.from(one.dataSync())));
    const loss = (total: number): DecomposedLoss => ({
      ...{ total, data: total, regularization: 0, parts: { loss: total }, weights: { loss: 1 }, metrics: {} },
    });
    const { epoch } = await trainingLoop({ callbacks: stop, models: [first, second] }, async (loop) => {
      for (const value of values) {
        if (loop.stopTraining) break;
        await loop.step(() => trainStep(first, x, y));
        await trainStep(second, x, y);
        await loop.validate(() => loss(value));
        if (value === 1) best.push(...weights());
        await loop.endEpoch();
      }
    });
    expect([epoch, stop.bestEpoch, stop.stoppedEpoch]).toEqual([[0, 1, 2], 1, 2]);
    expect(weights()).toEqual(best);
  });

  it('see a stand-in where no model is named, and a model that is not built before', async () => {
    const seen: unknown[] = [];
    class Spy extends tf.Callback {
      override async onTrainBegin(): Promise<void> {
        seen.push(this.model);
      }
    }
    const loss = await evaluateLoss(() => tf.scalar(1));
    await trainingLoop({ callbacks: new Spy() }, async (loop) => loop.step(() => loss));
    expect(seen[0]).toBeInstanceOf(tf.LayersModel);
    const late = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });
    const built = () => evaluateLoss(() => tf.mean(late.predict(x) as tfjs.Tensor), { models: late });
    await trainingLoop({ callbacks: new Spy(), models: late }, async (loop) => loop.step(built));
    expect(seen[1]).toBe((late as unknown as { model: tfjs.LayersModel }).model);
  });

  it('that stops early knows the accuracies of every model, whichever comes first', async () => {
    const named = (name: string) => {
      const model = tf.sequential({ layers: [tf.layers.dense({ name, units: 1, inputShape: [4] })] });
      model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
      return model;
    };
    const models = [named('one'), named('qa')];
    for (const all of [models, [...models].reverse()]) {
      const stopping = earlyStopping({ monitor: 'qa_acc', patience: 9 });
      const loss = await evaluateLoss(() => tf.scalar(1));
      await trainingLoop({ callbacks: stopping, models: all }, async (loop) => {
        for (const accuracy of [0.1, 0.5, 0.9]) {
          await loop.step(() => loss);
          await loop.endEpoch({ qa_acc: accuracy });
        }
      });
      expect([stopping.best, stopping.bestEpoch]).toEqual([0.9, 2]);
    }
  });

  it('that number epochs go on from loop to loop, unless the first is given', async () => {
    const log = jest.spyOn(console, 'log').mockImplementation(() => {});
    const [model, callbacks] = [regressor(), decomposedLoss({ verbose: true })];
    for (const initialEpoch of [undefined, undefined, 0, 5]) {
      await trainingLoop({ callbacks, models: model, initialEpoch }, epochs(model, 1));
    }
    const numbers = log.mock.calls.map(([line]) => /^Epoch (\d+)/.exec(String(line))?.[1]);
    log.mockRestore();
    expect(numbers).toEqual(['1', '2', '1', '6']);
  });

  it('that write the total under its own name leave no other value there', async () => {
    const loss = await evaluateLoss(() => tf.scalar(1));
    const run = trainingLoop({ callbacks: decomposedLoss({ loss: 'data' }) }, async (loop) => {
      await loop.step(() => loss);
      await loop.endEpoch({ total_loss: 777 });
    });
    await expect(run).rejects.toThrow(/`total_loss` in the logs.*Give it another name in `endEpoch`/);
  });

  it('that cannot be in a loop say so', async () => {
    const model = regressor();
    const run = (callback: object) => trainingLoop({ callbacks: callback, models: model }, epochs(model, 1));
    await expect(run(gradientBalance())).rejects.toThrow(/no `gradientBalance\(\)` in a `trainingLoop`/);
    await expect(run(decomposedLoss({ breakdown: 'layer' }))).rejects.toThrow(/no `breakdown` of `decomposedLoss`/);
  });
});

describe('afterwards', () => {
  const everything = () => [
    decomposedLoss({ loss: 'data' }),
    earlyStopping({ monitor: 'loss', restoreBestWeights: true }),
  ];

  it('nothing is left', async () => {
    const model = regressor();
    const optimizer = tf.train.sgd(0.1);
    const loss = () => tf.losses.meanSquaredError<tfjs.Tensor, tfjs.Scalar>(y, model.apply(x) as tfjs.Tensor);
    const args = { models: model, variables: model, returnTensors: true } as const;
    minimize(optimizer, loss, args).dispose();
    const body = async (loop: TrainingLoop) => {
      for (let step = 0; step < 20; step += 1) {
        await loop.step(() => minimize(optimizer, loss, args));
        await loop.validate(() => evaluateLoss(loss, { models: model, returnTensors: true }));
        if (step % 5 === 4) await loop.endEpoch();
      }
      await loop.step(() => minimize(optimizer, loss, args));
    };
    expect(await tensorsLeftBy(() => trainingLoop({ callbacks: everything(), models: model }, body))).toBe(0);
    const failing = async (loop: TrainingLoop) => {
      await loop.step(() => minimize(optimizer, loss, args));
      await loop.validate(() => evaluateLoss(loss, { models: model, returnTensors: true }));
      throw new Error('the body failed');
    };
    const callbacks = everything();
    expect(await tensorsLeftByFailing(() => trainingLoop({ callbacks, models: model }, failing))).toBe(0);
    await trainingLoop({ callbacks, models: model }, body);
    const thrower = { onBatchEnd: async () => Promise.reject(new Error('the callback failed')) };
    const run = () => trainingLoop({ callbacks: [everything(), thrower], models: model }, body);
    expect(await tensorsLeftByFailing(run)).toBe(0);
  });
});

describe('bad input', () => {
  const loss: DecomposedLoss = { total: 1, data: 1, regularization: 0, parts: {}, weights: {}, metrics: {} };
  const loopOf = (body: (loop: TrainingLoop) => Promise<unknown>) => () =>
    trainingLoop({}, async (loop) => {
      await body(loop);
    });

  it.each<[string, () => Promise<unknown>, RegExp]>([
    ['an unknown option', () => trainingLoop({ model: 1 } as never, async () => {}), /of `trainingLoop`, got `model`/],
    [
      'epochs that are no number',
      () => trainingLoop({ epochs: '3' as never }, async () => {}),
      /`epochs` of `trainingLoop`/,
    ],
    ['no body', () => trainingLoop({}, undefined as never), /`body` of `trainingLoop`/],
    [
      'no step',
      loopOf(async (loop) => loop.step(() => 3 as never)),
      /`step` of `trainingLoop` to be given what.*got 3/,
    ],
    ['a step of no name', loopOf(async (loop) => loop.step(() => ({ d: 1 }) as never)), /got `d`: 1/],
    ['no step at all', loopOf(async (loop) => loop.step(() => ({ d: undefined }))), /got an object with `d`/],
    [
      'a metric with the name of a loss',
      loopOf(async (loop) => loop.step(() => ({ ...loss, metrics: { data_loss: 1 } }))),
      /`step` of `trainingLoop` to be given one value for each key of the log, got two for `data_loss`/,
    ],
    ['endEpoch before a step', loopOf(async (loop) => loop.endEpoch()), /`endEpoch` before one/],
    [
      'a step within a step',
      loopOf(async (loop) => loop.step(async () => (await loop.step(() => loss), loss))),
      /got a call within it/,
    ],
    [
      'sizes for some steps',
      loopOf(async (loop) => {
        await loop.step(() => loss, 3);
        await loop.step(() => loss);
      }),
      /`size` for all steps of an epoch or for none/,
    ],
    [
      'a step with the name of a validated one',
      loopOf(async (loop) => {
        await loop.step(() => ({ val_d: loss }));
        await loop.validate(() => ({ d: loss }));
        await loop.endEpoch();
      }),
      /steps of `loop.step` to have no key of validation, got `val_d\/loss`/,
    ],
    [
      'a log key that a metric has',
      () =>
        trainingLoop({ callbacks: decomposedLoss({ logKeys: { dataLoss: 'mae' } }) }, async (loop) => {
          await loop.step(() => ({ ...loss, metrics: { mae: 2 } }));
        }),
      /`logKeys.dataLoss` to be a name of its own, got 'mae', which is there already/,
    ],
    [
      'the log key `loss`',
      () =>
        trainingLoop({ callbacks: decomposedLoss({ logKeys: { dataLoss: 'loss' } }) }, async (loop) => {
          await loop.step(() => loss);
        }),
      /`logKeys.dataLoss` to be a name of its own, got 'loss'/,
    ],
    [
      'endEpoch after an epoch without a step',
      loopOf(async (loop) => {
        await loop.step(() => loss);
        await loop.endEpoch();
        await loop.endEpoch();
      }),
      /`endEpoch` before one/,
    ],
    [
      'a validation that is none',
      loopOf(async (loop) => loop.validate(() => 'loss' as never)),
      /`validate` of `trainingLoop`.*got 'loss'/,
    ],
    [
      'an end before a step is awaited',
      loopOf(async (loop) => void loop.step(async () => new Promise(() => {}))),
      /`body` of `trainingLoop` to await `loop.step`/,
    ],
    ['callbacks that are none', () => trainingLoop({ callbacks: 3 as never }, async () => {}), /got 3/],
    ['models that are none', () => trainingLoop({ models: {} as never }, async () => {}), /`models` of `trainingLoop`/],
    [
      'a size of validation that is none',
      loopOf(async (loop) => loop.validate(() => loss, NaN)),
      /`size` of `loop.validate`.*got NaN/,
    ],
    [
      'a model without layers',
      () => trainingLoop({ models: [regressor(), tf.sequential()] }, async (loop) => loop.step(() => loss)),
      /Expected `model` to be built, got `sequential_/,
    ],
    [
      'sizes for some validations',
      loopOf(async (loop) => {
        await loop.step(() => loss);
        await loop.validate(() => loss, 3);
        await loop.validate(() => loss);
      }),
      /`size` for all validations of an epoch or for none/,
    ],
    ['a size that is none', loopOf(async (loop) => loop.step(() => loss, 0)), /`size` of `loop.step`/],
    [
      'a name that is taken',
      loopOf(async (loop) => {
        await loop.step(() => loss);
        await loop.endEpoch({ loss: 3 });
      }),
      /`logs` of `endEpoch`.*got `loss`/,
    ],
    [
      'a log that is no number',
      loopOf(async (loop) => {
        await loop.step(() => loss);
        await loop.endEpoch({ epsilon: 'x' as never });
      }),
      /object of numbers, got others in `epsilon`/,
    ],
  ])('%s', async (_, run, message) => {
    await expect(run()).rejects.toThrow(message);
  });

  it('a step, a validation or an end of an epoch after the end: nothing runs', async () => {
    let kept: TrainingLoop | undefined;
    await trainingLoop({}, async (loop) => {
      kept = loop;
    });
    const run = jest.fn(() => loss);
    for (const late of [() => kept!.step(run), () => kept!.validate(run), () => kept!.endEpoch()]) {
      await expect(late()).rejects.toThrow(/got a call after its end/);
    }
    expect(run).not.toHaveBeenCalled();
  });

  const tensors = () => evaluateLoss(() => ({ fit: tf.scalar(1), kl: tf.scalar(2) }), { returnTensors: true });

  it.each<[string, (loop: TrainingLoop) => Promise<unknown>]>([
    ['beside a step that is none', (loop) => loop.step(() => ({ d: tensors(), g: 3 as never }))],
    ['beside a validation that is none', (loop) => loop.validate(() => ({ d: tensors(), g: 3 as never }))],
    ['of a step within a step', (loop) => loop.step(() => loop.step(tensors) as never)],
    [
      'with a key of validation',
      async (loop) => {
        await loop.step(() => ({ val_d: tensors() }));
        await loop.validate(() => ({ d: tensors() }));
        await loop.endEpoch();
      },
    ],
    [
      'of an epoch whose logs are none',
      async (loop) => {
        await loop.step(tensors);
        await loop.validate(tensors);
        await loop.endEpoch({ fit: 'x' as never });
      },
    ],
  ])('leaves no tensor %s', async (_, run) => {
    tensors().dispose();
    const body = async (loop: TrainingLoop) => {
      await run(loop);
    };
    expect(await tensorsLeftByFailing(() => trainingLoop({}, body))).toBe(0);
  });

  it('leaves no tensor of a step that is not awaited and is done after the end, and tells no callback', async () => {
    tensors().dispose();
    const ends = jest.fn(() => Promise.resolve());
    for (const name of ['step', 'validate'] as const) {
      let late: Promise<unknown> | undefined;
      const body = async (loop: TrainingLoop) => {
        await loop.step(() => loss);
        late = loop[name](async () => {
          await new Promise((resolve) => setTimeout(resolve, 5));
          return tensors();
        });
      };
      const left = await tensorsLeftBy(async () => {
        await expect(trainingLoop({ callbacks: { onBatchEnd: ends } }, body)).rejects.toThrow(/to await `loop\./);
        await late;
      });
      expect(left).toBe(0);
    }
    expect(ends).toHaveBeenCalledTimes(2);
  });

  it('can end an epoch whose logs were refused', async () => {
    const { history } = await trainingLoop({}, async (loop) => {
      await loop.step(() => loss);
      await loop.validate(() => loss);
      await expect(loop.endEpoch({ val_total_loss: 1 })).rejects.toThrow(/`logs` of `endEpoch`.*got `val_total_loss`/);
      await loop.endEpoch({ rate: 1 });
    });
    expect(history).toMatchObject({ loss: [1], val_loss: [1], rate: [1] });
  });
});

describe('models that are not built', () => {
  const late = () =>
    tf.sequential({
      layers: [tf.layers.dense({ units: 1, inputShape: [4], kernelRegularizer: tf.regularizers.l2({ l2: 1 }) })],
    });
  const optimizer = tf.train.sgd(0);
  const step = (model: tfjs.Sequential) => () =>
    minimize(optimizer, () => tf.losses.meanSquaredError(y, model.apply(x) as tfjs.Tensor), {
      models: model,
      variables: model,
      returnTensors: true,
    });

  it('have the factor of a schedule in the first step', async () => {
    const [model, events] = [late(), recorder()];
    await trainingLoop(
      { models: model, callbacks: [regularizationSchedule(() => 0), events.callback] },
      async (loop) => {
        await loop.step(async () => step(model)().read());
      },
    );
    const logs = events.events.find(([event]) => event === 'onBatchEnd')![2];
    expect(logs).toMatchObject({ regularization_strength: 0, regularization_loss: 0 });
  });

  it('have their best weights restored, also one that no step touches, and are what callbacks see', async () => {
    for (const order of [0, 1]) {
      const [a, b] = [late(), late()];
      const models = order === 0 ? [a, b] : [b, a];
      const seen: unknown[] = [];
      class Spy extends tf.Callback {
        override async onTrainBegin(): Promise<void> {
          seen.push(this.model);
        }
      }
      const stop = earlyStopping({ monitor: 'loss', restoreBestWeights: true });
      await trainingLoop({ models, callbacks: [stop, new Spy()] }, async (loop) => {
        for (let epoch = 0; epoch < 2; epoch += 1) {
          await loop.step(step(a));
          await loop.endEpoch();
        }
      });
      expect(seen).toEqual([(models[0] as unknown as { model: unknown }).model]);
      expect(stop.bestEpoch).toBe(0);
    }
  });

  it('leave no tensor where a callback refuses the loop', async () => {
    const thrower = { onTrainBegin: async () => Promise.reject(new Error('refused')) };
    for (const callbacks of [gradientBalance(), thrower]) {
      const models = late();
      const run = () => trainingLoop({ models, callbacks }, (loop) => loop.step(step(models)));
      expect(await tensorsLeftByFailing(run)).toBe(0);
    }
  });
});

it('keeps the `val_loss` that the end of an epoch is given', async () => {
  const model = regressor();
  const { history } = await trainingLoop(
    { models: model, callbacks: decomposedLoss({ loss: 'data' }) },
    async (loop) => {
      await loop.step(() => trainStep(model, x, y));
      await loop.endEpoch({ val_loss: 0.5 });
    },
  );
  expect(history['val_loss']).toEqual([0.5]);
});
