import type * as tfjs from '@tensorflow/tfjs';
import { minimize, variableGrads } from 'tfjs-decomposed-loss';
import { activityRegularization, withWeightDecay } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { tensorsLeftBy } from '../helpers/memory';
import { data, fillWeights, regressor } from '../helpers/models';

const x = data([6, 4]);
const y = data([6, 1], 2);

const lossOf = (model: tfjs.LayersModel) => () => tf.losses.meanSquaredError(y, model.apply(x) as tfjs.Tensor);

describe('minimize with an optimizer that returns no cost', () => {
  /** As optimizers of tfjs-core, but for `returnCost`, which the type allows to answer with `null`. */
  const silent = (): tfjs.Optimizer => {
    const optimizer = tf.train.sgd(0.1);
    const minimizeOfHost = optimizer.minimize.bind(optimizer);
    optimizer.minimize = (loss, _returnCost, variables) => minimizeOfHost(loss, false, variables);
    return optimizer;
  };

  it.each([
    ['with a penalty', true],
    ['without a model', false],
  ])('gives the total that others give, %s', async (_, hasModels) => {
    const [own, host] = [regressor(), regressor()];
    const argsOf = (model: tfjs.LayersModel) => ({ variables: model, ...(hasModels && { models: model }) });
    const found = await minimize(silent(), lossOf(own), argsOf(own));
    expect(found).toEqual(await minimize(tf.train.sgd(0.1), lossOf(host), argsOf(host)));
    expect(found.regularization > 0).toBe(hasModels);
  });

  it('leaves no tensor', async () => {
    const [model, optimizer] = [regressor(), silent()];
    const args = { models: model, variables: model };
    const left = await tensorsLeftBy(async () => {
      await minimize(optimizer, lossOf(model), args);
      minimize(optimizer, lossOf(model), { ...args, returnTensors: true }).dispose();
    });
    expect(left).toBe(0);
  });
});

/** An optimizer that evaluates the loss twice on one tape, and takes the gradients of one of the two. */
function evaluatingTwice(place: 0 | 1): tfjs.Optimizer {
  class EvaluatingTwice extends tf.SGDOptimizer {
    override minimize(...[loss, ...args]: Parameters<tfjs.Optimizer['minimize']>): tfjs.Scalar | null {
      return super.minimize(() => [loss(), loss()][place]!, ...args);
    }
  }
  return new EvaluatingTwice(0.1);
}

it('counts what passed through layers in the evaluation that is returned, where there are two on one tape', async () => {
  const step = async (optimizer: tfjs.Optimizer) => {
    const layers = [
      tf.layers.dense({ units: 3, inputShape: [4] }),
      activityRegularization({ l1: 1 }),
      tf.layers.dense({ units: 1 }),
    ];
    const model = fillWeights(tf.sequential({ layers }));
    return minimize(optimizer, lossOf(model), { models: model, variables: model });
  };
  expect(await step(evaluatingTwice(1))).toEqual(await step(tf.train.sgd(0.1)));
});

it.each([0, 1] as const)(
  'gives the parts of the evaluation whose loss it returns, number %i, and leaves nothing',
  async (place) => {
    const [model, optimizer] = [regressor(), evaluatingTwice(place)];
    let weight = 0;
    const step = () =>
      minimize(optimizer, () => ({ fit: lossOf(model)() }), {
        variables: model,
        weights: { fit: () => (weight += 1) },
      });
    const { total, parts, weights } = await step();
    expect(weights).toEqual({ fit: 1 + place });
    expect(total).toBe((1 + place) * parts['fit']!);
    expect(await tensorsLeftBy(step)).toBe(0);
  },
);

describe('an update that throws', () => {
  const failing: Array<[string, () => tfjs.Optimizer]> = [
    ['in the decay', () => withWeightDecay(tf.train.sgd(0.1), { rate: 0.1, exclude: ['nothere'] })],
    [
      'in the optimizer, which had made a tensor',
      () =>
        Object.assign(tf.train.sgd(0.1), {
          applyGradients: () => {
            tf.scalar(1);
            throw new Error('no update');
          },
        }),
    ],
  ];

  it.each(failing)('leaves no tensor and moves nothing: %s', async (_, make) => {
    const [model, optimizer] = [regressor(), make()];
    const before = model.getWeights().map((weight) => Array.from(weight.dataSync()));
    const args = { models: model, variables: model };
    const left = await tensorsLeftBy(async () => {
      expect(() => minimize(optimizer, lossOf(model), args)).toThrow(/`exclude`|no update/);
      tf.tidy(() => expect(() => minimize(optimizer, lossOf(model), args)).toThrow());
    });
    expect(left).toBe(0);
    expect(model.getWeights().map((weight) => Array.from(weight.dataSync()))).toEqual(before);
  });
});

it('gives gradients, of a loss that ran within a tidy or not, to the tidy or the caller', async () => {
  const model = regressor();
  const args = { models: model, variables: model };
  const left = await tensorsLeftBy(async () => {
    tf.tidy(() => void variableGrads(lossOf(model), args));
    const made = variableGrads(lossOf(model), args);
    expect(Object.values(made.grads).every(({ isDisposed }) => !isDisposed)).toBe(true);
    made.dispose();
  });
  expect(left).toBe(0);
});
