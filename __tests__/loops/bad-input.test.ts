import type * as tfjs from '@tensorflow/tfjs';
import {
  evaluateLoss,
  lossTerm,
  minimize,
  regularizationLoss,
  variableGrads,
  type CustomLoss,
} from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { weightsOf } from '../helpers/loops';
import { tensorsLeftBy } from '../helpers/memory';
import { data, regressor } from '../helpers/models';

const [x, y] = [data([6, 4]), data([6, 1], 2)];
const model = regressor();
const optimizer = tf.train.momentum(0.1, 0.9);
const { model: trained } = model as unknown as { model: tfjs.LayersModel };
const penalties = (): tfjs.Scalar[] => (trained as unknown as { calculateLosses(): tfjs.Scalar[] }).calculateLosses();

const error = (): tfjs.Scalar =>
  tf.losses.meanSquaredError<tfjs.Tensor, tfjs.Scalar>(y, model.apply(x, { training: true }) as tfjs.Tensor);

const notBuilt = tf.sequential({ name: 'late', layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });

/** One that is the part `gap` of whatever trains it. */
const withTerm = (): tfjs.LayersModel => {
  const inputs = tf.input({ shape: [4] });
  const gap = lossTerm({ name: 'gap', loss: ([one]) => tf.mean(one!) });
  return tf.model({ inputs, outputs: gap.apply(inputs) as tfjs.SymbolicTensor });
};
const term = withTerm();

/** All that takes a loss, with what it names it and whether it takes gradients. */
const functions: Array<[name: string, run: (loss: CustomLoss, args: object) => unknown, differentiates: boolean]> = [
  ['minimize', (loss, args) => minimize(optimizer, loss, args), true],
  ['minimize', (loss, args) => minimize(optimizer, loss, { ...args, returnTensors: true }), true],
  ['variableGrads', (loss, args) => variableGrads(loss, args), true],
  ['variableGrads', (loss, args) => variableGrads(loss, { ...args, apart: true }), true],
  ['evaluateLoss', (loss, args) => evaluateLoss(loss, args), false],
];

describe.each(functions)('%s', (_, run, differentiates) => {
  const models = { models: model };

  it.each<[string, () => unknown, object, RegExp]>([
    [
      'returns no scalar',
      () => model.apply(x),
      models,
      /to return a scalar, .* got a tensor of type float32 and shape \[6,1\]/,
    ],
    ['returns words', () => tf.scalar('loss'), models, /to return a scalar, .* got a tensor of type string/],
    ['adds what calculateLosses gave', () => tf.addN([error(), ...penalties()]), models, /`loss`.*count twice/],
    [
      'has a part that is a penalty',
      () => ({ fit: error(), weights: tf.addN(penalties()) }),
      models,
      /`weights`.*count twice/,
    ],
    ['adds regularizationLoss', () => tf.add(error(), regularizationLoss(model)), models, /`loss`.*count twice/],
    ['returns an empty record', () => ({}), models, /to return a scalar, .* got an object with no keys/],
    ['returns an array', () => [error()], models, /to return a scalar, .* got an array of 1/],
    ['returns a promise', async () => error(), models, /to return a scalar, .* got a Promise.*do not await/],
    ['returns a string', () => 'loss', models, /to return a scalar, .* got 'loss'/],
    ['returns nothing', () => undefined, models, /to return a scalar, .* got undefined/],
    ['returns a number', () => 3, models, /to return a scalar, .* got 3 \(number\)/],
    ['has a part that is a number', () => ({ fit: error(), kl: 3 }), models, /got `kl`: 3/],
    ['has a part without a name', () => ({ fit: error(), '': error() }), models, /got ``: a tensor/],
    ['has a part with the name of a member of every object', () => ({ toString: error() }), models, /got `toString`/],
    [
      'has a part with the name of a lossTerm',
      () => (term.apply(x), { fit: error(), gap: error() }),
      { models: [model, term] },
      /to have other names than the `lossTerm` layers of `models`, got `gap` for both/,
    ],
    [
      'has no part that `weights` names',
      () => error(),
      { ...models, weights: { kl: 1 } },
      /`weights`.*\(`loss`\), got `kl`/,
    ],
    [
      'has a weight that is NaN',
      () => error(),
      { ...models, weights: { loss: () => NaN } },
      /weight `loss` in `weights`.*got NaN/,
    ],
    ['does not build a model', () => error(), { models: notBuilt }, /Expected `model` to be built, got `late`/],
    [
      'has a model that is none',
      () => error(),
      { models: [model, { name: 'x' }] },
      /`models`.* got an object with `name`/,
    ],
    ['has a model that is a layer', () => error(), { models: model.layers[0] }, /`models`.* got a Dense/],
    ['has an option that is unknown', () => error(), { model }, /, got `model`/],
    ['throws', () => (error(), fail()), models, /^the loss failed$/],
    [
      'takes a step itself',
      () => (void minimize(optimizer, error, models), error()),
      models,
      /Expected `minimize` to be called outside of a loss, got a call within one/,
    ],
    [
      'takes gradients itself',
      () => (variableGrads(error, models), error()),
      models,
      /Expected `variableGrads` to be called outside of a loss/,
    ],
    ...(differentiates
      ? ([
          [
            'depends on nothing that is trained',
            () => tf.scalar(1),
            { variables: model },
            /to depend on a variable that is trained/,
          ],
          [
            'is given no variable',
            () => error(),
            { ...models, variables: [] },
            /`variables`.* to name at least one, got none/,
          ],
          ['is given a layer', () => error(), { ...models, variables: model.layers[0] }, /`variables`.* got a Dense/],
        ] satisfies Array<[string, () => unknown, object, RegExp]>)
      : []),
  ])('with a loss that %s: one error, nothing moved, nothing left', async (_case, loss, args, message) => {
    const before = weightsOf([model]);
    let thrown: unknown;
    const left = await tensorsLeftBy(async () => {
      try {
        await run(loss as CustomLoss, args);
      } catch (error) {
        thrown = error;
      }
    });
    expect((thrown as Error | undefined)?.message).toMatch(message);
    expect(left).toBe(0);
    expect(weightsOf([model])).toEqual(before);
  });

  it('goes on after an error', async () => {
    expect(() => run(() => fail(), models)).toThrow('the loss failed');
    const made = run(error, { ...models, ...(differentiates && { variables: model }) });
    const { loss = made } = made as { loss?: unknown };
    const read = loss as { read?: () => Promise<{ total: number }> };
    expect((await (read.read?.() ?? (loss as Promise<{ total: number }>))).total).toBeGreaterThan(0);
  });
});

it('an optimizer that fails after its gradients is heard, also where a gradient of the user failed before', () => {
  class Failing extends tf.SGDOptimizer {
    override applyGradients(): void {
      throw new Error('the update failed');
    }
  }
  expect(() => tf.grad((one) => tf.add(tf.square(one), fail()))(tf.scalar(1))).toThrow('the loss failed');
  expect(() => minimize(new Failing(0.1), error, { models: model })).toThrow('the update failed');
});

it('an error of TensorFlow.js that is said in other words is the cause', () => {
  const step = () => minimize(optimizer, () => tf.scalar(1), { variables: model });
  expect(step).toThrow(expect.objectContaining({ cause: expect.any(Error) as Error }) as Error);
});

function fail(): never {
  throw new Error('the loss failed');
}
