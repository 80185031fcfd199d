/** Users' metrics, losses and optimizers may call `calculateLosses` within the step, or evaluate the loss more than once. */
import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, trainStep } from 'tfjs-decomposed-loss';
import { accumulateGradients, gradientBalance, lossAndGradients } from 'tfjs-decomposed-loss/gradients';
import { fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { tensorsLeftBy } from '../helpers/memory';
import { data, numbersOf, regressor, state } from '../helpers/models';
import { Sam } from '../helpers/optimizers';

const x = () => data([6, 4]);
const y = () => data([6, 1], 2);

const penaltiesOf = (model: tfjs.LayersModel): tfjs.Scalar[] =>
  ((model as unknown as { model?: tfjs.LayersModel }).model ?? model).calculateLosses();

type Build = () => tfjs.Sequential;

const withMetric: Build = () => {
  const metric = (yTrue: tfjs.Tensor, yPred: tfjs.Tensor) => {
    const error = tf.mean(tf.abs(tf.sub(yTrue, yPred)));
    return tf.addN([error, ...penaltiesOf(model)]);
  };
  const model: tfjs.Sequential = regressor({ metrics: [metric] });
  return model;
};

const withLoss: Build = () => {
  const model: tfjs.Sequential = regressor({
    loss: (yTrue, yPred) => {
      const error = tf.squaredDifference(yTrue, yPred).mean();
      const penalty = tf.addN(penaltiesOf(model)).mul(0);
      return error.add(penalty);
    },
  });
  return model;
};

const withOptimizer: Build = () => {
  const optimizer = tf.train.sgd(0.1);
  const minimize = optimizer.minimize.bind(optimizer);
  optimizer.minimize = (...args) => {
    tf.dispose(penaltiesOf(model));
    return minimize(...args);
  };
  const model = regressor({ optimizer });
  return model;
};

const builds: Array<[string, Build]> = [
  ['a metric that computes the penalty', withMetric],
  ['a loss that computes the penalty', withLoss],
  ['an optimizer that computes the penalty', withOptimizer],
  ['an optimizer that evaluates the loss twice', () => regressor({ optimizer: new Sam(0.1) })],
];

/** What the step is made of, without any of that. */
const expected = async () => trainStep(regressor(), x(), y());

describe.each(builds)('%s', (name, build) => {
  it.each([false, true])('leaves the parts of trainStep as they are (fused: %s)', async (fused) => {
    const model = build();
    if (fused) fuseRegularizers(model);
    const { data: dataLoss, regularization, total } = await expected();
    const step = await trainStep(model, x(), y());
    expect(step.data).toBeNear(dataLoss);
    expect(step.regularization).toBeNear(regularization);
    expect(step.total).toBeNear(total);
  });

  it.each(['none', 'weight'] as const)('leaves the parts in fit as they are (breakdown: %s)', async (breakdown) => {
    const [model, plain] = [build(), build()];
    const args = { epochs: 2, verbose: 0 as const, shuffle: false };
    const callbacks = [decomposedLoss({ breakdown }), gradientBalance({ every: 1 })];
    const history = await model.fit(x(), y(), { ...args, callbacks });
    await plain.fit(x(), y(), args);
    const { data: dataLoss, regularization } = await expected();
    expect(numbersOf(history, 'data_loss')[0]).toBeNear(dataLoss);
    expect(numbersOf(history, 'regularization_loss')[0]).toBeNear(regularization);
    expect(await state(model)).toEqual(await state(plain));
  });

  it('leaves the gradients as they are', async () => {
    if (name.includes('twice')) return;
    const gradients = async (model: tfjs.LayersModel) => {
      const { data: ofData, penalty, loss, dispose } = await lossAndGradients(model, x(), y());
      const values = [...Object.values(ofData), ...Object.values(penalty)].map((one) => Array.from(one.dataSync()));
      dispose();
      return { values, data: loss.data, regularization: loss.regularization };
    };
    const [own, host] = [await gradients(build()), await gradients(regressor())];
    expect(own.data).toBeNear(host.data);
    expect(own.regularization).toBeNear(host.regularization);
    own.values.flat().forEach((value, index) => expect(value).toBeNear(host.values.flat()[index]!));
  });

  it('leaves accumulated steps as they are', async () => {
    if (name.includes('twice')) return;
    const accumulated = accumulateGradients(build());
    await accumulated.add(x(), y());
    const loss = await accumulated.apply();
    const { data: dataLoss, regularization } = await expected();
    expect(loss.data).toBeNear(dataLoss);
    expect(loss.regularization).toBeNear(regularization);
  });

  it('leaves no tensor behind in 100 steps', async () => {
    const model = build();
    const [inputs, targets] = [x(), y()];
    await trainStep(model, inputs, targets);
    const callbacks = () => [decomposedLoss({ breakdown: 'layer' }), gradientBalance({ every: 2 })];
    const left = await tensorsLeftBy(async () => {
      for (let step = 0; step < 50; step += 1) await trainStep(model, inputs, targets);
      await model.fit(inputs, targets, { epochs: 50, verbose: 0, callbacks: callbacks() });
    });
    expect(left).toBe(0);
  });
});

it('says that it cannot tell where the optimizer returns another value than the loss', async () => {
  const optimizer = tf.train.sgd(0.1);
  const minimize = optimizer.minimize.bind(optimizer);
  optimizer.minimize = (...args) => tf.tidy(() => minimize(...args)!.mul(2));
  await expect(trainStep(regressor({ optimizer }), x(), y())).rejects.toThrow(/got a step that does not/);
});
