import type * as tfjs from '@tensorflow/tfjs';
import {
  evaluateLoss,
  minimize,
  trainStep,
  type DecomposedLoss,
  type EvaluateLossArgs,
  type LossParts,
  type MinimizeArgs,
  type TrainStepArgs,
} from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { data, regressor } from '../helpers/models';

const x = data([6, 4]);
const y = data([6, 1], 2);
const model = regressor();
const optimizer = tf.train.sgd(0.1);
const loss = () => tf.losses.meanSquaredError(y, model.apply(x) as tfjs.Tensor);

const dispose = (found: DecomposedLoss | LossParts): void => {
  if ('dispose' in found) found.dispose();
};

const minimizeArgs: MinimizeArgs = { models: model, returnTensors: true };
const evaluateArgs: EvaluateLossArgs = { models: model, returnTensors: true };
const stepArgs: TrainStepArgs = { returnTensors: true };
const isChosen = Boolean(model);

it('is numbers where the arguments say so, or nothing', async () => {
  const all: Array<Promise<DecomposedLoss>> = [
    minimize(optimizer, loss),
    minimize(optimizer, loss, { models: model }),
    minimize(optimizer, loss, { models: model, returnTensors: false }),
    evaluateLoss(loss, { returnTensors: undefined }),
    trainStep(model, x, y, { warn: false }),
  ];
  for (const found of all) expect(typeof (await found).total).toBe('number');
});

it('is tensors where the arguments say so', async () => {
  const parts: LossParts[] = [
    minimize(optimizer, loss, { returnTensors: true }),
    evaluateLoss(loss, { returnTensors: true }),
    await trainStep(model, x, y, { returnTensors: true }),
  ];
  parts.forEach(({ total }) => expect(total).toBeInstanceOf(tf.Tensor));
  parts.forEach(dispose);
});

it('is either where the arguments do not say', async () => {
  const numbers: Array<Promise<DecomposedLoss>> = [
    // @ts-expect-error It may be tensors.
    minimize(optimizer, loss, minimizeArgs),
    // @ts-expect-error It may be tensors.
    minimize(optimizer, loss, { returnTensors: isChosen }),
    // @ts-expect-error It may be tensors.
    evaluateLoss(loss, evaluateArgs),
    // @ts-expect-error It may be tensors.
    trainStep(model, x, y, stepArgs),
  ];
  for (const found of numbers) {
    const loss: DecomposedLoss | LossParts = await found;
    expect(loss.total).toBeInstanceOf(tf.Tensor);
    dispose(loss);
  }
});
