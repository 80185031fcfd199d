import { cast, dispose, engine, keep, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { internals, putBack } from './model.js';
import { isHostCalculation, ownCalculations } from './penalties.js';
import { collectPenalties, type CollectedPenalties } from './summands.js';

/** What passes through one training step. The tensors are kept: whoever hears of them disposes them. */
export interface ObservedStep {
  /** The loss before the first penalty: class-weighted mean over the batch, summed over the outputs. */
  data: Scalar;
  /** What `calculateLosses` returned: one float32 scalar a penalty, in its order, or the sum of several where those are fused. */
  penalties: Scalar[];
  /** The number of the host's own tensor for `data`: the total that the step makes of it has the same or a higher one. */
  id: number;
}

/**
 * Tells of every training step of a model from inside, until released.
 *
 * The host's step calls `calculateLosses` on the instance once, directly after it took the mean of the data loss; at
 * that moment the mean is the newest entry of the gradient tape, and of the innermost scope. So both parts are the very
 * tensors that the step adds up, and watching costs no operation. Other calls pass unseen: outside of any gradient, from
 * the step of a model around this one, or from a gradient of the user's.
 *
 * @param each - Whether to tell each penalty by itself also where they are fused.
 * @returns Ends the watch and puts the model back as it was.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1364-L1369 | the step}
 */
export function watchSteps(model: LayersModel, heard: (step: ObservedStep) => void, each = false): () => void {
  const host: Watched = internals(model);
  const watch = host.calculateLosses[WATCH] ?? startWatch(host);
  const listener = { heard, each };
  watch.listeners.add(listener);
  return () => {
    if (watch.listeners.delete(listener) && watch.listeners.size === 0) watch.restore();
  };
}

/** Whether somebody watches the steps of a model now. */
export const isWatched = (model: LayersModel): boolean => WATCH in internals(model).calculateLosses;

/** The listeners of a model come and go in any order, and from either build of this library: they share one change of it. */
const WATCH = Symbol.for('tfjs-decomposed-loss.watch');

interface Listener {
  heard: (step: ObservedStep) => void;
  each: boolean;
}

interface Watch {
  listeners: Set<Listener>;
  restore: () => void;
}

interface Watched {
  calculateLosses: (() => Scalar[]) & { [WATCH]?: Watch };
}

function startWatch(host: Watched): Watch {
  const before = Object.getOwnPropertyDescriptor(host, 'calculateLosses');
  const calculateLosses = host.calculateLosses;
  const watch: Watch = { listeners: new Set(), restore: () => putBack(host, 'calculateLosses', before) };
  const watched = function (this: Watched) {
    const data = newestMean();
    if (data === undefined) return calculateLosses.call(this);
    const listeners = [...watch.listeners];
    const host = () => calculateLosses.call(this);
    const { penalties, each, parts } = listeners.some((listener) => listener.each)
      ? collectPenalties(host)
      : sums(host());
    listeners.forEach((listener) => {
      const heard = listener.each ? each : penalties;
      listener.heard({ data: keptOrCopied(data), penalties: heard.map(keptOrCopied), id: data.id });
    });
    dispose([...parts]);
    return penalties;
  };
  if (isHostCalculation(calculateLosses)) ownCalculations.add(watched);
  host.calculateLosses = Object.assign(watched, { [WATCH]: watch });
  return watch;
}

const sums = (penalties: Scalar[]): CollectedPenalties => ({ penalties, each: penalties, parts: new Set() });

function newestMean(): Scalar | undefined {
  const { activeTape, activeScope, gradientDepth } = engine().state;
  const newest = gradientDepth === 0 ? undefined : activeTape[activeTape.length - 1];
  const output = newest?.outputs[0];
  const isLossOfThisStep = newest?.kernelName === 'Mean' && output?.rank === 0 && output.scopeId === activeScope.id;
  return isLossOfThisStep ? (output as Scalar) : undefined;
}

/** Keeps a scalar of the step for its one listener: a copy where it is not the step's to give away, or given already. */
function keptOrCopied(scalar: Scalar): Scalar {
  if (scalar.dtype !== 'float32') return keep(cast(scalar, 'float32'));
  const ofThisStep = !scalar.kept && scalar.scopeId === engine().state.activeScope.id;
  return keep(ofThisStep ? scalar : scalar.clone());
}

/** What to say of a step that was made but not heard. */
export const notWatchable = (model: LayersModel): Error =>
  new Error(
    `Expected the training step of \`${model.name}\` to take the mean of its loss and to call \`calculateLosses\` next, ` +
      'as that of tf.LayersModel does, got a step that does not. The step was made. A model class with a training step of ' +
      'its own, or a tfjs-layers with another one, cannot be watched.',
  );
