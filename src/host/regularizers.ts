import type { Scalar, Tensor, serialization } from '@tensorflow/tfjs-core';
import { layers, regularizers } from '@tensorflow/tfjs-layers';
import { putBack, type Layer } from './model.js';
import { subjects, type PenaltyCall } from './penalties.js';

/** A regularizer, the host's or a custom class; the host requires no more of it. */
export interface Regularizer {
  apply(weight: Tensor): Scalar;
  getConfig?(): { l1?: number; l2?: number };
  getClassName?(): string;
}

/** The name that the host saves a regularizer under, which a minifier leaves alone. */
export const className = (regularizer: Regularizer): string =>
  regularizer.getClassName?.() ?? regularizer.constructor.name;

/** The class behind `tf.regularizers.l1`, `l2` and `l1l2`, which the host does not export. */
export const L1L2 = regularizers.l1l2().constructor as {
  new (args?: { l1?: number; l2?: number }): Regularizer & serialization.Serializable;
  readonly prototype: Regularizer;
  fromConfig: serialization.FromConfigMethod<serialization.Serializable>;
};

/**
 * The coefficients of one of the host's own regularizers, also under another name: a derived class with the same
 * penalty. `undefined` for any other class.
 */
export function coefficients(regularizer: Regularizer): { l1: number; l2: number } | undefined {
  if (!(regularizer instanceof L1L2) || regularizer.apply !== L1L2.prototype.apply) return undefined;
  const { l1 = 0, l2 = 0 } = regularizer.getConfig!();
  return { l1, l2 };
}

/**
 * As `coefficients`, those that act: one that was 0 when the regularizer was made stays so, whatever is assigned.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/regularizers.ts#L74-L77 | L1L2}
 */
export function actingCoefficients(regularizer: Regularizer): { l1: number; l2: number } | undefined {
  const known = coefficients(regularizer);
  const { hasL1, hasL2 } = regularizer as unknown as { hasL1: boolean; hasL2: boolean };
  return known && { l1: hasL1 ? known.l1 : 0, l2: hasL2 ? known.l2 : 0 };
}

/**
 * Runs a penalty and finds the regularizer and the weight behind it: the host closes over both, so the `apply` of every
 * regularizer that the layer may use is listened to meanwhile.
 *
 * @returns The value, which the caller disposes, and what it came from; no source for a loss that was added by hand.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/topology.ts#L1293-L1295 | Layer.addWeight}
 */
export function inspectPenalty({ layer, penalty }: PenaltyCall): { value: Scalar; source?: PenaltySource } {
  const applied: Array<{ regularizer: Regularizer; argument: Tensor; result: Scalar }> = [];
  const restore = applyOwners(layer).map((owner) => {
    const before = Object.getOwnPropertyDescriptor(owner, 'apply');
    const apply = owner.apply;
    owner.apply = function (argument) {
      const result = apply.call(this, argument);
      applied.push({ regularizer: this, argument, result });
      return result;
    };
    return () => putBack(owner, 'apply', before);
  });
  try {
    const value = penalty();
    const origin = applied.find(({ result }) => result === value);
    const weight = layer.weights.find((candidate) => candidate.read() === origin?.argument);
    return origin && weight ? { value, source: { regularizer: origin.regularizer, weight } } : { value };
  } finally {
    restore.reverse().forEach((undo) => undo());
  }
}

/**
 * Whether a loss is one that the host made of a regularizer and a weight, or that of weight decay: always the penalty of
 * the same two. A loss that was added by hand may be another one at each step. The host makes all of its own from one
 * line of code, which tells them.
 */
export const isOfRegularizer = (loss: () => Scalar): boolean => subjects.has(loss) || String(loss) === hostLossCode();

let code: string | undefined;

function hostLossCode(): string {
  if (code === undefined) {
    const layer = layers.dense({ units: 1, kernelRegularizer: regularizers.l2({ l2: 1 }) });
    layer.build([null, 1]);
    code = String(layer.losses[0]);
    layer.weights.forEach((weight) => weight.dispose());
  }
  return code;
}

/** What a penalty was declared as: a regularizer on a weight. */
export interface PenaltySource {
  regularizer: Regularizer;
  weight: Layer['weights'][number];
}

/** Where `apply` is defined for the regularizers that a layer may use: their classes, or the objects themselves. */
function applyOwners(layer: Layer): Regularizer[] {
  const wrapped = (layer as { layer?: Layer }).layer;
  const members: unknown[] = [layer, wrapped ?? {}].flatMap((one) => Object.values<unknown>(one));
  const candidates = members.filter(
    (member): member is Regularizer =>
      typeof member === 'object' && member !== null && 'apply' in member && !(member instanceof layers.Layer),
  );
  return [...new Set([L1L2.prototype, ...candidates.map((candidate) => ownerOfApply(candidate))])];
}

const ownerOfApply = (object: Regularizer): Regularizer =>
  Object.hasOwn(object, 'apply') ? object : ownerOfApply(Object.getPrototypeOf(object) as Regularizer);
