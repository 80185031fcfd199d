import { CallbackList, type Callback, type LayersModel } from '@tensorflow/tfjs-layers';
import { validationDataKey, validationNames } from './evaluation.js';
import { internals } from './model.js';
import { RANK, onAssign, patch, shared } from './patch.js';

/** One run of `fit` or `fitDataset`: what the callbacks of it have in common. */
export interface Run {
  /** The models that are trained: of a `Sequential` the one that it hides. */
  readonly models: readonly LayersModel[];
  readonly validates: boolean;
  /**
   * After which batch of an epoch the host validates before any callback can move the weights; `undefined` where it validates
   * after the callbacks of the last batch, as `fitDataset` does.
   */
  readonly validatesAfterBatch: number | undefined;
  /** What the host's validation keys hold, see {@link validationNames}; empty where there is no validation. */
  readonly validationNames: ReadonlyMap<string, string | undefined>;
  /** The host's key of the true data loss in validation; `undefined` where there is none, or the host lost it. */
  readonly validationDataKey: string | undefined;
  /** Calls a listener once, when the run is over, however it ends. */
  onEnd(listener: () => void): void;
}

/** Runs by the parameters that all of their callbacks are given. */
const runs = shared('runs', () => new WeakMap<object, Run>());

/** The run that a callback is part of; to be called from `setModel`. */
export function runOf(model: LayersModel, params: Callback['params']): Run {
  const run = runs.get(params) ?? fitRun(model, params);
  runs.set(params, run);
  return run;
}

function fitRun(model: LayersModel, params: Callback['params']): Run {
  const { samples, batchSize, doValidation } = params as { [name: string]: number | null | undefined };
  const isFit = samples != null;
  const by = isFit ? 'fit' : 'fitDataset';
  return {
    models: [model],
    validates: Boolean(doValidation),
    validatesAfterBatch: isFit ? Math.ceil(samples / batchSize!) - 1 : undefined,
    validationNames: doValidation ? validationNames(model, by) : new Map(),
    validationDataKey: doValidation ? validationDataKey(model, by) : undefined,
    onEnd: (listener) => whenTrainingEnds(model, listener),
  };
}

/**
 * The host calls no callback when a run throws, but `fit` and `fitDataset` clear `isTraining` in a `finally`.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1588-L1589 | fit}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training_dataset.ts#L497-L498 | fitDataset}
 */
function whenTrainingEnds(model: LayersModel, listener: () => void): void {
  const release = onAssign(internals(model), 'isTraining', () => {
    release();
    listener();
  });
}

/**
 * Moves a callback of the run that is about to begin after BaseLogger and before the progress bar and the user's other
 * callbacks: what it writes into a log, all of them read, in whatever order they were given. (Before BaseLogger it
 * would leave tensors in BaseLogger's totals when a run throws.)
 *
 * To be called from `setModel`, which the host follows with `onTrainBegin` on the same list at once: there is no other way
 * to the list.
 *
 * @param begins - Is given the callbacks of the run, in their new order, before any of them is called.
 * @returns Gives up, where the run ends before it begins.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/base_callbacks.ts#L585-L591 | the order}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1680-L1682 | setModel, onTrainBegin}
 */
export function runAfterBaseLogger(
  callback: Callback,
  begins: (callbacks: CallbackList['callbacks']) => void,
): () => void {
  const giveUp = patch(
    CallbackList.prototype,
    'onTrainBegin',
    RANK.watch,
    (inner) =>
      async function (this: CallbackList, ...args) {
        giveUp();
        if (this.callbacks.includes(callback)) {
          const [baseLogger, ...others] = this.callbacks.filter((other) => other !== callback);
          this.callbacks = [baseLogger!, callback, ...others];
          begins(this.callbacks);
        }
        return inner.apply(this, args);
      },
  );
  return giveUp;
}
