import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss } from 'tfjs-decomposed-loss';
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
