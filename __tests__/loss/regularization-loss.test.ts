import type * as tfjs from '@tensorflow/tfjs';
import { evaluateLoss, minimize, regularizationLoss, variableGrads } from 'tfjs-decomposed-loss';
import { accumulateGradients } from 'tfjs-decomposed-loss/gradients';
import { tf } from '../helpers/backend';
import { penalty } from '../helpers/float64';

const kernelRegularizer = (): ReturnType<typeof tf.regularizers.l2> => tf.regularizers.l2({ l2: 0.1 });

const dense = (): tfjs.Sequential =>
  tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4], kernelRegularizer: kernelRegularizer() })] });

/** A model whose only regularizer training drops. */
const recurrent = (): tfjs.Sequential =>
  tf.sequential({ layers: [tf.layers.lstm({ units: 2, inputShape: [3, 4], kernelRegularizer: kernelRegularizer() })] });

let warn: jest.SpyInstance;
beforeEach(() => (warn = jest.spyOn(console, 'warn').mockImplementation()));
afterEach(() => warn.mockRestore());

it('takes a Sequential that is neither compiled nor built', () => {
  const model = dense();
  const [kernel] = model.getWeights() as [tfjs.Tensor];
  expect(regularizationLoss(model).dataSync()[0]).toBeCloseTo(penalty(kernel, { l2: 0.1 }), 6);
});

it('refuses models one after the other, which would leave out all but the first', () => {
  expect(() => regularizationLoss(dense(), dense() as never)).toThrow(
    'Expected several models of `regularizationLoss` to be in an array',
  );
  expect(() => regularizationLoss(dense(), { warned: true } as never)).toThrow('got `warned`');
});

describe('a model whose regularizers training does not apply', () => {
  const x = tf.ones([2, 3, 4]);
  const runs: Record<string, (models: tfjs.LayersModel, args: { warn?: boolean }) => unknown> = {
    regularizationLoss: (model, args) => regularizationLoss(model, args),
    minimize: (models, args) => minimize(tf.train.sgd(0.1), lossOf(models), { models, ...args }),
    variableGrads: (models, args) => {
      variableGrads(lossOf(models), { models, ...args }).dispose();
    },
    evaluateLoss: (models, args) => evaluateLoss(lossOf(models), { models, ...args }),
    accumulateGradients: (models, args) => {
      const optimizer = tf.train.sgd(0.1);
      return accumulateGradients({ loss: lossOf(models), models, optimizer, ...args }).add(x);
    },
  };
  const lossOf =
    (model: tfjs.LayersModel) =>
    (input: tfjs.Tensor = x) =>
      tf.mean(model.apply(input) as tfjs.Tensor);

  it.each(Object.keys(runs))('is told once by %s, and not with `warn: false`', async (name) => {
    const run = runs[name]!;
    await run(recurrent(), { warn: false });
    expect(warn).not.toHaveBeenCalled();
    const model = recurrent();
    await run(model, {});
    await run(model, {});
    expect(warn.mock.calls).toEqual([[expect.stringMatching(/declares a regularizer that training does not apply/)]]);
  });
});

it('is a new scalar, also where the only penalty is a tensor that the user keeps', () => {
  const layer = tf.layers.dense({ units: 1, inputShape: [4] });
  const model = tf.sequential({ layers: [layer] });
  const kept = tf.scalar(3);
  layer.addLoss(() => kept);
  const loss = regularizationLoss(model);
  expect(loss.dataSync()[0]).toBe(3);
  loss.dispose();
  expect(kept.dataSync()[0]).toBe(3);
  kept.dispose();
});
