import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, regularizationTerms } from 'tfjs-decomposed-loss';
import { enforceRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { data, fillWeights, regressor, samePaths } from '../helpers/models';

const [x, y] = [() => data([6, 4]), () => data([6, 1])];

it("by layer: each epoch's part of the penalty, summing to the whole", async () => {
  const args = { verbose: 0 as const, epochs: 3, batchSize: 4, callbacks: decomposedLoss({ breakdown: 'layer' }) };
  const { history } = await regressor().fit(x(), y(), args);
  const keys = Object.keys(history).filter((key) => key.includes('/'));
  expect(keys).toEqual(['regularization_loss/hidden', 'regularization_loss/out']);
  (history['regularization_loss'] as number[]).forEach((whole, epoch) => {
    const parts = keys.reduce((sum, key) => sum + (history[key]![epoch] as number), 0);
    expect(parts / whole).toBeNear(1);
  });
});

it('by weight: the values of regularizationTerms at the weights of the step', async () => {
  const model = regressor();
  const terms = regularizationTerms(model);
  const value = (layer: string, weight: string) =>
    terms.filter((term) => term.layer === layer && term.weight === weight).reduce((sum, term) => sum + term.value, 0);
  const { history } = await model.fit(x(), y(), { verbose: 0, callbacks: decomposedLoss({ breakdown: 'weight' }) });
  expect(history['regularization_loss/hidden/kernel']![0]).toBeNear(value('hidden', 'kernel'));
  expect(history['regularization_loss/out/kernel']![0]).toBeNear(value('out', 'kernel'));
  expect(history['regularization_loss/out/bias']![0]).toBeNear(value('out', 'bias'));
});

it("is in the epochs' logs only, and under a name of your choice", async () => {
  const batchKeys: string[] = [];
  const spy = new tf.CustomCallback({ onBatchEnd: (_, logs) => void batchKeys.push(...Object.keys(logs!)) });
  const callbacks = [decomposedLoss({ breakdown: 'layer', logKeys: { regularizationLoss: 'penalty' } }), spy];
  const { history } = await regressor().fit(x(), y(), { verbose: 0, callbacks });
  expect(batchKeys.filter((key) => key.includes('/'))).toEqual([]);
  expect(Object.keys(history)).toEqual(expect.arrayContaining(['penalty/hidden', 'penalty/out']));
});

it('follows a loss that is added between epochs, and refuses one within', async () => {
  const adding = (hook: 'onBatchBegin' | 'onEpochBegin', model = regressor()) => {
    let calls = 0;
    const add = () => {
      if (++calls === 2) model.layers[0]!.addLoss(() => tf.scalar(1));
    };
    const callbacks = [new tf.CustomCallback({ [hook]: add }), decomposedLoss({ breakdown: 'weight' })];
    return model.fit(x(), y(), { verbose: 0, epochs: 3, batchSize: 2, callbacks });
  };
  const { history } = await adding('onEpochBegin');
  expect(history['regularization_loss/hidden/added_loss']!.at(-1)).toBe(1);
  await expect(adding('onBatchBegin')).rejects.toThrow(/Expected the 3 penalties .*got 4\. Add losses between epochs/);
});

/** The penalties of the model's weights in their order, from `regularizationTerms`, which has a row for each. */
const terms = (model: tfjs.LayersModel): number[] => regularizationTerms(model).map(({ value }) => value);

it.each([
  ['layer', ['a/b', 'a/b_1'], false],
  ['weight', ['a/b/kernel', 'a/b_1/kernel'], false],
  ['layer', ['a/b', 'a/b_1'], true],
  ['weight', ['a/b/kernel', 'a/b_1/kernel'], true],
] as const)(
  'by %s: layers that have one path are told apart: %s (in a model: %s)',
  async (breakdown, names, isNested) => {
    const inner = samePaths();
    const inputs = tf.input({ shape: [4] });
    const model = isNested ? tf.model({ inputs, outputs: inner.apply(inputs) as tfjs.SymbolicTensor }) : inner;
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
    const expected = terms(model);
    const { history } = await model.fit(x(), data([6, 2]), { verbose: 0, callbacks: decomposedLoss({ breakdown }) });
    const keys = Object.keys(history).filter((key) => key.includes('/'));
    const prefix = isNested ? `regularization_loss/${inner.name}` : 'regularization_loss';
    expect(keys).toEqual(names.map((name) => `${prefix}/${name}`));
    keys.forEach((key, index) => expect(history[key]![0]).toBeNear(expected[index]!));
  },
);

/** A layer with two kernels, `q/kernel` and `k/kernel`, of which the last parts are the same. */
class TwoKernels extends tf.layers.Layer {
  static readonly className = 'TwoKernels';
  override build() {
    const make = (name: string, l2: number) =>
      this.addWeight(name, [4, 1], 'float32', tf.initializers.ones(), tf.regularizers.l2({ l2 }));
    [make('q/kernel', 0.1), make('k/kernel', 0.3)].forEach((weight) => this.trainableWeights.push(weight));
    this.built = true;
  }
  override computeOutputShape = () => [null, 1];
  override call(inputs: tfjs.Tensor | tfjs.Tensor[]) {
    const [x] = [inputs].flat() as [tfjs.Tensor];
    return tf.addN(this.weights.map((weight) => tf.matMul(x, weight.read())));
  }
}

it('by weight: two of one name in a layer are told apart, and calls of one are not', async () => {
  const input = tf.input({ shape: [4] });
  const shared = new TwoKernels({ name: 'two' });
  const sum = tf.layers
    .add()
    .apply([0, 1].map(() => shared.apply(input) as tfjs.SymbolicTensor)) as tfjs.SymbolicTensor;
  const model = tf.model({ inputs: input, outputs: sum });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
  const expected = terms(fillWeights(model));
  const { history } = await model.fit(x(), y(), { verbose: 0, callbacks: decomposedLoss({ breakdown: 'weight' }) });
  const keys = Object.keys(history).filter((key) => key.includes('/'));
  expect(keys).toEqual(['kernel', 'kernel_1'].map((name) => `regularization_loss/two/${name}`));
  keys.forEach((key, index) => expect(history[key]![0]).toBeNear(expected[index]!));
});

it('has one name for a recurrent layer and its cell', async () => {
  const lstm = tf.layers.lstm({ name: 'lstm', units: 2, inputShape: [3, 1], kernelRegularizer: 'l1l2' });
  const model = tf.sequential({ layers: [lstm, tf.layers.dense({ name: 'out', units: 1 })] });
  lstm.addLoss(() => tf.scalar(2));
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  enforceRegularizers(model);
  const args = { verbose: 0 as const, callbacks: decomposedLoss({ breakdown: 'layer' }) };
  const { history } = await model.fit(data([4, 3, 1]), data([4, 1]), args);
  const parts = Object.keys(history).filter((key) => key.startsWith('regularization_loss/'));
  expect(parts).toEqual(['regularization_loss/lstm']);
  expect(history[parts[0]!]![0]).toBeNear(history['regularization_loss']![0] as number);
});
