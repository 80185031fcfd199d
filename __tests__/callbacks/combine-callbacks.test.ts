import type * as tfjs from '@tensorflow/tfjs';
import { combineCallbacks, decomposedLoss, earlyStopping, type CombinableCallback } from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { batches, data, regressor } from '../helpers/models';

const [x, y] = [() => data([6, 4]), () => data([6, 1])];
const fit = (callbacks: unknown, args: tfjs.ModelFitArgs = {}) =>
  regressor().fit(x(), y(), { epochs: 2, verbose: 0, ...args, callbacks: callbacks as tfjs.CustomCallback[] });

/** A plain object, and what it was given. */
function plain() {
  const seen: Array<[epoch: number, logs: tfjs.Logs | undefined]> = [];
  return { seen, object: { onEpochEnd: (epoch: number, logs?: tfjs.Logs) => void seen.push([epoch, { ...logs }]) } };
}

/** As tfjs-vis 1.5.1 declares what `show.fitCallbacks` returns. */
type VisCallbacks = Record<string, (iteration: number, log: tfjs.Logs) => Promise<void>>;

it('makes a list that fit and fitDataset take, whatever comes first', async () => {
  for (const first of ['instance', 'object']) {
    const { seen, object } = plain();
    const mixed = (): CombinableCallback[] =>
      first === 'instance' ? [decomposedLoss(), object] : [object, decomposedLoss()];
    await fit(combineCallbacks(...mixed()));
    const dataset = batches([x(), y()]);
    await regressor().fitDataset(dataset, { epochs: 1, verbose: 0, callbacks: combineCallbacks(mixed()) });
    expect(seen.map(([epoch]) => epoch)).toEqual([0, 1, 0]);
    seen.forEach(([, logs]) => expect(Object.keys(logs!)).toEqual(['loss', 'data_loss', 'regularization_loss']));
  }
});

it('flattens lists, leaves gaps out, and keeps the order and the instances', () => {
  const ours = decomposedLoss();
  const custom = new tf.CustomCallback({});
  const theirs = tf.callbacks.earlyStopping({ monitor: 'loss' });
  const vis: VisCallbacks = { onEpochEnd: async () => {}, onBatchEnd: async () => {} };
  const combined = combineCallbacks(ours, undefined, [custom, [null, vis, [theirs]], []], false, {});
  expect(combined).toEqual([ours, custom, expect.any(tf.CustomCallback), theirs, expect.any(tf.CustomCallback)]);
  expect([combined[0], combined[1], combined[3]]).toEqual([ours, custom, theirs]);
  expect(combineCallbacks()).toEqual([]);
});

it('calls each function of a plain object, of a class of the user too', async () => {
  const calls = new Set<string>();
  const hooks = ['onTrainBegin', 'onTrainEnd', 'onEpochBegin', 'onEpochEnd', 'onBatchBegin', 'onBatchEnd'];
  const object = Object.fromEntries(hooks.map((hook) => [hook, () => void calls.add(hook)]));
  class Own {
    onEpochEnd() {
      calls.add('own');
    }
  }
  await fit(combineCallbacks(object, new Own(), decomposedLoss()));
  expect([...calls].sort()).toEqual([...hooks, 'own'].sort());
});

it('refuses what is no callback, and names its place', () => {
  const expected = (place: string, got: string) =>
    `Expected \`${place}\` of \`combineCallbacks\` to be a tf.Callback, an object with functions such as \`onEpochEnd\`, or a ` +
    `list of those, got ${got}.`;
  const refused: Array<[unknown[], string]> = [
    [[decomposedLoss(), 'log'], expected('callbacks[1]', "'log'")],
    [[[decomposedLoss(), [7]]], expected('callbacks[0][1][0]', '7 (number)')],
    [[decomposedLoss], expected('callbacks[0]', 'a function')],
    [[true], expected('callbacks[0]', 'true (boolean)')],
    [[{ onEpochEnds: () => {} }], expected('callbacks[0]', 'an object with `onEpochEnds`')],
    [[tf.scalar(1)], expected('callbacks[0]', 'a Tensor')],
    [[{ onEpochEnd: 'log' }], "Expected `callbacks[0].onEpochEnd` of `combineCallbacks` to be a function, got 'log'."],
    [[{ setParams: () => {}, setModel: () => {} }], 'a callback from a second copy of @tensorflow/tfjs-layers'],
  ];
  for (const [callbacks, message] of refused) {
    expect(() => combineCallbacks(...(callbacks as CombinableCallback[]))).toThrow(message);
  }
});

describe('without it', () => {
  let error: jest.SpyInstance;
  beforeEach(() => void (error = jest.spyOn(console, 'error').mockImplementation()));
  afterEach(() => error.mockRestore());

  it('a plain object before an instance rejects, and says what to write', async () => {
    await expect(fit([plain().object, decomposedLoss()])).rejects.toThrow(
      'Write `callbacks: combineCallbacks({…}, decomposedLoss())`',
    );
    expect(error).not.toHaveBeenCalled();
  });

  it('a plain object after instances rejects with words of the host, which are explained once', async () => {
    const callbacks = [decomposedLoss(), earlyStopping({ monitor: 'loss' }), plain().object];
    await expect(fit(callbacks)).rejects.toThrow('setParams is not a function');
    expect(error.mock.calls).toEqual([
      [expect.stringContaining('Write `callbacks: combineCallbacks(decomposedLoss(), {…})`')],
    ]);
    await fit(combineCallbacks(callbacks));
    expect(error).toHaveBeenCalledTimes(1);
  });

  it('a copy that adds a function rejects, and says what to write', async () => {
    for (const copy of [Object.assign({}, decomposedLoss(), plain().object), Object.assign({}, earlyStopping())]) {
      await expect(fit(copy)).rejects.toThrow(/got a copy of its methods.* and `\{\.\.\.\w+\(\)\}` is one\. Write/);
      await expect(fit(combineCallbacks(copy as tfjs.CustomCallbackArgs))).rejects.toThrow('got a copy of its methods');
    }
  });

  it('nothing is explained where the library itself says what is wrong', async () => {
    await expect(fit([earlyStopping(), decomposedLoss(), decomposedLoss()])).rejects.toThrow('logKeys.dataLoss');
    const twice = earlyStopping({ monitor: 'loss' });
    await expect(fit([decomposedLoss(), twice, twice])).rejects.toThrow('the same one twice');
    expect(error).not.toHaveBeenCalled();
  });
});
