import { dispose, type Scalar } from '@tensorflow/tfjs-core';

/** Penalties as a model returned them, and what those are made of. */
export interface CollectedPenalties {
  /** Of the active scope. */
  penalties: Scalar[];
  /** One scalar for each penalty of each layer, in the order of `penaltyCalls`: those of `penalties`, or of `parts`. */
  each: Scalar[];
  /** What sums were taken apart into: kept, the caller disposes them. */
  parts: Set<Scalar>;
}

/** What each sum of penalties is made of, while somebody asks. */
let partsOf: Map<Scalar, Scalar[]> | undefined;

/** Runs a model's `calculateLosses` and has those that add their penalties up tell also each penalty by itself. */
export function collectPenalties(calculateLosses: () => Scalar[]): CollectedPenalties {
  const sums = (partsOf = new Map<Scalar, Scalar[]>());
  try {
    const penalties = calculateLosses();
    const each = penalties.flatMap((penalty) => sums.get(penalty) ?? [penalty]);
    return { penalties, each, parts: new Set([...sums.values()].flat()) };
  } catch (error) {
    dispose([...sums.values()]);
    throw error;
  } finally {
    partsOf = undefined;
  }
}

/** Where a sum tells its parts, kept; `undefined` where nobody asks. */
export const partsAsked = (): Map<Scalar, Scalar[]> | undefined => partsOf;
