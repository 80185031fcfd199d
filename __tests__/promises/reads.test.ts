import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, evaluate, evaluateLoss, minimize, trainStep, trainingLoop } from 'tfjs-decomposed-loss';
import { accumulateGradients, lossAndGradients } from 'tfjs-decomposed-loss/gradients';
import { fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { data, regressor } from '../helpers/models';

/** A callback as the host takes it: unlike `CustomCallback`, it does not read the values of a batch. */
class AtBatchEnd extends tf.Callback {
  constructor(private readonly onEnd: () => void) {
    super();
  }

  override async onBatchEnd(): Promise<void> {
    this.onEnd();
  }
}

/** How often values were read from the backend since training began, at the end of each batch and at the end. */
async function reads(model: tfjs.LayersModel, callbacks: tfjs.CustomCallback[]): Promise<number[]> {
  let count = 0;
  const spies = [jest.spyOn(tf.engine(), 'read'), jest.spyOn(tf.engine(), 'readSync')];
  const total = () => spies.reduce((sum, { mock }) => sum + mock.calls.length, 0);
  const counts: number[] = [];
  const counter = new AtBatchEnd(() => void counts.push(total() - count)) as unknown as tfjs.CustomCallback;
  const [x, y] = [data([8, 4]), data([8, 1])];
  count = total();
  await model.fit(x, y, {
    epochs: 1,
    batchSize: 2,
    verbose: 0,
    yieldEvery: 'never',
    callbacks: [...callbacks, counter],
  });
  counts.push(total() - count);
  jest.restoreAllMocks();
  return counts;
}

const own = (): tfjs.CustomCallback => decomposedLoss({ breakdown: 'weight' }) as unknown as tfjs.CustomCallback;

it('reads nothing during an epoch, and all of its values at once at the end', async () => {
  const plain = await reads(regressor(), []);
  expect(plain.slice(0, -1)).toEqual([0, 0, 0, 0]);
  for (const change of [() => {}, fuseRegularizers]) {
    const model = regressor();
    change(model);
    const watched = await reads(model, [own()]);
    expect(watched.slice(0, -1)).toEqual([0, 0, 0, 0]);
    expect(watched.at(-1)).toBe(plain.at(-1)! + 1);
  }
});

it('reads batches where a callback needs their values', async () => {
  const reading = new tf.CustomCallback({ onBatchEnd: () => undefined });
  expect((await reads(regressor(), [own(), reading]))[0]).toBeGreaterThan(0);
});

describe('transfers from the backend', () => {
  const [x, y] = [data([8, 4]), data([8, 1])];
  const loss = (model: tfjs.LayersModel) => () =>
    tf.losses.meanSquaredError<tfjs.Tensor, tfjs.Scalar>(y, model.apply(x) as tfjs.Tensor);
  const optimizer = () => tf.train.sgd(0.01);

  /** How many a call makes, whose result is awaited. */
  async function transfers(run: () => unknown): Promise<number> {
    const spies = [jest.spyOn(tf.engine(), 'read'), jest.spyOn(tf.engine(), 'readSync')];
    await run();
    const count = spies.reduce((sum, { mock }) => sum + mock.calls.length, 0);
    jest.restoreAllMocks();
    return count;
  }

  it.each<[string, (model: tfjs.LayersModel) => Promise<unknown>]>([
    ['trainStep', (model) => trainStep(model, x, y)],
    ['minimize', (model) => minimize(optimizer(), loss(model), { models: model, variables: model })],
    ['evaluateLoss', (model) => evaluateLoss(loss(model), { models: model })],
    ['evaluate', (model) => evaluate(model, x, y, { batchSize: 2 })],
    ['lossAndGradients', (model) => lossAndGradients(model, x, y)],
  ])('%s makes one', async (_, run) => {
    const model = regressor({ metrics: ['mae', 'mse'] });
    expect(await transfers(() => run(model))).toBe(1);
  });

  it('accumulateGradients makes one in a step, and none before', async () => {
    const accumulated = accumulateGradients(regressor({ metrics: ['mae', 'mse'] }));
    expect(await transfers(() => accumulated.add(x, y))).toBe(0);
    expect(await transfers(() => accumulated.add(x, y))).toBe(0);
    expect(await transfers(() => accumulated.apply())).toBe(1);
  });

  it('a loop of steps that return tensors makes one an epoch', async () => {
    const model = regressor({ metrics: ['mae', 'mse'] });
    const step = () => trainStep(model, x, y, { returnTensors: true });
    await trainingLoop({ models: model }, async (loop) => {
      for (let batch = 0; batch < 3; batch += 1) expect(await transfers(() => loop.step(step, 8))).toBe(0);
      expect(await transfers(() => loop.endEpoch())).toBe(1);
    });
  });
});
