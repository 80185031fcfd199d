import { Tensor, Variable, cast, clone, dispose, keep, mul, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { actingCoefficients } from '../host/model/regularizers.js';
import { builtModel, changeTrained } from '../host/model/trained-model.js';
import { appliedPenalties } from '../host/penalties/penalties.js';
import { sourceOf, unappliedPenalties, weightOf, type Application } from '../host/penalties/penalty-sources.js';
import type { Penalty, PenaltySum } from '../host/penalties/penalty.js';
import { changePenalties } from '../host/step/penalty-sums.js';
import { sumOf } from '../util/scalars.js';
import { distinct } from './declared-regularizers.js';
import { fusedPenalty, type FusedPenalty } from './fused-penalty.js';
import { shortName } from './penalty-groups.js';

/** What `fuseRegularizers` did. */
export interface FusedRegularizers {
  /** The penalties that are computed together now, in the order of the layers. */
  readonly fused: readonly FusedTerm[];
  /** Those that are computed as before: of custom classes, with coefficients of 0, on activations, or added with `layer.addLoss`. */
  readonly leftAlone: readonly FusedTerm[];
  /**
   * Puts the model back as it was; a second call does nothing.
   *
   * @throws Error within a training step that a `decomposedLoss()` watches: not in `onBatchBegin`.
   */
  restore(): void;
}

/** A penalty, as `fuseRegularizers` lists it. */
export interface FusedTerm {
  /** The layer, as in `regularizationTerms`: `encoder/dense_1`. */
  layer: string;
  /** The weight's name within the layer, for example `kernel`; `null` for a penalty that is not a regularizer's. */
  weight: string | null;
}

/** What is in force, by the model that is trained: of a `Sequential` the one that it hides. */
const inForce = new WeakMap<LayersModel, FusedRegularizers>();

/**
 * Has training compute the same penalties in less time: those of TensorFlow.js's own L1, L2 and L1L2 classes and of
 * Keras's `L1` and `L2`, with the same coefficients, as one operation with a gradient of its own.
 *
 * Value and gradient are those of the penalties as they were, up to float32 rounding. So the derivative of `abs` at 0 stays the
 * host's -1, or Keras's 0 if `enforceRegularizers` or `addWeightDecay` made it that; second derivatives work. It changes only
 * the model, so plain `fit`, `fitDataset` and `trainOnBatch` become faster too, also after the model is compiled again.
 * Penalties that come later, by `addWeightDecay` or `enforceRegularizers`, are fused as well, and coefficients are read at each
 * step. What the model saves is the same as before, so a loaded model needs the call again. Calling it again returns the same.
 *
 * @param model - A built model.
 * @returns What is fused, and how to undo it.
 * @throws Error if `model` is not a built `tf.LayersModel`, or computes its penalties by a method of its own.
 */
export function fuseRegularizers(model: LayersModel): FusedRegularizers {
  const trained = builtModel(model);
  const former = inForce.get(trained);
  if (former !== undefined) return former;

  const all = distinct(appliedPenalties(trained)).map(({ penalty }) => penalty);
  let undo: (() => void) | undefined = undefined;
  const handle: FusedRegularizers = {
    fused: all.filter(isFusable).map(named),
    leftAlone: all.filter((penalty) => !isFusable(penalty)).map(named),
    restore() {
      undo?.();
      undo = undefined;
    },
  };
  undo = changeTrained(model, trained, (one) => {
    const restore = changePenalties(one, { sum: fusedSum });
    inForce.set(one, handle);
    return () => {
      restore();
      inForce.delete(one);
    };
  });
  return handle;
}

function named(penalty: Penalty): FusedTerm {
  const weight = weightOf(penalty);
  return { layer: penalty.path, weight: weight && shortName(weight) };
}

function isFusable(penalty: Penalty): boolean {
  // A loss that was added by hand is not asked for this: it may count how often it is.
  const source = weightOf(penalty) && sourceOf(penalty);
  return source !== null && fusable({ regularizer: source.regularizer, weight: source.weight.read() }) !== undefined;
}

interface Group extends FusedPenalty {
  places: number[];
  weights: Tensor[];
}

const fusedSum: PenaltySum = (penalties, each) => {
  const parts: Scalar[] = [];
  try {
    return { sum: addUp(penalties, each, parts), parts };
  } catch (error) {
    dispose(parts);
    throw error;
  }
};

/** @param parts - Is given each penalty by itself, kept, at its place among the penalties. */
function addUp(penalties: readonly Penalty[], each: boolean, parts: Scalar[]): Scalar {
  const others: Scalar[] = [];
  const groups = new Map<string, Group>();
  unappliedPenalties(penalties).forEach((found, place) => {
    const { kerasAbs } = penalties[place]!;
    const factor = penalties[place]!.factor();
    const term = found instanceof Tensor ? undefined : fusable(found);
    if (term === undefined) {
      const declared = found instanceof Tensor ? found : penalties[place]!.declared();
      const value = cast(factor === 1 ? declared : mul<Scalar>(declared, factor), 'float32');
      others.push(value);
      if (each) parts[place] = keep(clone(value));
      return;
    }
    const { weight, l1, l2 } = term;
    // Apart by whether the weight is trained: the gradients of one operation are computed together.
    const isTrained = weight instanceof Variable && weight.trainable;
    const key = [l1, l2, factor, kerasAbs, isTrained].join();
    const group = groups.get(key) ?? { l1, l2, factor, kerasAbs, places: [], weights: [] };
    group.places.push(place);
    group.weights.push(weight);
    groups.set(key, group);
  });
  const sums = [...groups.values()].map(({ places, weights, ...group }) => {
    const fused = fusedPenalty(weights, group, each);
    fused.parts.forEach((part, index) => (parts[places[index]!] = part));
    return fused.sum;
  });
  return sumOf([...sums, ...others]);
}

/** The coefficients of a penalty that a class we know computes; `undefined` for any other. */
function fusable({ regularizer, weight }: Application): { weight: Tensor; l1: number; l2: number } | undefined {
  const known = actingCoefficients(regularizer);
  const isPenalty = known !== undefined && (known.l1 !== 0 || known.l2 !== 0);
  return isPenalty && weight.dtype === 'float32' ? { weight, ...known } : undefined;
}
