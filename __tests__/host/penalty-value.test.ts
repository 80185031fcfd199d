/** Penalties that are no scalars: TensorFlow.js takes a number, and fails on anything else without saying where it comes from. */
import type * as tfjs from '@tensorflow/tfjs';
import {
  decomposedLoss,
  evaluate,
  minimize,
  regularizationLoss,
  regularizationTerms,
  trainStep,
} from 'tfjs-decomposed-loss';
import { accumulateGradients, gradientBalance, lossAndGradients } from 'tfjs-decomposed-loss/gradients';
import { enforceRegularizers, fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { tensorsLeftByFailing } from '../helpers/memory';
import { data, regressor, state } from '../helpers/models';

const [x, y] = [data([6, 4]), data([6, 1])];
afterAll(() => tf.dispose([x, y]));

/** A model with three penalties of its own and a fourth, on its second layer. */
function withPenalty(penalty: () => unknown): tfjs.Sequential {
  const model = regressor();
  model.layers[1]!.addLoss(penalty as () => tfjs.Scalar);
  return model;
}

const silent = { verbose: 0 as const, batchSize: 3, shuffle: false };
const users: Array<[string, (model: tfjs.Sequential) => Promise<unknown>]> = [
  ['trainStep', (model) => trainStep(model, x, y)],
  ['fit', (model) => model.fit(x, y, { ...silent, callbacks: decomposedLoss({ breakdown: 'weight' }) })],
  ['gradientBalance', (model) => model.fit(x, y, { ...silent, callbacks: gradientBalance() })],
  ['lossAndGradients', (model) => lossAndGradients(model, x, y)],
  ['accumulateGradients', (model) => accumulateGradients(model).add(x, y)],
  ['evaluate', (model) => evaluate(model, x, y)],
  ['regularizationTerms', async (model) => regularizationTerms(model)],
  ['regularizationLoss', async (model) => regularizationLoss(model)],
  ['minimize', async (model) => minimize(model.optimizer, () => tf.scalar(1), { models: model })],
  [
    'trainStep with fused penalties',
    async (model) => {
      const { restore } = fuseRegularizers(model);
      await trainStep(model, x, y).finally(restore);
    },
  ],
  [
    'trainStep with enforced penalties',
    async (model) => {
      const { restore } = enforceRegularizers(model);
      await trainStep(model, x, y).finally(restore);
    },
  ],
];

const wrong: Array<[string, () => unknown, string]> = [
  ['a vector', () => tf.tensor1d([1, 2, 3]), 'a tensor of type float32 and shape [3]'],
  ['a vector of one', () => tf.tensor1d([1]), 'a tensor of type float32 and shape [1]'],
  ['a promise', async () => tf.scalar(1), 'a Promise'],
  ['null', () => null, 'null'],
  ['words', () => tf.scalar('a'), 'a tensor of type string and shape []'],
];
const missing: Array<[string, () => unknown, string]> = [
  ['undefined', () => undefined, 'undefined'],
  [
    'a disposed tensor',
    () => {
      const scalar = tf.scalar(1);
      scalar.dispose();
      return scalar;
    },
    'a disposed tensor of type float32 and shape []',
  ],
];

/** Which members of the host's objects are their own: what the library changes is restored. */
const traces = (model: tfjs.Sequential): string[] => {
  const { model: trained } = model as unknown as { model: tfjs.LayersModel };
  const members = [trained, trained.optimizer, ...trained.layers].flatMap((one) => Object.keys(one));
  return members.filter((name) => ['calculateLosses', 'minimize', 'apply'].includes(name));
};

const failing = () => {
  throw new Error('the penalty failed');
};

describe.each([...wrong, ...missing])('a penalty that is %s', (name, penalty, got) => {
  const outside = ['evaluate', 'regularizationTerms', 'regularizationLoss'];
  const all = users.filter(([user]) => wrong.some(([other]) => other === name) || !outside.includes(user));

  it.each(all)('is refused by %s, and changes nothing', async (_, use) => {
    const model = withPenalty(penalty);
    const [before, members] = [await state(model), traces(model)];
    await expect(use(model)).rejects.toThrow(
      `Expected each penalty of the layer \`out\` to be a scalar, got ${got}. Return a single number`,
    );
    expect(await state(model)).toEqual(before);
    expect(traces(model)).toEqual(members);
    model.layers[1]!.losses.pop();
    await trainStep(model, x, y);
  });

  it.each(all)('leaves no tensor behind in %s', async (user, use) => {
    const model = withPenalty(penalty);
    const left = await tensorsLeftByFailing(() => use(model));
    // `fit` itself leaves tensors behind where a step throws.
    const plain = withPenalty(failing);
    const ofHost = await tensorsLeftByFailing(() => plain.fit(x, y, silent));
    const isFit = ['fit', 'gradientBalance'].includes(user);
    expect(left).toBe(isFit ? ofHost : 0);
  });
});

it.each(users)('a penalty that is a number counts as a scalar: %s', async (_, use) => {
  const [one, other] = [withPenalty(() => 0.5), withPenalty(() => tf.scalar(0.5))];
  await use(one);
  await use(other);
  expect(await state(one)).toEqual(await state(other));
});

it('a number is in the regularization loss, and trains as in TensorFlow.js', async () => {
  const [plain, watched] = [withPenalty(() => 0.5), withPenalty(() => 0.5)];
  const total = await plain.trainOnBatch(x, y);
  const without = regularizationTerms(regressor()).reduce((sum, { value }) => sum + value, 0);
  const loss = await trainStep(watched, x, y);
  expect(loss.total).toBe(total);
  expect(loss.regularization).toBeNear(without + 0.5);
  expect(await state(watched)).toEqual(await state(plain));
});

it('names a layer within a nested model', async () => {
  const layer = tf.layers.dense({ name: 'inner', units: 4, inputShape: [4] });
  layer.addLoss((() => tf.zeros([2])) as never);
  const model = tf.sequential({
    layers: [tf.sequential({ name: 'nested', layers: [layer] }), tf.layers.dense({ units: 1 })],
  });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  await expect(trainStep(model, x, y)).rejects.toThrow(/of the layer `(nested\/)?inner` to be a scalar/);
});

it.each<[string, () => unknown, string]>([
  ...missing.map(([name, penalty, got]): [string, () => unknown, string] => [name, penalty, `it returns ${got}`]),
  [
    'an error',
    () => {
      throw new Error('h.x is missing.');
    },
    'h.x is missing',
  ],
])('a loss added by hand that is %s counts 0 outside of training, with one warning', (_, penalty, reason) => {
  const warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
  const model = withPenalty(penalty);
  const added = [1, 2].map(() => regularizationTerms(model).at(-1));
  expect(added).toMatchObject([1, 2].map(() => ({ layer: 'out', weight: null, value: 0 })));
  expect(warn.mock.calls).toEqual([[expect.stringContaining(`left out there: ${reason}. Training has it.`)]]);
  warn.mockRestore();
});
