import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, minimize, trainStep } from 'tfjs-decomposed-loss';
import { enforceRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { data, fillWeights, state } from '../helpers/models';

const { l2, l1 } = tf.regularizers;

/** Calls of `console.warn`, without the one that asks for tfjs-node. */
let warnings: string[];

beforeEach(() => {
  warnings = [];
  jest.spyOn(console, 'warn').mockImplementation((text: string) => {
    if (text.includes('declare')) warnings.push(text);
  });
});
afterEach(() => jest.restoreAllMocks());

function compiled<M extends tfjs.LayersModel>(model: M): M {
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.01) });
  return fillWeights(model);
}

/** An LSTM of which the host drops two regularizers, and a dense layer whose one it applies. */
const recurrent = (args: object = {}): tfjs.Sequential =>
  compiled(
    tf.sequential({
      layers: [
        tf.layers.lstm({
          name: 'lstm',
          units: 2,
          inputShape: [3, 2],
          kernelRegularizer: l2({ l2: 0.1 }),
          biasRegularizer: l1({ l1: 0.2 }),
          ...args,
        }),
        tf.layers.dense({ name: 'out', units: 1, kernelRegularizer: l2({ l2: 0.1 }) }),
      ],
    }),
  );

const batch = (): [tfjs.Tensor, tfjs.Tensor] => [data([4, 3, 2]), data([4, 1], 2)];
const step = (model: tfjs.LayersModel, args = {}) => trainStep(model, ...batch(), args);
const fit = (model: tfjs.LayersModel, args = {}) =>
  model.fit(...batch(), { epochs: 2, batchSize: 2, verbose: 0, shuffle: false, callbacks: decomposedLoss(args) });

/** As the step of `compiled`, in a loop of its own. */
const loop = (model: tfjs.LayersModel, args = {}) => {
  const [x, y] = batch();
  const loss = () => tf.losses.meanSquaredError<tfjs.Tensor, tfjs.Scalar>(y, model.apply(x) as tfjs.Tensor);
  const variables = model.getWeights() as tfjs.Variable[];
  return minimize(model.optimizer, loss, { models: model, variables, ...args });
};

describe.each([
  ['trainStep', step],
  ['minimize', loop],
  ['decomposedLoss', fit],
] as Array<[string, (model: tfjs.LayersModel, args?: object) => Promise<unknown>]>)('%s', (_, train) => {
  it('warns by name and with the remedy, once', async () => {
    const model = recurrent();
    await train(model);
    await train(model);
    expect(warnings).toEqual([expect.stringContaining('declares 2 regularizers that training does not apply')]);
    expect(warnings[0]).toContain('`lstm/kernel` (l2(0.1)), `lstm/bias` (l1(0.2)).');
    expect(warnings[0]).toContain('`enforceRegularizers(model)`');
  });

  it('speaks of one regularizer where there is one', async () => {
    await train(recurrent({ biasRegularizer: null }));
    expect(warnings).toEqual([
      expect.stringContaining('declares a regularizer that training does not apply: `lstm/kernel`'),
    ]);
  });

  it('not again after the model is compiled again', async () => {
    const model = recurrent();
    await train(model);
    compiled(model);
    await train(model);
    expect(warnings).toHaveLength(1);
  });

  it('warn: false silences it, and only for that call', async () => {
    const model = recurrent();
    await train(model, { warn: false });
    expect(warnings).toEqual([]);
    await train(model, { warn: undefined });
    expect(warnings).toHaveLength(1);
  });

  it.each<[string, () => tfjs.LayersModel]>([
    ['all are applied', () => recurrent({ kernelRegularizer: null, biasRegularizer: null })],
    [
      'they are enforced',
      () => {
        const model = recurrent();
        enforceRegularizers(model);
        return model;
      },
    ],
    [
      'they are left out on purpose',
      () => {
        const model = recurrent();
        enforceRegularizers(model, { recurrent: false });
        return model;
      },
    ],
    ['the weights are frozen', () => recurrent({ trainable: false })],
    ['the coefficients are 0', () => recurrent({ kernelRegularizer: l2({ l2: 0 }), biasRegularizer: null })],
  ])('is silent where %s', async (_, build) => {
    await train(build());
    expect(warnings).toEqual([]);
  });

  it('warns when the regularizers are no longer enforced, and once', async () => {
    const model = recurrent();
    const { restore } = enforceRegularizers(model);
    await train(model);
    restore();
    await train(model);
    await train(model);
    expect(warnings).toHaveLength(1);
  });

  it('trains to bit-identical weights, and asks no regularizer for it', async () => {
    let applied = 0;
    class Counted extends (Object.getPrototypeOf(l2({ l2: 1 }).constructor) as typeof tf.serialization.Serializable) {
      static className = 'Counted';
      getConfig() {
        return {};
      }
      apply(weight: tfjs.Tensor): tfjs.Scalar {
        applied += 1;
        return tf.sum(weight);
      }
    }
    const [warned, silent] = [recurrent({ kernelRegularizer: new Counted() }), recurrent()];
    applied = 0;
    await train(warned);
    await train(silent, { warn: false });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('`lstm/kernel` (Counted)');
    expect(applied).toBe(0);
    expect(await state(warned)).toEqual(await state(silent));
  });

  it('refuses a warn that is neither true nor false', async () => {
    await expect(async () => train(recurrent(), { warn: 'no' })).rejects.toThrow(
      /`warn` of `.*` to be true or false, got 'no'/,
    );
  });
});

it('warns once, whichever finds it first', async () => {
  const model = recurrent();
  await step(model);
  await fit(model);
  expect(warnings).toHaveLength(1);
});

it('names no more than six', async () => {
  const cells = Array.from({ length: 4 }, (_, i) =>
    tf.layers.simpleRNNCell({ name: `cell${i}`, units: 2, kernelRegularizer: 'l1l2', biasRegularizer: 'l1l2' }),
  );
  const model = compiled(tf.sequential({ layers: [tf.layers.rnn({ cell: cells, inputShape: [3, 2] })] }));
  await trainStep(model, data([4, 3, 2]), data([4, 2]));
  expect(warnings[0]).toContain('declares 8 regularizers');
  expect(warnings[0]).toContain('cell2/bias` (l1l2(l1 = 0.01, l2 = 0.01)), 2 more.');
});

it('looks at the layers of a model once', async () => {
  const model = recurrent();
  const cell = (model.layers[0] as unknown as { cell: { kernelRegularizer: unknown } }).cell;
  const { kernelRegularizer } = cell;
  let reads = 0;
  const get = () => {
    reads += 1;
    return kernelRegularizer;
  };
  Object.defineProperty(cell, 'kernelRegularizer', { get, enumerable: true, configurable: true });
  await step(model);
  expect(reads).toBeGreaterThan(0);
  const first = reads;
  await step(model);
  await step(model);
  expect(reads).toBe(first);
});

it.each([
  [6, /`lstm_2\/bias` \(l2\(1\)\)\. TensorFlow\.js/],
  [8, /`lstm_2\/bias` \(l2\(1\)\), 2 more\. TensorFlow\.js/],
])('names six of %i at most', async (count, message) => {
  const regularizers = { kernelRegularizer: l2({ l2: 1 }), biasRegularizer: l2({ l2: 1 }) };
  const lstm = (index: number) =>
    tf.layers.lstm({ name: `lstm_${index}`, units: 2, inputShape: [3, 2], returnSequences: true, ...regularizers });
  const layers = Array.from({ length: count / 2 }, (_, index) => lstm(index));
  const model = compiled(tf.sequential({ layers: [...layers, tf.layers.flatten(), tf.layers.dense({ units: 1 })] }));
  await step(model);
  expect(warnings).toEqual([expect.stringMatching(message)]);
});
