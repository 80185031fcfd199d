import { cast, clone, keep, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { penaltySource } from './declared-regularizers.js';
import { fusedPenalty, type Coefficients } from './fused-penalty.js';
import { coefficients, layersWithin, penaltyCalls, sumPenalties, whenRebuilt } from '../host.js';
import type { PenaltyCall, PenaltySource, PenaltySum } from '../host.js';
import { shortName } from '../penalty-groups.js';
import { sumOf } from '../scalars.js';
import { builtModel } from '../trained-model.js';
import { isWeightDecay } from './weight-decay.js';

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

const inForce = new WeakMap<LayersModel, FusedRegularizers>();

/**
 * Has training compute the same penalties in less time: those of TensorFlow.js's own L1, L2 and L1L2 classes and of
 * Keras's `L1` and `L2` as one operation, with a gradient of its own.
 *
 * Value and gradient are the host's to float32 rounding, the gradient of `abs` at zero (-1) included; second derivatives
 * work. It changes the model and nothing else, so plain `fit`, `fitDataset` and `trainOnBatch` become faster too, also
 * after the model is compiled again. Penalties that come later, by `addWeightDecay` or `enforceRegularization`, are fused
 * as well, and coefficients are read at each step. What the model saves is the same as before, so a loaded model needs
 * the call again. Calling it again returns the same.
 *
 * @param model - A built model.
 * @returns What is fused, and how to undo it.
 * @throws Error if `model` is not a built `tf.LayersModel`, or computes its penalties by a method of its own.
 */
export function fuseRegularizers(model: LayersModel): FusedRegularizers {
  const trained = builtModel(model);
  const former = inForce.get(model);
  if (former !== undefined) return former;

  const calls = penaltyCalls(trained);
  const distinct = [...new Map(calls.map((call) => [call.loss ?? call, call])).values()];
  let putBack = sumPenalties(trained, fusedSum);
  const release = whenRebuilt(model, (rebuilt) => {
    putBack();
    putBack = sumPenalties(rebuilt, fusedSum);
  });
  const handle: FusedRegularizers = {
    fused: distinct.filter((call) => fusable(call) !== undefined).map(named),
    leftAlone: distinct.filter((call) => fusable(call) === undefined).map(named),
    restore() {
      if (inForce.get(model) !== handle) return;
      putBack();
      release();
      inForce.delete(model);
    },
  };
  inForce.set(model, handle);
  return handle;
}

function named(call: PenaltyCall): FusedTerm {
  const source = penaltySource(call);
  return { layer: call.path, weight: source && shortName(source.weight) };
}

interface Group extends Coefficients {
  places: number[];
  sources: PenaltySource[];
}

const fusedSum: PenaltySum = (calls, each) => {
  const parts: Scalar[] = [];
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
  return { sum: sumOf([...sums, ...others]), parts };
};

/** The weight and the coefficients of a penalty that a class we know computes; `undefined` for any other. */
function fusable(call: PenaltyCall): ({ source: PenaltySource } & Coefficients) | undefined {
  const source = call.activity ? null : penaltySource(call);
  if (source === null || !isBoundForGood(call, source)) return undefined;
  const known = coefficients(source.regularizer);
  const isPenalty = known !== undefined && (known.l1 !== 0 || known.l2 !== 0);
  return isPenalty && source.weight.read().dtype === 'float32' ? { source, ...known } : undefined;
}

const boundForGood = new WeakMap<PenaltySource, boolean>();

/** Whether a penalty is that of one regularizer for good: a loss added by hand may choose another one at each step. */
function isBoundForGood({ layer }: PenaltyCall, source: PenaltySource): boolean {
  const known = boundForGood.get(source);
  if (known !== undefined) return known;
  const owners: object[] = [layer, ...layersWithin(layer)];
  const bound =
    isWeightDecay(source.regularizer) ||
    owners.some((owner) => Object.values<unknown>(owner as Record<string, unknown>).includes(source.regularizer));
  boundForGood.set(source, bound);
  return bound;
}
