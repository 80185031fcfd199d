import type { History, LayersModel } from '@tensorflow/tfjs-layers';
import { checkedModels } from '../loss/regularization-loss.js';
import { ANYTHING, COUNT, checkOptions, describe } from '../util/arguments.js';
import { CallbackLoop, type TrainingLoop } from './callback-loop.js';
import { combineCallbacks, type CombinableCallback } from './combine-callbacks.js';

/** What `trainingLoop` takes in addition to the body. */
export interface TrainingLoopArgs {
  /** All that `combineCallbacks` takes: instances, plain objects and lists of them. */
  callbacks?: CombinableCallback;
  /** The models that are trained: callbacks see the first, early stopping restores the weights of all. Default: none. */
  models?: LayersModel | readonly LayersModel[] | undefined;
  /** How many epochs there will be, for callbacks that show it. The body decides. */
  epochs?: number | undefined;
  /** The number of the first epoch. Default 0, and for callbacks that saw the same model before, the number after their last. */
  initialEpoch?: number | undefined;
}

/**
 * Drives callbacks from a training loop of your own, as `fit` does: ours, TensorFlow.js's, tfjs-vis's and your own.
 *
 * ```js
 * await trainingLoop({ callbacks: [decomposedLoss({ verbose: true }), tensorBoard('logs')], models: vae, epochs: 10 }, async (loop) => {
 *   for (let epoch = 0; epoch < 10 && !loop.stopTraining; epoch += 1) {
 *     for (const batch of batches) await loop.step(() => minimize(optimizer, () => loss(batch), { models: vae }));
 *     await loop.endEpoch();
 *   }
 * });
 * ```
 *
 * The logs have the keys of `fit` with `decomposedLoss()`: `loss`, `data_loss`, `regularization_loss`, `data_loss/<part>` and the
 * metrics, and the same with `val_`; `val_loss` is the total there, as `val_total_loss`. With several steps in a batch each has its
 * name before its keys: `d/data_loss`. `decomposedLoss` is needed only to rename the keys and to print.
 *
 * @param body - Makes the steps. What it throws ends the loop and is thrown on; nothing stays attached, no tensor is left.
 * @returns The history, as of `fit`.
 * @throws Error if an argument is not understood, or a callback cannot be in a custom loop.
 */
export async function trainingLoop(
  args: TrainingLoopArgs,
  body: (loop: TrainingLoop) => Promise<void>,
): Promise<History> {
  checkOptions('trainingLoop', args, { callbacks: ANYTHING, models: ANYTHING, epochs: COUNT, initialEpoch: COUNT });
  if (typeof body !== 'function') {
    throw new Error(
      `Expected \`body\` of \`trainingLoop\` to be a function, got ${describe(body)}. Pass async (loop) => { … }.`,
    );
  }
  const loop = new CallbackLoop(checkedModels('trainingLoop', args.models), combineCallbacks(args.callbacks), args);
  try {
    await body(loop.shown());
    await loop.end();
    return loop.history;
  } finally {
    loop.dispose();
  }
}
