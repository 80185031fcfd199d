import { tidy, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import { LayerVariable, layers } from '@tensorflow/tfjs-layers';
import type { Layer } from '../model/model.js';
import { L1L2, type Regularizer } from '../model/regularizers.js';
import { RANK, onLookUp, patch, shared } from '../patch.js';
import { isOfRegularizer } from './closures.js';
import type { Penalty } from './penalty.js';

/** What a penalty was declared as: a regularizer on a weight. */
export interface PenaltySource {
  regularizer: Regularizer;
  weight: Layer['weights'][number];
}

/**
 * Computes a penalty, without its factor, and finds the regularizer and the weight that it comes from: the host closes over both, so it watches
 * the `apply` of every regularizer that the layer may use meanwhile.
 *
 * @returns The value, which the caller disposes, and its source; `null` for one on activations or a loss that was added by
 *   hand.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/topology.ts#L1293-L1295 | Layer.addWeight}
 */
export function inspectPenalty({ layer, declared }: Pick<Penalty, 'layer' | 'declared'>): {
  value: Scalar;
  source: PenaltySource | null;
} {
  const applied: Array<{ regularizer: Regularizer; argument: Tensor; result: Scalar }> = [];
  const releases = applyOwners(layer).map((owner) =>
    patch(owner, 'apply', RANK.watch, function (apply, argument) {
      const result = apply(argument);
      applied.push({ regularizer: this, argument, result });
      return result;
    }),
  );
  try {
    const value = declared();
    const origin = applied.find(({ result }) => result === value);
    const weight = layer.weights.find((candidate) => candidate.read() === origin?.argument);
    const source = origin && weight ? { regularizer: origin.regularizer, weight } : null;
    return { value, source };
  } finally {
    releases.forEach((release) => release());
  }
}

const sources = shared('sources', () => new WeakMap<() => Scalar, PenaltySource | null>());

/**
 * The regularizer and the weight that a penalty comes from; `null` where there are none, or only its layer knows. No regularizer
 * is applied for it. A loss that was added by hand is asked for, once in its life.
 */
export function sourceOf(penalty: Penalty): PenaltySource | null {
  const { closure, kind, layer } = penalty;
  if (closure === undefined || kind !== 'penalty') return null;
  if (isOfRegularizer(closure)) {
    const { regularizer, weight } = lookUp([closure], applyOwners(layer))[0]!;
    return regularizer && weight && layer.weights.includes(weight) ? { regularizer, weight } : null;
  }
  if (!sources.has(closure)) sources.set(closure, sourceOfAdded(layer, closure));
  return sources.get(closure)!;
}

/**
 * The weight that a regularizer's penalty is on; `null` for one on activations, a loss that was added by hand, and where only the
 * layer knows. Nothing is asked for it.
 */
export function weightOf({ closure, layer }: Penalty): PenaltySource['weight'] | null {
  if (!isOfRegularizer(closure)) return null;
  const { weight } = lookUp([closure], [])[0]!;
  return weight && layer.weights.includes(weight) ? weight : null;
}

/** One that has no value outside of a forward pass has no source. */
function sourceOfAdded(layer: Layer, closure: () => Scalar): PenaltySource | null {
  const found: Array<PenaltySource | null> = [];
  try {
    tidy(() => void found.push(inspectPenalty({ layer, declared: closure }).source));
    return found[0]!;
  } catch {
    return null;
  }
}

/** A regularizer, and the tensor that it is to be applied to. */
export interface Application {
  regularizer: Regularizer;
  weight: Tensor;
}

/**
 * What penalties are, before they are computed: for one that only applies one of the host's own regularizers the application,
 * which is still to be made, for any other its value, without the factor.
 */
export function unappliedPenalties(penalties: readonly Penalty[]): Array<Application | Scalar> {
  const closures = penalties.flatMap(({ closure }) => (isOfRegularizer(closure) ? [closure] : []));
  const found = lookUp(closures, [L1L2.prototype]);
  return penalties.map(({ closure, declared }) => {
    const { regularizer, weight } = (closure && found[closures.indexOf(closure)]) ?? {};
    return regularizer && weight ? { regularizer, weight: weight.read() } : declared();
  });
}

/** What the penalty of a regularizer looked up before it was interrupted. */
interface LookUp {
  /** Whose `apply` it is; `undefined` where that is defined elsewhere. */
  regularizer?: Regularizer;
  weight?: LayerVariable;
}

/**
 * Finds out what penalties of regularizers are made of. No regularizer is asked, because it may count how often it is, or draw
 * random numbers: a penalty looks `apply` up before it reads the weight, and is interrupted there.
 *
 * @param closures - Penalties that `isOfRegularizer`.
 * @param owners - Where `apply` is defined for the regularizers that are looked for.
 */
function lookUp(closures: ReadonlyArray<() => Scalar>, owners: readonly Regularizer[]): LookUp[] {
  let found: LookUp = {};
  const releases = [
    patch(LayerVariable.prototype, 'read', RANK.watch, function () {
      found.weight = this;
      throw new Error('A penalty is only looked at.');
    }),
    ...owners.map((owner) => onLookUp(owner, 'apply', (regularizer) => (found.regularizer = regularizer))),
  ];
  try {
    return closures.map((closure) => {
      found = {};
      try {
        tidy(closure);
      } catch {
        // What it looked up is found.
      }
      return found;
    });
  } finally {
    releases.forEach((release) => release());
  }
}

/** Where `apply` is defined for the regularizers that a layer may use: their classes, or the objects themselves. */
function applyOwners(layer: Layer): Regularizer[] {
  const candidates = Object.values(layer as object).filter(
    (member): member is Regularizer =>
      typeof member === 'object' && member !== null && 'apply' in member && !(member instanceof layers.Layer),
  );
  return [...new Set([L1L2.prototype, ...candidates.map((candidate) => ownerOfApply(candidate))])];
}

const ownerOfApply = (object: Regularizer): Regularizer =>
  Object.hasOwn(object, 'apply') ? object : ownerOfApply(Object.getPrototypeOf(object) as Regularizer);
