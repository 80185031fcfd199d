import { cast, clone, dispose, keep, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { penaltySource } from './declared-regularizers.js';
import { fusedPenalty, type Coefficients } from './fused-penalty.js';
import { actingCoefficients, isOfRegularizer } from '../host/regularizers.js';
import { changeTrained, sumPenalties } from '../host/calculation.js';
import { penaltyCalls } from '../host/penalties.js';
import type { PenaltyCall } from '../host/penalties.js';
import type { PenaltySource } from '../host/regularizers.js';
import type { PenaltySum } from '../host/calculation.js';
import { shortName } from './penalty-groups.js';
import { sumOf } from '../util/scalars.js';
import { builtModel } from '../host/trained-model.js';

/** What `fuseRegularizers` did. */
export interface FusedRegularizers {
  /** The penalties that are computed as one now, in the order of the layers. */
  readonly fused: readonly FusedTerm[];
  /** Those that are computed as before: of custom classes, on activations, or added with `layer.addLoss`. */
  readonly leftAlone: readonly FusedTerm[];
  /**
   * Puts the model back as it was; a second call does nothing.
   *
   * @throws Error within a training step that a `decomposedLoss()` watches: not in `onBatchBegin`.
   */
  restore(): void;
}

/** A penalty that `fuseRegularizers` speaks of. */
export interface FusedTerm {
  /** The layer, as in `regularizationTerms`: `encoder/dense_1`. */
  layer: string;
  /** The weight's name within the layer, `kernel`, say; `null` for a penalty that is not a regularizer's. */
  weight: string | null;
}

/** What is in force, by the model that is trained: of a `Sequential` the one that it hides. */
const inForce = new WeakMap<LayersModel, FusedRegularizers>();

/**
 * Has training compute the same penalties in less time: those of TensorFlow.js's own L1, L2 and L1L2 classes and of
 * Keras's `L1` and `L2` as one operation, with a gradient of its own.
 *
 * Value and gradient are the host's to float32 rounding, the gradient of `abs` at zero (-1) included; second derivatives
 * work. It changes the model and nothing else, so plain `fit`, `fitDataset` and `trainOnBatch` become faster too, also
 * after the model is compiled again. Penalties that come later, by `addWeightDecay` or `enforceRegularizers`, are fused
 * as well, and coefficients are read at each step. What the model saves is the same as before, so a loaded model needs
 * the call again. Calling it again returns the same.
 *
 * @param model - A built model.
 * @returns What is fused, and how to undo it.
 * @throws Error if `model` is not a built `tf.LayersModel`, or computes its penalties by a method of its own.
 */
export function fuseRegularizers(model: LayersModel): FusedRegularizers {
  const trained = builtModel(model);
  const former = inForce.get(trained);
  if (former !== undefined) return former;

  const calls = penaltyCalls(trained);
  const distinct = [...new Map(calls.map((call) => [call.loss ?? call, call])).values()];
  let putBack: (() => void) | undefined = undefined;
  const handle: FusedRegularizers = {
    fused: distinct.filter((call) => fusable(call) !== undefined).map(named),
    leftAlone: distinct.filter((call) => fusable(call) === undefined).map(named),
    restore() {
      putBack?.();
      putBack = undefined;
    },
  };
  putBack = changeTrained(model, trained, (one) => {
    const restoreSum = sumPenalties(one, fusedSum);
    inForce.set(one, handle);
    return () => {
      restoreSum();
      inForce.delete(one);
    };
  });
  return handle;
}

function named(call: PenaltyCall): FusedTerm {
  const source = sourceOf(call);
  return { layer: call.path, weight: source && shortName(source.weight) };
}

/** Of a loss that was added by hand nothing is asked, not even its value: it may count how often it is. */
const sourceOf = (call: PenaltyCall): PenaltySource | null =>
  call.loss !== undefined && !call.activity && isOfRegularizer(call.loss) ? penaltySource(call) : null;

interface Group extends Coefficients {
  places: number[];
  sources: PenaltySource[];
}

const fusedSum: PenaltySum = (calls, each) => {
  const parts: Scalar[] = [];
  try {
    return { sum: addUp(calls, each, parts), parts };
  } catch (error) {
    dispose(parts);
    throw error;
  }
};

/** @param parts - Is given each penalty by itself, kept, at its place among the calls. */
function addUp(calls: readonly PenaltyCall[], each: boolean, parts: Scalar[]): Scalar {
  const others: Scalar[] = [];
  const groups = new Map<string, Group>();
  calls.forEach((call, place) => {
    const term = fusable(call);
    if (term === undefined) {
      const penalty = cast(call.penalty(), 'float32');
      others.push(penalty);
      if (each) parts[place] = keep(clone(penalty));
      return;
    }
    // Apart by whether the weight is trained: the gradients of one operation are computed together.
    const key = `${term.l1} ${term.l2} ${term.source.weight.trainable}`;
    const group = groups.get(key) ?? { l1: term.l1, l2: term.l2, places: [], sources: [] };
    group.places.push(place);
    group.sources.push(term.source);
    groups.set(key, group);
  });
  const sums = [...groups.values()].map(({ places, sources, ...group }) => {
    const fused = fusedPenalty(
      sources.map(({ weight }) => weight.read()),
      group,
      each,
    );
    fused.parts.forEach((part, index) => (parts[places[index]!] = part));
    return fused.sum;
  });
  return sumOf([...sums, ...others]);
}

/** The weight and the coefficients of a penalty that a class we know computes; `undefined` for any other. */
function fusable(call: PenaltyCall): ({ source: PenaltySource } & Coefficients) | undefined {
  const source = sourceOf(call);
  if (source === null) return undefined;
  const known = actingCoefficients(source.regularizer);
  const isPenalty = known !== undefined && (known.l1 !== 0 || known.l2 !== 0);
  return isPenalty && source.weight.read().dtype === 'float32' ? { source, ...known } : undefined;
}
