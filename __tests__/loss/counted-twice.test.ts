import type * as tfjs from '@tensorflow/tfjs';
import { evaluateLoss, lossTerm, minimize, regularizationLoss, variableGrads } from 'tfjs-decomposed-loss';
import { activityRegularization, addWeightDecay, fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { shared } from '../../src/host/patch';
import { tf } from '../helpers/backend';
import { tensorsLeftBy } from '../helpers/memory';
import { data, regressor } from '../helpers/models';

const x = data([6, 4]);
const y = data([6, 1], 2);

/** A layer whose penalty only its own method tells. */
class OwnPenalty extends tf.layers.Layer {
  static className = 'OwnPenalty';
  override call(inputs: tfjs.Tensor | tfjs.Tensor[]): tfjs.Tensor {
    return tf.mul(Array.isArray(inputs) ? inputs[0]! : inputs, 1);
  }
  override calculateLosses(): tfjs.Scalar[] {
    return [tf.scalar(2)];
  }
}

/** A model, and one that has it within it. */
function nested(inner: tfjs.Sequential = regressor()) {
  const input = tf.input({ shape: [4] });
  const outer = tf.model({ inputs: input, outputs: inner.apply(input) as tfjs.SymbolicTensor });
  return { inner, outer };
}

const penaltiesOf = (model: tfjs.LayersModel): tfjs.Scalar => tf.addN(model.calculateLosses());

type Case = [
  name: string,
  penalty: (inner: tfjs.Sequential, outer: tfjs.LayersModel) => tfjs.Tensor,
  models: 'inner' | 'outer',
];

describe.each<[string, (inner: tfjs.Sequential, outer: tfjs.LayersModel) => void]>([
  ['as it is', () => {}],
  ['with a fused model within', (inner) => fuseRegularizers(inner)],
  ['with a fused model around', (_, outer) => fuseRegularizers(outer)],
  ['with decay added within', (inner) => addWeightDecay(inner, { l2: 0.1, include: 'bias' })],
])('a penalty that a loss adds itself, %s', (_, change) => {
  it.each<Case>([
    ['regularizationLoss of the model within', (inner) => regularizationLoss(inner), 'outer'],
    ['regularizationLoss of the model around', (_, outer) => regularizationLoss(outer), 'inner'],
    ['calculateLosses of the model within', (inner) => penaltiesOf(inner), 'outer'],
    [
      'calculateLosses of the model that a Sequential hides',
      (inner) => penaltiesOf((inner as unknown as { model: tfjs.LayersModel }).model),
      'outer',
    ],
    ['calculateLosses of the model around', (_, outer) => penaltiesOf(outer), 'inner'],
    ['calculateLosses of a layer', (inner) => tf.sum(tf.stack(inner.layers[0]!.calculateLosses())), 'outer'],
  ])('is refused: %s', async (_, penalty, place) => {
    const { inner, outer } = nested();
    change(inner, outer);
    const optimizer = tf.train.sgd(0.1);
    const [models, variables] = [place === 'inner' ? inner : outer, outer];
    const loss = () => tf.losses.meanSquaredError(y, outer.apply(x) as tfjs.Tensor).add(penalty(inner, outer));
    const message = /to leave the penalties of `models` out, got a part, `loss`.*count twice/;
    const left = await tensorsLeftBy(async () => {
      expect(() => minimize(optimizer, loss, { models, variables })).toThrow(message);
      expect(() => evaluateLoss(loss, { models })).toThrow(message);
      expect(() => variableGrads(loss, { models, variables })).toThrow(message);
    });
    expect(left).toBe(0);
  });
});

it('is refused where a layer has a method of its own for it, or computes it of activations', () => {
  const own = nested(tf.sequential({ layers: [new OwnPenalty({ inputShape: [4] })] }));
  const activity = nested(tf.sequential({ layers: [activityRegularization({ l2: 1, inputShape: [4] })] }));
  const term = lossTerm({ name: 'size', loss: ([z]) => tf.mean(tf.square(z!)) });
  const input = tf.input({ shape: [4] });
  const withTerm = tf.model({ inputs: input, outputs: term.apply(input) as tfjs.SymbolicTensor });
  for (const { inner, outer } of [own, activity, { inner: withTerm, outer: withTerm }]) {
    const loss = () => tf.mean(outer.apply(x) as tfjs.Tensor).add(penaltiesOf(inner));
    expect(() => evaluateLoss(loss, { models: outer })).toThrow(/count twice/);
  }
});

it('is taken where it is that of a model that has none of them', async () => {
  const [model, other] = [regressor(), regressor()];
  const loss = () => tf.losses.meanSquaredError(y, model.apply(x) as tfjs.Tensor);
  const both = () => loss().add(regularizationLoss(other)).add(penaltiesOf(other));
  const [alone, together] = [
    await evaluateLoss(loss, { models: model }),
    await evaluateLoss(both, { models: model }),
  ] as const;
  const [own] = await regularizationLoss(other).data();
  expect(together.regularization).toBe(alone.regularization);
  expect(together.data).toBeGreaterThan(alone.data + own!);
});

it.each<[string, () => tfjs.layers.Layer]>([
  ['a layer with a method of its own', () => new OwnPenalty({})],
  ['a layer with a penalty on activations', () => activityRegularization({ l2: 1 })],
])('is refused where it is that of %s, by regularizationLoss', (_, layer) => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] }), layer()] });
  model.build();
  const loss = () => tf.add<tfjs.Scalar>(tf.mean(model.apply(x) as tfjs.Tensor), regularizationLoss(model));
  expect(() => minimize(tf.train.sgd(0.1), loss, { models: model })).toThrow(/it would count twice/);
});

it('is not looked for after a loss, also after one that throws', () => {
  const model = regressor();
  const traces = shared<unknown[]>('penalty-traces', () => []);
  const loss = () => {
    expect(traces).toHaveLength(1);
    throw new Error('the loss failed');
  };
  expect(() => minimize(tf.train.sgd(0.1), loss, { models: model })).toThrow('the loss failed');
  expect(traces).toEqual([]);
});
