import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import { gradientBalance } from 'tfjs-decomposed-loss/gradients';
import { regularizationSchedule } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { tensorsLeftBy } from '../helpers/memory';
import { batches, data, regressor, twoOutputs } from '../helpers/models';

type Callback = InstanceType<typeof tf.Callback>;
type Logs = tfjs.Logs;

const HOOKS = ['onTrainBegin', 'onEpochBegin', 'onBatchBegin', 'onBatchEnd', 'onEpochEnd', 'onTrainEnd'] as const;
type Hook = (typeof HOOKS)[number];

/** A callback of a user's that passes the calls of batches on to another. */
class OfBatches extends tf.Callback {
  protected readonly inner: Callback;
  constructor(inner: unknown) {
    super();
    this.inner = inner as Callback;
  }
  override setParams(params: Callback['params']) {
    super.setParams(params);
    this.inner.setParams(params);
  }
  override setModel(model: tfjs.LayersModel) {
    super.setModel(model);
    this.inner.setModel(model);
  }
  override onBatchBegin = (batch: number, logs?: Logs) => this.inner.onBatchBegin(batch, logs);
  override onBatchEnd = (batch: number, logs?: Logs) => this.inner.onBatchEnd(batch, logs);
}

/** One that passes all of its calls on. */
class Delegating extends OfBatches {
  override onTrainBegin = (logs?: Logs) => this.inner.onTrainBegin(logs);
  override onEpochBegin = (epoch: number, logs?: Logs) => this.inner.onEpochBegin(epoch, logs);
  override onEpochEnd = (epoch: number, logs?: Logs) => this.inner.onEpochEnd(epoch, logs);
  override onTrainEnd = (logs?: Logs) => this.inner.onTrainEnd(logs);
}

/** Fails in the second call of a hook, or in the first of one that is called once, after the inner callback is done. */
class Failing extends Delegating {
  constructor(inner: unknown, hook: Hook) {
    super(inner);
    let calls = hook.includes('Train') ? 1 : 2;
    const passOn = this[hook] as (place: never, logs?: Logs) => Promise<void>;
    Object.assign(this, {
      [hook]: async (place: never, logs?: Logs) => {
        await passOn(place, logs);
        calls -= 1;
        if (calls === 0) throw new Error('the callback failed');
      },
    });
  }
}

const reading = () => new tf.CustomCallback({ onBatchEnd: () => undefined, onEpochEnd: () => undefined });

const [x, y] = [data([6, 4]), data([6, 1])];
const ys = [y, tf.cast(tf.greater(data([6, 1], 3), 0), 'float32')];
const args = { epochs: 2, batchSize: 4, verbose: 0 as const, shuffle: false };

/** Trains a new model of two outputs. */
async function fit(by: 'fit' | 'fitDataset', callbacks: unknown[]): Promise<tfjs.History['history']> {
  const model = twoOutputs({ metrics: ['mae'] });
  const own = callbacks as tfjs.CustomCallback[];
  const { history } =
    by === 'fit'
      ? await model.fit(x, ys, { ...args, validationData: [x, ys] as never, callbacks: own })
      : await model.fitDataset(batches([x, ys], [x, ys]), {
          epochs: 2,
          verbose: 0,
          validationData: batches([x, ys]),
          callbacks: own,
        });
  return history;
}

const makers: Array<[string, () => unknown]> = [
  ['decomposedLoss()', () => decomposedLoss()],
  ["decomposedLoss({breakdown: 'weight'})", () => decomposedLoss({ breakdown: 'weight' })],
  ["decomposedLoss({loss: 'data'})", () => decomposedLoss({ loss: 'data' })],
  ['gradientBalance()', () => gradientBalance({ every: 1 })],
  ['regularizationSchedule()', () => regularizationSchedule((epoch, batch) => 1 + epoch + batch)],
];

describe.each(['fit', 'fitDataset'] as const)('in %s', (by) => {
  it.each(makers)('a callback that passes its calls on to %s gives the same values', async (_, make) => {
    const own = await fit(by, [make()]);
    expect(await fit(by, [new Delegating(make())])).toEqual(own);
  });

  it.each(makers)('so does one to %s after a callback that reads the logs', async (_, make) => {
    const own = await fit(by, [make(), reading()]);
    expect(await fit(by, [reading(), new Delegating(make())])).toEqual(own);
  });
});

const trained = (model: tfjs.Sequential) => (model as unknown as { model: tfjs.LayersModel }).model;

/** What is on a model and its optimizer, and which of that are plain values. */
const traces = (model: tfjs.Sequential) =>
  [trained(model), model.optimizer].map((one) =>
    Object.entries(Object.getOwnPropertyDescriptors(one)).map(([name, { get, value }]) => [name, get, typeof value]),
  );

async function expectNothingLeftBy(callbacks: (inner: unknown) => Callback, fails: boolean): Promise<void> {
  for (const [, make] of makers) {
    const model = regressor();
    const idle = () => new (class extends tf.Callback {})();
    const run = async (own: Callback) => {
      const fitted = model.fit(x, y, { ...args, callbacks: [own] });
      if (fails) await expect(fitted).rejects.toThrow('the callback failed');
      else await fitted;
    };
    const plain = await tensorsLeftBy(() => run(callbacks(idle())));
    const before = traces(model);
    expect(await tensorsLeftBy(() => run(callbacks(make())))).toBe(plain);
    expect(traces(model)).toEqual(before);
    expect(await tensorsLeftBy(() => model.fit(x, y, args))).toBe(0);
  }
}

it('nothing is left of a run with a callback that passes its calls on', () =>
  expectNothingLeftBy((inner) => new Delegating(inner), false));

it.each(HOOKS)('nothing is left of one that then throws in %s', (hook) =>
  expectNothingLeftBy((inner) => new Failing(inner, hook), true),
);

it('nothing is left of one that passes on only the calls of batches', () =>
  expectNothingLeftBy((inner) => new OfBatches(inner), false));

it('nothing is left of one that passes on copies of the logs', async () => {
  class Copying extends Delegating {
    override onBatchEnd = (batch: number, logs?: Logs) => this.inner.onBatchEnd(batch, { ...logs });
  }
  await expectNothingLeftBy((inner) => new Copying(inner), false);
});

it('says so where the beginning of a batch is not passed on', async () => {
  class Without extends Delegating {
    override onBatchBegin = async () => undefined;
  }
  const callbacks = [new Without(decomposedLoss())];
  await expect(regressor().fit(x, y, { ...args, callbacks })).rejects.toThrow(/`onBatchBegin` before `onBatchEnd`/);
});

it('says so where the logs were read, and several steps were made', async () => {
  const model = regressor();
  const stepping = new tf.CustomCallback({ onBatchEnd: () => model.trainOnBatch(x, y).then(() => undefined) });
  const callbacks = [stepping, new Delegating(decomposedLoss())] as tfjs.CustomCallback[];
  await expect(model.fit(x, y, { ...args, callbacks })).rejects.toThrow(/numbers .* Put the callback before/s);
});
