/** Callbacks that change the model while it trains: what the host does then, it does with this library too. */
import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, evaluate } from 'tfjs-decomposed-loss';
import { gradientBalance } from 'tfjs-decomposed-loss/gradients';
import { activityRegularization } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { batches, data, fillWeights, numbersOf } from '../helpers/models';

type Callback = InstanceType<typeof tf.Callback>;

const compileArgs = (args: object = {}) => ({
  loss: 'meanSquaredError',
  optimizer: tf.train.adam(0.01),
  metrics: ['mae'],
  ...args,
});

function build(kind: string, weights?: tfjs.Tensor[]): tfjs.LayersModel {
  const layers = [
    tf.layers.dense({ name: 'hidden', units: 3, inputShape: [4], kernelRegularizer: 'l1l2' }),
    activityRegularization({ name: 'activity', l1: 0.3, l2: 0.7 }),
    tf.layers.dense({ name: 'out', units: 3 }),
    activityRegularization({ name: 'last', l2: 0.7 }),
  ];
  const inputs = tf.input({ shape: [4] });
  const outputs = () => layers.reduce((x, layer) => layer.apply(x) as tfjs.SymbolicTensor, inputs);
  const model = kind === 'a Sequential' ? tf.sequential({ layers }) : tf.model({ inputs, outputs: outputs() });
  model.compile(compileArgs({ optimizer: tf.train.sgd(0.01) }));
  if (weights === undefined) return fillWeights(model);
  model.setWeights(weights);
  return model;
}

const changes: Array<[name: string, change: (model: tfjs.Sequential) => void]> = [
  ['compiles it anew', (model) => model.compile(compileArgs())],
  ['compiles it with another loss', (model) => model.compile(compileArgs({ loss: 'meanAbsoluteError' }))],
  ['compiles it without its metric', (model) => model.compile(compileArgs({ metrics: [] }))],
  ['compiles it with the optimizer that it has', (model) => model.compile(compileArgs({ optimizer: model.optimizer }))],
  ['gives it another optimizer', (model) => (model.optimizer = tf.train.adam(0.01))],
  ['removes a layer', (model) => model.pop()],
];

const [x, y] = [() => data([6, 4]), () => data([6, 3])];
const [xVal, yVal] = [() => data([4, 4], 5), () => data([4, 3], 6)];

const train = {
  fit: (model: tfjs.LayersModel, args: object) =>
    model.fit(x(), y(), {
      epochs: 3,
      verbose: 0,
      batchSize: 3,
      shuffle: false,
      validationData: [xVal(), yVal()],
      ...args,
    }),
  fitDataset: (model: tfjs.LayersModel, args: object) =>
    model.fitDataset(batches([data([3, 4]), data([3, 3])], [data([3, 4], 2), data([3, 3], 3)]), {
      ...{ epochs: 3, verbose: 0, validationData: batches([xVal(), yVal()]) },
      ...args,
    }),
};

/** The histories, or the error, of a training in which a callback changes the model once. */
async function run(
  kind: string,
  by: 'fit' | 'fitDataset',
  hook: string,
  change: (model: tfjs.Sequential) => void,
  callbacks: Callback[],
) {
  const model = build(kind);
  const trained = () => (model as unknown as { model?: tfjs.LayersModel }).model ?? model;
  const models = new Set([trained()]);
  const optimizers = new Set([model.optimizer]);
  let calls = 0;
  const changing = new tf.CustomCallback({
    [hook]: () => {
      calls += 1;
      if (calls !== 2) return;
      change(model as tfjs.Sequential);
      models.add(trained());
      optimizers.add(trained().optimizer);
    },
  });
  const before = tf.memory().numTensors;
  const result = await train[by](model, { callbacks: [...callbacks, changing] }).then(
    (history) => ({ history }),
    (error: unknown) => ({ error: String(error) }),
  );
  const traces = [...models, ...optimizers].map((one) =>
    Object.entries(Object.getOwnPropertyDescriptors(one)).map(([name, { get, value }]) => [name, get, typeof value]),
  );
  const tensors = tf.memory().numTensors - before;
  const { regularization } = await evaluate(build(kind, trained().getWeights()), xVal(), yVal());
  return { ...result, traces, tensors, regularization };
}

const hooks = ['onEpochBegin', 'onBatchBegin', 'onBatchEnd', 'onEpochEnd'] as const;
const cases = ['a functional model', 'a Sequential'].flatMap((kind) =>
  (['fit', 'fitDataset'] as const).flatMap((by) =>
    changes
      .filter(([name]) => kind === 'a Sequential' || name !== 'removes a layer')
      .flatMap(([name, change]) => hooks.map((hook) => [kind, by, name, hook, change] as const)),
  ),
);

it.each(cases)('%s in %s, where a callback %s in %s', async (kind, by, _, hook, change) => {
  const plain = await run(kind, by, hook, change, []);
  const own = [decomposedLoss({ breakdown: 'layer' }), gradientBalance({ every: 1 })];
  const watched = await run(kind, by, hook, change, own);
  expect({ error: undefined, ...watched, history: undefined }).toEqual({
    ...{ error: undefined, ...plain, history: undefined },
  });
  if (!('history' in watched && 'history' in plain)) return;
  const [{ history: received }, { history: expected }] = [watched, plain];
  expect(received.history).toMatchObject(expected.history);
  const [total, ofData, penalty] = ['loss', 'data_loss', 'regularization_loss'].map((key) => numbersOf(received, key));
  total!.forEach((value, epoch) => expect(ofData![epoch]! + penalty![epoch]!).toBeNear(value, 1e-5));
  expect(received.history['val_data_loss']).toEqual(expected.history['val_loss']);
  expect(numbersOf(received, 'val_regularization_loss').at(-1)).toBeNear(watched.regularization, 1e-5);
});
