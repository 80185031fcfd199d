import { Callback, CustomCallback, type CustomCallbackArgs } from '@tensorflow/tfjs-layers';
import { ONE_COPY } from '../host/model/trained-model.js';
import { describe } from '../util/arguments.js';

/** The functions that TensorFlow.js calls on a plain object. */
const HOOKS = [
  ...['onTrainBegin', 'onTrainEnd', 'onEpochBegin', 'onEpochEnd', 'onBatchBegin', 'onBatchEnd', 'onYield'],
] as const;

/** What {@link combineCallbacks} takes: all that `fit` takes as `callbacks`, in any mixture, and gaps. */
export type CombinableCallback =
  | Callback
  | CustomCallback
  | CustomCallbackArgs
  /** What `tfvis.show.fitCallbacks` returns. */
  | Record<string, (iteration: number, logs: never) => Promise<void>>
  | readonly CombinableCallback[]
  | undefined
  | null
  | false;

/**
 * Makes one list of callbacks that `model.fit` and `model.fitDataset` take from a mixture of instances and plain objects, which
 * they refuse.
 *
 * ```js
 * callbacks: combineCallbacks(decomposedLoss(), {onEpochEnd: (epoch, logs) => …}, tfvis.show.fitCallbacks(…), debug && logger)
 * ```
 *
 * @param callbacks - Instances of `tf.Callback` and `tf.CustomCallback`, plain objects with functions such as `onEpochEnd`,
 *   which become a `tf.CustomCallback` each, what `tfvis.show.fitCallbacks` returns, and lists of all these, nested to any
 *   depth. Where there is `undefined`, `null` or `false`, nothing is added.
 * @returns The callbacks in their order.
 * @throws Error that names the argument if there is anything else.
 */
export function combineCallbacks(...callbacks: CombinableCallback[]): Array<Callback | CustomCallback> {
  return combined(callbacks, 'callbacks');
}

const combined = (callbacks: readonly CombinableCallback[], path: string): Array<Callback | CustomCallback> =>
  callbacks.flatMap((callback, place) => {
    const name = `${path}[${place}]`;
    if (callback === undefined || callback === null || callback === false) return [];
    if (Array.isArray(callback)) return combined(callback as readonly CombinableCallback[], name);
    if (callback instanceof Callback || callback instanceof CustomCallback) return [callback];
    return [new CustomCallback(checkedHooks(callback, name))];
  });

/** @throws Error if a value is not an object with functions that TensorFlow.js calls. */
function checkedHooks(value: unknown, name: string): CustomCallbackArgs {
  const expected = `Expected \`${name}\` of \`combineCallbacks\` to be a tf.Callback, an object with functions such as \`onEpochEnd\`, or a list of those, got`;
  if (typeof value !== 'object' || value === null) throw new Error(`${expected} ${describe(value)}. ${REMEDY}`);
  if ('setParams' in value) {
    throw new Error(`${expected} a callback from a second copy of @tensorflow/tfjs-layers. ${ONE_COPY}`);
  }
  const hooks = value as { [hook: string]: unknown };
  const [hook] = HOOKS.filter((one) => hooks[one] != null && typeof hooks[one] !== 'function');
  if (hook !== undefined) {
    throw new Error(
      `Expected \`${name}.${hook}\` of \`combineCallbacks\` to be a function, got ${describe(hooks[hook])}. Leave it out, or pass a function.`,
    );
  }
  const isEmpty = Object.getPrototypeOf(value) === Object.prototype && Object.keys(value).length === 0;
  if (!isEmpty && !HOOKS.some((one) => one in value)) throw new Error(`${expected} ${describe(value)}. ${REMEDY}`);
  return hooks;
}

const REMEDY = 'Pass callbacks as you would to `fit`.';
