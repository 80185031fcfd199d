import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, trainStep } from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { tensorsLeftByFailing } from '../helpers/memory';
import { batches, data, regressor, state, twoOutputs } from '../helpers/models';

type Callback = InstanceType<typeof tf.Callback>;

const [x, y] = [() => data([6, 4]), () => data([6, 1])];
const silent = { verbose: 0 as const };
const inOrder = { ...silent, shuffle: false };

/** A loss that fails at the call after `calls`. */
function failingLoss(calls: number): (yTrue: tfjs.Tensor, yPred: tfjs.Tensor) => tfjs.Tensor {
  let left = calls;
  return (yTrue, yPred) => {
    if (left-- === 0) throw new Error('the loss failed');
    return tf.squaredDifference(yTrue, yPred).mean(-1);
  };
}

/** Callbacks around the one under test, of which one fails in the second epoch or batch. */
function failingIn(hook: 'onTrainBegin' | 'onEpochBegin' | 'onBatchBegin' | 'onBatchEnd' | 'onEpochEnd'): Callback {
  let calls = 0;
  class Failing extends tf.Callback {}
  (Failing.prototype as unknown as Record<string, () => Promise<void>>)[hook] = async () => {
    if (++calls === (hook === 'onTrainBegin' ? 1 : 2)) throw new Error('the callback failed');
  };
  return new Failing();
}

class Idle extends tf.Callback {}

async function drainedAt(batch: number, model: tfjs.LayersModel, callbacks: Callback[]): Promise<unknown> {
  const one = { xs: x(), ys: y() };
  const dataset = tf.data.generator(function* () {
    for (let drawn = 0; ; drawn += 1) {
      if (drawn === batch) throw new Error('the dataset failed');
      yield { xs: one.xs.clone(), ys: one.ys.clone() };
    }
  });
  return model.fitDataset(dataset, { ...silent, epochs: 2, callbacks }).finally(() => tf.dispose(one));
}

type Accident = (model: tfjs.LayersModel, callbacks: Callback[]) => Promise<unknown>;

/** Each accident runs with the library and without it. */
const accidents: Array<[name: string, accident: Accident]> = [
  ['a dataset that fails in the middle', (model, callbacks) => drainedAt(3, model, callbacks)],
  ['inputs of a wrong shape', (model, callbacks) => model.fit(data([6, 5]), y(), { ...inOrder, callbacks })],
  [
    'a batch of a wrong shape in a dataset',
    (model, callbacks) =>
      model.fitDataset(batches([x(), y()], [data([6, 5]), y()]), { ...silent, epochs: 1, callbacks }),
  ],
  [
    'a loss that fails',
    (model, callbacks) => {
      const lossFunctions = [...model.lossFunctions];
      model.lossFunctions = [failingLoss(2)];
      const run = model.fit(x(), y(), { ...inOrder, batchSize: 2, callbacks });
      return run.finally(() => (model.lossFunctions = lossFunctions));
    },
  ],
  ...(['onTrainBegin', 'onEpochBegin', 'onBatchBegin', 'onBatchEnd', 'onEpochEnd'] as const).flatMap((hook) =>
    (['before', 'behind'] as const).map((place): [string, Accident] => [
      `a callback ${place} that fails in ${hook}`,
      (model, callbacks) => {
        const all = place === 'before' ? [failingIn(hook), ...callbacks] : [...callbacks, failingIn(hook)];
        return model.fit(x(), y(), { ...inOrder, epochs: 3, batchSize: 4, callbacks: all });
      },
    ]),
  ),
  [
    'a plain object behind it, which the host refuses',
    (model, callbacks) => model.fit(x(), y(), { ...inOrder, callbacks: [...callbacks, {}] }),
  ],
];

const trainedModel = (model: tfjs.Sequential) => (model as unknown as { model: tfjs.LayersModel }).model;

/** What hangs on a model: its own properties, and which of them are plain values. */
const traces = (model: tfjs.LayersModel) =>
  Object.entries(Object.getOwnPropertyDescriptors(model)).map(([name, { get, value }]) => [name, get, typeof value]);

it.each(accidents)('nothing is left of the run after %s', async (_, accident) => {
  const onTrainBegin = tf.CallbackList.prototype.onTrainBegin;
  const [plain, watched] = [regressor(), regressor()];
  const [left, leftPlain] = [
    await tensorsLeftByFailing(() => accident(trainedModel(watched), [decomposedLoss({ breakdown: 'layer' })])),
    await tensorsLeftByFailing(() => accident(trainedModel(plain), [new Idle()])),
  ];
  expect(left).toBe(leftPlain);
  expect(traces(trainedModel(watched))).toEqual(traces(trainedModel(plain)));
  const [one, other] = [
    await plain.fit(x(), y(), { ...inOrder, epochs: 2 }),
    await watched.fit(x(), y(), { ...inOrder, epochs: 2 }),
  ];
  expect(other.history).toEqual(one.history);
  expect(tf.CallbackList.prototype.onTrainBegin).toBe(onTrainBegin);
});

it.each(accidents)('the accident is one: %s', async (_, accident) => {
  await expect(accident(trainedModel(regressor()), [decomposedLoss()])).rejects.toThrow();
});

it('the same callback serves the next fit after one that threw', async () => {
  const callback = decomposedLoss();
  const model = regressor();
  await drainedAt(1, model, [callback]).catch(() => undefined);
  const { history } = await model.fit(x(), y(), { ...inOrder, callbacks: [callback] });
  expect(history['data_loss']).toHaveLength(1);
});

it('a penalty that is asked for outside of a step is not taken for one, after a step that threw', async () => {
  const model = regressor();
  const accident = accidents.find(([name]) => name === 'a loss that fails')![1];
  await accident(trainedModel(model), []).catch(() => undefined);
  const onBatchBegin = () => tf.dispose(trainedModel(model).calculateLosses());
  const callbacks = [decomposedLoss(), new tf.CustomCallback({ onBatchBegin })];
  const { history } = await model.fit(x(), y(), { ...inOrder, callbacks });
  expect(history['data_loss']).toHaveLength(1);
});

it("the host's list is as it was after a callback that throws before the run begins", async () => {
  const onTrainBegin = tf.CallbackList.prototype.onTrainBegin;
  class Refusing extends tf.Callback {
    override setModel() {
      throw new Error('the callback failed');
    }
  }
  const other = decomposedLoss({ logKeys: { dataLoss: 'd', regularizationLoss: 'r', valTotalLoss: 'v' } });
  const callbacks = [decomposedLoss(), other, new Refusing()];
  await expect(regressor().fit(x(), y(), { ...silent, callbacks })).rejects.toThrow('the callback failed');
  expect(tf.CallbackList.prototype.onTrainBegin).toBe(onTrainBegin);
});

it('trainStep leaves the states of a recurrent layer, and what the user kept, after a step that throws', async () => {
  let fails = false;
  const kept: tfjs.Tensor[] = [];
  const loss = (yTrue: tfjs.Tensor, yPred: tfjs.Tensor) => {
    kept.push(tf.keep(tf.mul(yPred, 2)));
    if (fails) throw new Error('the loss failed');
    return tf.squaredDifference(yTrue, yPred).mean(-1);
  };
  const recurrent = tf.layers.simpleRNN({ units: 2, stateful: true, batchInputShape: [2, 3, 1] });
  const model = tf.sequential({ layers: [recurrent, tf.layers.dense({ units: 1 })] });
  model.compile({ loss, optimizer: tf.train.sgd(0.1) });
  const [inputs, targets] = [data([2, 3, 1]), data([2, 1])];
  await trainStep(model, inputs, targets);
  fails = true;
  await expect(trainStep(model, inputs, targets)).rejects.toThrow('the loss failed');
  fails = false;
  expect((await trainStep(model, inputs, targets)).total).toBeGreaterThan(0);
  expect(kept.map(({ isDisposed }) => isDisposed)).toEqual([false, false, false]);
});

it('trainStep leaves the means that the user kept in a loss or a metric, after a step that throws', async () => {
  const kept: tfjs.Tensor[] = [];
  const keeping = (yTrue: tfjs.Tensor, yPred: tfjs.Tensor) => {
    const error = tf.squaredDifference(yTrue, yPred).mean(-1);
    kept.push(tf.keep(tf.mean(error)), tf.keep(tf.mean(yPred)));
    return error;
  };
  const failing = () => {
    throw new Error('the metric failed');
  };
  const [inputs, targets] = [x(), y()];
  const heads = (model: tfjs.LayersModel) => model.outputs.map(() => targets);
  for (const model of [
    regressor({ loss: keeping, metrics: ['mae', keeping, failing] }),
    twoOutputs({ loss: [keeping, keeping], metrics: { price: keeping, sold: failing } }),
  ]) {
    const before = kept.length;
    const sampleWeight = heads(model).map(() => tf.ones([6]));
    const left = await tensorsLeftByFailing(() => trainStep(model, inputs, heads(model), { sampleWeight }));
    expect(kept.length).toBeGreaterThan(before);
    expect(left).toBe(kept.length - before);
  }
  expect(kept.map(({ isDisposed }) => isDisposed)).not.toContain(true);
});

it('trainStep leaves nothing of a batch of rank 1 whose class weights do not fit', async () => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  const [inputs, targets] = [data([6]), tf.tensor1d([0, 1, 2, 0, 1, 2])];
  expect(await tensorsLeftByFailing(() => trainStep(model, inputs, targets, { classWeight: { 0: 1 } }))).toBe(0);
});

it('trainStep leaves nothing after an optimizer that throws', async () => {
  const model = regressor();
  const [inputs, targets] = [x(), y()];
  model.optimizer.applyGradients = () => {
    throw new Error('the optimizer failed');
  };
  expect(await tensorsLeftByFailing(() => trainStep(model, inputs, targets))).toBe(0);
});

it('trainStep leaves nothing after a step that throws, and the model trains on', async () => {
  const [plain, watched] = [regressor(), regressor()];
  const trained = trainedModel(watched);
  const before = traces(trained);
  const lossFunctions = trained.lossFunctions;
  trained.lossFunctions = [failingLoss(0)];
  const [inputs, targets] = [x(), y()];
  expect(await tensorsLeftByFailing(() => trainStep(watched, inputs, targets))).toBe(0);
  trained.lossFunctions = lossFunctions;
  expect(await tensorsLeftByFailing(() => trainStep(watched, data([6, 5]), targets))).toBe(1);
  expect(traces(trained)).toEqual(before);
  await plain.trainOnBatch(inputs, targets);
  await watched.trainOnBatch(inputs, targets);
  expect(await state(watched)).toEqual(await state(plain));
});
