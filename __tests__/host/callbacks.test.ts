/** How TensorFlow.js calls the callbacks of a training, and what it makes of their logs. */
import type * as tfjs from '@tensorflow/tfjs';
import { backend, tf } from '../helpers/backend';
import { chain, compiled, dataset, firstEpoch, sum } from './hand-made';

class Registered extends tf.Callback {}

tf.registerCallbackConstructor(0, Registered);

const callback = (hooks: Partial<tfjs.Callback> = {}): tfjs.Callback =>
  Object.assign(new (class extends tf.Callback {})(), hooks);

const rows = [[1], [1], [1]];
const x = () => tf.tensor2d(rows);
const model = () => compiled(chain([1], sum('out')));
const fit = (args: tfjs.ModelFitArgs) => model().fit(x(), x(), { verbose: 0, ...args });
const fitDataset = (args: tfjs.ModelFitArgs) =>
  model().fitDataset(dataset(rows, rows), { epochs: 1, verbose: 0, ...args } as tfjs.ModelFitDatasetArgs<object>);

afterEach(() => jest.restoreAllMocks());

describe('the order of the callbacks', () => {
  const list = async (args: tfjs.ModelFitArgs) => {
    let callbacks: object[] = [];
    jest.spyOn(tf.CallbackList.prototype, 'setModel').mockImplementation(function (this: tfjs.CallbackList) {
      callbacks = this.callbacks;
      throw new Error('seen');
    });
    await expect(fit(args)).rejects.toThrow('seen');
    return callbacks;
  };

  it('is BaseLogger, the registered ones, the given ones in their order, History', async () => {
    const [first, second] = [callback(), callback()];
    const [baseLogger, registered, ...others] = await list({ callbacks: [first, second] });
    expect(baseLogger!.constructor.name).toBe('BaseLogger');
    expect(registered).toBeInstanceOf(Registered);
    expect(others).toEqual([first, second, expect.any(tf.History)]);
    expect(others[0]).toBe(first);
  });

  it("puts tfjs-node's progress bar among the registered ones", async () => {
    const names = (await list({ verbose: 1, callbacks: callback() })).map(({ constructor }) => constructor.name);
    expect(names.indexOf('ProgbarLogger')).toBe(backend === 'tensorflow' ? 2 : -1);
  });

  it('is that of the list at the time of each event', async () => {
    const called: string[] = [];
    const named = (name: string) => callback({ onEpochBegin: async () => void called.push(name) });
    const [first, second] = [named('first'), named('second')];
    const list = new tf.CallbackList([first, second]);
    list.callbacks = [second, first];
    await list.onEpochBegin(0);
    expect(called).toEqual(['second', 'first']);
  });
});

const trainings = [
  ['fit', fit],
  ['fitDataset', fitDataset],
] as const;

describe.each(trainings)('the beginning of a %s', (_, train) => {
  it('is setModel while it trains, and onTrainBegin of the same list before anything else can run', async () => {
    const events: string[] = [];
    const lists: unknown[] = [];
    jest.spyOn(tf.CallbackList.prototype, 'setModel').mockImplementation(function (this: tfjs.CallbackList, model) {
      lists.push(this);
      events.push(`setModel, isTraining ${(model as unknown as { isTraining: boolean }).isTraining}`);
      queueMicrotask(() => events.push('microtask'));
    });
    jest.spyOn(tf.CallbackList.prototype, 'onTrainBegin').mockImplementation(async function (this: tfjs.CallbackList) {
      events.push(lists.includes(this) ? 'onTrainBegin' : 'onTrainBegin of another list');
      throw new Error('seen');
    });
    await expect(train({})).rejects.toThrow('seen');
    expect(events).toEqual(['setModel, isTraining true', 'onTrainBegin', 'microtask']);
  });
});

const added = (hook: 'onBatchBegin' | 'onBatchEnd', metrics: string[]) =>
  callback({
    setParams: (params) => void (params['metrics'] as string[]).push(...metrics),
    [hook]: async (batch: number, logs: Record<string, number>) => void (logs['mine'] = batch === 0 ? 10 : 1),
  });

describe.each(trainings)('the logs of a %s', (_, train) => {
  it('are one object from onBatchBegin to onBatchEnd', async () => {
    const seen: unknown[] = [];
    const keep = async (_: number, logs?: unknown) => void seen.push(logs);
    await train({ callbacks: callback({ onBatchBegin: keep, onBatchEnd: keep }) });
    expect(seen).toHaveLength(2);
    expect(seen[0]).toBe(seen[1]);
  });

  it('reach the history by params.metrics, which all callbacks share', async () => {
    expect(await firstEpoch(train({ callbacks: added('onBatchBegin', ['mine']) }))).toMatchObject({ mine: 10 });
    expect(await firstEpoch(train({ callbacks: added('onBatchBegin', []) }))).not.toHaveProperty('mine');
  });

  it("do not where they come after BaseLogger's turn", async () => {
    expect(await firstEpoch(train({ callbacks: added('onBatchEnd', ['mine']) }))).not.toHaveProperty('mine');
  });
});

describe('the history', () => {
  it('averages by batch size', async () => {
    const callbacks = added('onBatchBegin', ['mine']);
    // A batch of two, then one of one: (2 * 10 + 1 * 1) / 3 = 7.
    expect((await firstEpoch(fit({ batchSize: 2, callbacks })))['mine']).toBeNear(7);
  });
});

describe('callbacks are told apart by instanceof, by the first of them', () => {
  it('a plain object after an instance throws', async () => {
    await expect(fit({ callbacks: [callback(), {}] as tfjs.Callback[] })).rejects.toThrow(
      'setParams is not a function',
    );
  });

  it('an instance after a plain object is copied into a CustomCallback', async () => {
    const receivers: unknown[] = [];
    const instance = callback({
      async onTrainBegin(this: unknown) {
        receivers.push(this);
      },
    });
    await fit({ callbacks: [{}, instance] as tfjs.Callback[] });
    expect(receivers).toEqual([expect.any(tf.CustomCallback)]);
    expect(receivers).not.toContain(instance);
  });
});

describe("earlyStopping's automatic mode", () => {
  // With no patience it stops at the first epoch that is not better than the best.
  it.each([
    ['val_loss', 'rises', 2, true],
    ['val_loss', 'falls', 0, false],
    ['place_loss', 'rises', 2, true],
    ['accumulated_loss', 'rises', 2, false],
    ['accumulated_loss', 'falls', 0, true],
  ])('wants more of a key with "acc" in it, and less of any other: %s that %s', async (monitor, _, then, stops) => {
    const trained = model();
    const earlyStopping = tf.callbacks.earlyStopping({ monitor });
    earlyStopping.setModel(trained);
    await earlyStopping.onTrainBegin();
    await earlyStopping.onEpochEnd(0, { [monitor]: 1 });
    await earlyStopping.onEpochEnd(1, { [monitor]: then });
    expect(!trained.stopTraining).toBe(!stops);
  });
});
