import type { LayersModel } from '@tensorflow/tfjs-layers';
import { checkArguments } from '../util/arguments.js';
import { penaltySource } from './declared-regularizers.js';
import { describe } from '../util/describe.js';
import { enforcedPenalties, type EnforceRegularizersArgs } from './enforced-penalties.js';
import { changeTrained, replacePenalties } from '../host/calculation.js';
import { declaredCalls } from '../host/declared.js';
import { penaltyCalls, type PenaltyCall } from '../host/penalties.js';
import { shortName } from './penalty-groups.js';
import { builtModel } from '../host/trained-model.js';

/** What `enforceRegularizers` did. */
export interface EnforcedRegularizers {
  /** The penalties that count otherwise than before, in the order of the layers; empty where all was well. */
  readonly changes: readonly EnforcedChange[];
  /**
   * Puts the model back as it was; a second call does nothing.
   *
   * @throws Error within a training step that a `decomposedLoss()` watches: not in `onBatchBegin`.
   */
  restore(): void;
}

/** A penalty that `enforceRegularizers` adds or counts otherwise. */
export interface EnforcedChange {
  /** The layer, as in `regularizationTerms`: `encoder/dense_1`, or `bidirectional/forward_lstm`. */
  layer: string;
  /** The weight's name within the layer, `recurrent_kernel`, say; `null` for a loss that is not a regularizer's. */
  weight: string | null;
  /** How often a training step added the penalty before: 0 where it was dropped, k where k calls share it. */
  callsBefore: number;
  /** How often it adds it now: 1, or 0 where the penalty of a frozen weight is left out. */
  calls: number;
}

const OPTIONS = ['recurrent', 'sharedOnce', 'frozen'];

interface InForce {
  options: string;
  enforced?: EnforcedRegularizers;
}

/** What is in force, by the model that is trained: of a `Sequential` the one that it hides. */
const inForce = new WeakMap<LayersModel, InForce>();

/**
 * Makes training add the penalties that the layers of a model declare, and as often as Keras does.
 *
 * TensorFlow.js drops the regularizers of recurrent cells, of a model within a TimeDistributed, and of a Sequential that
 * stands within a Sequential within another model, and counts those of shared layers and models once a call. This
 * function changes the model and nothing else, so `fit`, `fitDataset`, `trainOnBatch` and everything in this library agree
 * on the new penalties, also after the model is compiled again, and when it is nested in another model (a `Sequential`
 * excepted: call this on the outer model). Other models that share its layers are not touched. What the model saves is the
 * same as before, so a loaded model needs the call again.
 *
 * Calling it again changes nothing and returns the same; with other options these replace the former ones.
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

  const before = penaltyCalls(trained);
  const entry: InForce = { options: key };
  let putBack: (() => void) | undefined = changeTrained(model, trained, (one) => {
    const restorePenalties = replacePenalties(one, (prefix) => enforcedPenalties(one, options, prefix));
    inForce.set(one, entry);
    return () => {
      restorePenalties();
      inForce.delete(one);
    };
  });
  entry.enforced = {
    changes: changes(trained, before),
    restore() {
      putBack?.();
      putBack = undefined;
    },
  };
  return entry.enforced;
}

function resolve(args: EnforceRegularizersArgs): Required<EnforceRegularizersArgs> {
  checkArguments(args, OPTIONS);
  for (const [name, value] of Object.entries(args)) {
    if (value !== undefined && typeof value !== 'boolean') {
      throw new Error(`Expected \`${name}\` to be true or false, got ${describe(value)}. Pass a boolean.`);
    }
  }
  const { recurrent = true, sharedOnce = true, frozen = false } = args;
  return { recurrent, sharedOnce, frozen };
}

function changes(trained: LayersModel, before: readonly PenaltyCall[]): EnforcedChange[] {
  const identity = (call: PenaltyCall) => call.loss ?? `${call.path}#${call.index}`;
  const count = (calls: readonly PenaltyCall[], one: PenaltyCall) =>
    calls.filter((call) => identity(call) === identity(one)).length;
  const after = penaltyCalls(trained);
  const distinct = new Map(declaredCalls(trained).map((call) => [identity(call), call]));
  return [...distinct.values()].flatMap((call) => {
    const [callsBefore, calls] = [count(before, call), count(after, call)];
    if (callsBefore === calls) return [];
    const source = penaltySource(call);
    return [{ layer: call.path, weight: source && shortName(source.weight), callsBefore, calls }];
  });
}
