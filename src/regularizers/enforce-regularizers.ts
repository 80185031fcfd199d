import type { LayersModel } from '@tensorflow/tfjs-layers';
import { builtModel, changeTrained } from '../host/model/trained-model.js';
import { movedWeights } from '../host/model/weights.js';
import { withKerasAbs } from '../host/penalties/kernels.js';
import { appliedPenalties, declaredPenalties } from '../host/penalties/penalties.js';
import { sourceOf } from '../host/penalties/penalty-sources.js';
import type { Penalty } from '../host/penalties/penalty.js';
import { changePenalties } from '../host/step/penalty-sums.js';
import { FLAG, checkOptions } from '../util/arguments.js';
import { distinct } from './declared-regularizers.js';
import { shortName } from './penalty-groups.js';

/** Which of the host's rules for penalties `enforceRegularizers` changes. */
export interface EnforceRegularizersArgs {
  /**
   * Adds the penalties that are declared for the cells of recurrent layers: SimpleRNN, LSTM, GRU, `tf.layers.rnn` with one
   * cell or several, both directions of a Bidirectional, and ConvLSTM2D. TensorFlow.js drops them. Default `true`.
   */
  recurrent?: boolean | undefined;
  /**
   * Adds each penalty once, however often its layer, or a model around it, is called. TensorFlow.js adds it once per call.
   * Default `true`.
   */
  sharedOnce?: boolean | undefined;
  /**
   * Leaves out the penalties on frozen weights, those that training does not move, as Keras 3 does: it collects them from the
   * weights that are trainable. They add a constant to the loss and nothing to the gradients, so the option changes no
   * weight, only the losses that are reported. It follows what the model was last compiled with: after a weight is freed and
   * the model compiled again, its penalty counts. Default `false`: they are added, as TensorFlow.js and Keras 2 do.
   */
  frozen?: boolean | undefined;
}

/** What `enforceRegularizers` did. */
export interface EnforcedRegularizers {
  /** The penalties that now count differently, in the order of the layers; empty if all was well. */
  readonly changes: readonly EnforcedChange[];
  /**
   * Puts the model back as it was; a second call does nothing.
   *
   * @throws Error within a training step that a `decomposedLoss()` watches: not in `onBatchBegin`.
   */
  restore(): void;
}

/** A penalty that `enforceRegularizers` adds or counts differently. */
export interface EnforcedChange {
  /** The layer, as in `regularizationTerms`: `encoder/dense_1`, or `bidirectional/forward_lstm`. */
  layer: string;
  /** The weight's name within the layer, for example `recurrent_kernel`; `null` for a loss that is not a regularizer's. */
  weight: string | null;
  /** How often a training step added the penalty before: 0 where it was dropped, k where k calls share it. */
  callsBefore: number;
  /** How often it adds it now: 1, with `sharedOnce: false` once a call, or 0 where the penalty of a frozen weight is left out. */
  calls: number;
}

interface InForce {
  options: string;
  enforced?: EnforcedRegularizers;
}

/** What is in force, by the model that is trained: of a `Sequential` the one that it hides. */
const inForce = new WeakMap<LayersModel, InForce>();

/**
 * Makes training add the penalties that the layers of a model declare, and as often as Keras does.
 *
 * TensorFlow.js drops the regularizers of recurrent cells, of a model within a TimeDistributed, and of a Sequential within a
 * Sequential within another model, and counts those of shared layers and models once per call. The derivative of `abs` at 0
 * becomes Keras's 0 in all penalties of the model, where TensorFlow.js has -1: weights with L1 that begin at 0 then train as in
 * Keras. This function changes the model and nothing else, so `fit`, `fitDataset`, `trainOnBatch` and everything in this
 * library agree on the new penalties, also after the model is compiled again, and when it is nested in another model (a
 * `Sequential` excepted: call this on the outer model). Other models that share its layers are not touched. What the model
 * saves is the same as before, so a loaded model needs the call again.
 *
 * Calling it again changes nothing and returns the same; new options replace the previous ones.
 *
 * @param model - A built model.
 * @returns What changed, and how to undo it.
 * @throws Error if `model` is not a built `tf.LayersModel`, or an option is not understood; nothing is changed then.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/container.ts#L1061 | Container.calculateLosses},
 * the host's count.
 */
export function enforceRegularizers(model: LayersModel, args: EnforceRegularizersArgs = {}): EnforcedRegularizers {
  const trained = builtModel(model);
  const options = resolve(args);
  const key = JSON.stringify(options);
  const former = inForce.get(trained);
  if (former?.options === key) return former.enforced!;
  former?.enforced!.restore();

  const before = appliedPenalties(trained);
  const entry: InForce = { options: key };
  let undo: (() => void) | undefined = changeTrained(model, trained, (one) => {
    const restore = changePenalties(one, { rule: () => asInKeras(one, options) });
    inForce.set(one, entry);
    return () => {
      restore();
      inForce.delete(one);
    };
  });
  entry.enforced = {
    changes: changes(trained, before),
    restore() {
      undo?.();
      undo = undefined;
    },
  };
  return entry.enforced;
}

function resolve(args: EnforceRegularizersArgs): Required<EnforceRegularizersArgs> {
  checkOptions('enforceRegularizers', args, { recurrent: FLAG, sharedOnce: FLAG, frozen: FLAG });
  const { recurrent = true, sharedOnce = true, frozen = false } = args;
  return { recurrent, sharedOnce, frozen };
}

/** What a layer computes from its inputs, or by a method of its own, counts once a call, as in Keras. */
function asInKeras(
  model: LayersModel,
  options: Required<EnforceRegularizersArgs>,
): (declared: Penalty) => Penalty | undefined {
  const moved = options.frozen ? movedWeights(model) : undefined;
  const seen = new Set<unknown>();
  const counts = (penalty: Penalty): boolean => {
    if (penalty.recurrent && !options.recurrent) return false;
    const source = moved && sourceOf(penalty);
    if (source && !moved.has(source.weight)) return false;
    if (!options.sharedOnce || penalty.closure === undefined || penalty.kind === 'activity') return true;
    const isFirst = !seen.has(penalty.key);
    seen.add(penalty.key);
    return isFirst;
  };
  return (penalty) =>
    counts(penalty)
      ? { ...penalty, kerasAbs: true, declared: () => withKerasAbs(() => penalty.declared()) }
      : undefined;
}

function changes(trained: LayersModel, before: readonly Penalty[]): EnforcedChange[] {
  const after = appliedPenalties(trained);
  return distinct(declaredPenalties(trained)).flatMap(({ penalty }) => {
    const [callsBefore, calls] = [before, after].map((all) => all.filter(({ key }) => key === penalty.key).length);
    if (callsBefore === calls) return [];
    const source = sourceOf(penalty);
    return [
      { layer: penalty.path, weight: source && shortName(source.weight), callsBefore: callsBefore!, calls: calls! },
    ];
  });
}
