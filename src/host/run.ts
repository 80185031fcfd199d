import { CallbackList, CustomCallback, type Callback, type LayersModel } from '@tensorflow/tfjs-layers';
import { internals, putBack } from './model.js';

/**
 * Calls `ended` once when the `fit` or `fitDataset` that is running now is over, however it ends: no callback of the
 * host hears of a run that throws, but both clear `isTraining` in a `finally`.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1588-L1589 | fit}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training_dataset.ts#L497-L498 | fitDataset}
 */
export function whenRunEnds(model: LayersModel, ended: () => void): void {
  const host = internals(model);
  const before = Object.getOwnPropertyDescriptor(host, 'isTraining');
  Object.defineProperty(host, 'isTraining', {
    configurable: true,
    enumerable: true,
    get: () => true,
    set: (value: boolean) => {
      putBack(host, 'isTraining', before);
      ended();
      host.isTraining = value;
    },
  });
}

/**
 * Moves a callback behind BaseLogger in the run that is about to begin, before the progress bar and the user's other
 * callbacks: what it writes into a log, all of them read, in whatever order they were given. (Before BaseLogger it
 * would leave tensors in BaseLogger's totals when a run throws.)
 *
 * To be called from `setModel`, which the host follows with `onTrainBegin` on the same list at once: the list cannot be
 * had otherwise.
 *
 * @param begins - Is given the list of the run, in its new order, before any callback hears of the run.
 * @returns Gives up, where the run ends before it begins.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/base_callbacks.ts#L585-L591 | the order}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1680-L1682 | setModel, onTrainBegin}
 */
export function runBehindBaseLogger(
  callback: Callback,
  begins: (callbacks: CallbackList['callbacks']) => void,
): () => void {
  const prototype = CallbackList.prototype;
  const onTrainBegin = prototype.onTrainBegin;
  const giveUp = () => {
    if (prototype.onTrainBegin === placing) prototype.onTrainBegin = onTrainBegin;
  };
  const placing = function (this: CallbackList, ...args: Parameters<CallbackList['onTrainBegin']>) {
    giveUp();
    if (this.callbacks.includes(callback)) {
      const [baseLogger, ...others] = this.callbacks.filter((other) => other !== callback);
      this.callbacks = [baseLogger!, callback, ...others];
      begins(this.callbacks);
    }
    return this.onTrainBegin(...args);
  };
  prototype.onTrainBegin = placing;
  return giveUp;
}

/**
 * Why the host did not take a callback of ours for a callback but copied its methods into one of its own, as it does
 * with plain objects: `mixed`, a plain object stands before it in `callbacks`; `foreign`, the host is another copy of
 * tfjs-layers. `undefined` where `receiver`, the `this` of such a method, is as it should be.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/base_callbacks.ts#L470-L495 | standardizeCallbacks}
 */
export function adoption(receiver: unknown, own: new (...args: never[]) => Callback): 'mixed' | 'foreign' | undefined {
  if (receiver instanceof own) return undefined;
  return receiver instanceof CustomCallback ? 'mixed' : 'foreign';
}
