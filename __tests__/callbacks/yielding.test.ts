import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, earlyStopping, type DecomposedLossArgs } from 'tfjs-decomposed-loss';
import { gradientBalance } from 'tfjs-decomposed-loss/gradients';
import { tf } from '../helpers/backend';
import { batches, data, regressor, state } from '../helpers/models';

type Callback = InstanceType<typeof tf.Callback> | tfjs.CustomCallback;
type Callbacks = Callback | Callback[] | undefined;

class Idle extends tf.Callback {}

/** A loss that keeps the thread busy for some milliseconds a batch, as a larger model would. */
function busy(milliseconds: number): (yTrue: tfjs.Tensor, yPred: tfjs.Tensor) => tfjs.Tensor {
  return (yTrue, yPred) => {
    const end = performance.now() + milliseconds;
    while (performance.now() < end);
    return tf.squaredDifference(yTrue, yPred).mean(-1);
  };
}

/** How often a timer fires while something trains, in all and a second, and the weights after it. */
async function ticksDuring(train: (model: tfjs.LayersModel) => Promise<unknown>, milliseconds = 10) {
  const model = regressor({ loss: busy(milliseconds) });
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 1);
  const begin = performance.now();
  await train(model).finally(() => clearInterval(timer));
  const rate = (1000 * ticks) / (performance.now() - begin);
  return { ticks, rate, weights: await state(model) };
}

const EPOCHS = 10;
const BATCHES = 20;

const trainings = {
  fit: (callbacks: Callbacks) => (model: tfjs.LayersModel) =>
    model.fit(data([2 * BATCHES, 4]), data([2 * BATCHES, 1]), {
      ...{ epochs: EPOCHS, batchSize: 2, shuffle: false, verbose: 0, callbacks },
    }),
  fitDataset: (callbacks: Callbacks) => (model: tfjs.LayersModel) => {
    const one: [tfjs.Tensor, tfjs.Tensor] = [data([2, 4]), data([2, 1])];
    const dataset = batches(...Array.from({ length: BATCHES }, () => one));
    return model.fitDataset(dataset, { epochs: EPOCHS, verbose: 0, callbacks });
  },
};

describe.each(['fit', 'fitDataset'] as const)('%s', (by) => {
  it('gives way to other tasks as often as without callbacks, and trains to the same weights', async () => {
    const plain = await ticksDuring(trainings[by](undefined));
    const ours = await ticksDuring(trainings[by]([decomposedLoss()]));
    expect(plain.ticks).toBeGreaterThan(8);
    // Training gives way after some time, so a busy machine makes it do so more often.
    expect(ours.rate).toBeGreaterThan(plain.rate / 2);
    expect(ours.rate).toBeLessThan(plain.rate * 2);
    expect(ours.weights).toEqual(plain.weights);
  });

  it('gives way to none with instances of others alone', async () => {
    const { ticks } = await ticksDuring(trainings[by]([new Idle()]), 2);
    expect(ticks).toBeLessThanOrEqual(1);
  });
});

it.each<[DecomposedLossArgs['yieldEvery']]>([['batch'], ['epoch'], ['never'], [40]])(
  'gives way as CustomCallback does with yieldEvery %s',
  async (yieldEvery) => {
    const custom = await ticksDuring(trainings.fit([new tf.CustomCallback({}, yieldEvery)]), 2);
    const ours = await ticksDuring(trainings.fit([decomposedLoss({ yieldEvery })]), 2);
    const all = EPOCHS * BATCHES;
    const [fewest, most] = { batch: [all / 2, all], epoch: [EPOCHS / 2, EPOCHS], never: [0, 1] }[
      String(yieldEvery)
    ] ?? [custom.ticks / 2, custom.ticks * 2];
    for (const { ticks } of [custom, ours]) {
      expect(ticks).toBeGreaterThanOrEqual(fewest!);
      expect(ticks).toBeLessThanOrEqual(most! + 1);
    }
  },
);

describe('who gives way', () => {
  /** The callbacks of a run that give way. */
  async function yielding(callbacks: Callback[]): Promise<tfjs.CustomCallback[]> {
    const { onEpochBegin } = tf.CallbackList.prototype;
    let found: unknown[] = [];
    tf.CallbackList.prototype.onEpochBegin = function (...args) {
      found = this.callbacks.filter((one) => one instanceof tf.CustomCallback);
      return onEpochBegin.apply(this, args);
    };
    try {
      await regressor().fit(data([2, 4]), data([2, 1]), { verbose: 0, callbacks });
    } finally {
      tf.CallbackList.prototype.onEpochBegin = onEpochBegin;
    }
    return found as tfjs.CustomCallback[];
  }
  const setting = (callback: tfjs.CustomCallback) => (callback as unknown as { yieldEvery: unknown }).yieldEvery;

  it.each<[string, () => Callback[]]>([
    ['decomposedLoss', () => [decomposedLoss()]],
    ['earlyStopping', () => [earlyStopping({ monitor: 'loss' })]],
    ['gradientBalance', () => [gradientBalance()]],
    ['one of several', () => [gradientBalance(), decomposedLoss(), earlyStopping({ monitor: 'data_loss' })]],
  ])('is %s', async (_, callbacks) => {
    expect((await yielding(callbacks())).map(setting)).toEqual([125]);
  });

  it("is the user's CustomCallback where there is one, also one that never does", async () => {
    const own = new tf.CustomCallback({}, 'never');
    expect(await yielding([decomposedLoss({ yieldEvery: 'batch' }), own])).toEqual([own]);
  });

  it('is the one of which it was said how often, wherever it is', async () => {
    const callbacks = [earlyStopping({ monitor: 'loss' }), decomposedLoss({ yieldEvery: 'epoch' })];
    expect((await yielding(callbacks)).map(setting)).toEqual(['epoch']);
  });
});

it.each([0, -1, NaN, 'always', null])('refuses yieldEvery %p', (yieldEvery) => {
  expect(() => decomposedLoss({ yieldEvery } as DecomposedLossArgs)).toThrow(
    /^Expected `yieldEvery` of `decomposedLoss` to be 'auto', 'batch', 'epoch', 'never' or a positive number of milliseconds, got/,
  );
});
