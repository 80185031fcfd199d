import type { Scalar } from '@tensorflow/tfjs-core';
import { shared } from '../patch.js';

/** A scalar that was computed of a penalty; `source` is the same for all that come from one penalty. */
export interface PenaltyNote {
  source: unknown;
  scalar: Scalar;
}

/** The notes of those who trace penalties now. */
const traces = shared<PenaltyNote[][]>('penalty-traces', () => []);

/** Tells those who trace penalties that a scalar was computed of some, whichever model they were computed for. */
export function notePenalties(sources: readonly unknown[], scalar: Scalar): void {
  for (const notes of traces) for (const source of sources) notes.push({ source, scalar });
}

/** Runs something, and collects what was computed of penalties meanwhile. */
export function collectNotes<T>(run: () => T): { value: T; notes: readonly PenaltyNote[] } {
  const notes: PenaltyNote[] = [];
  traces.push(notes);
  try {
    return { value: run(), notes };
  } finally {
    traces.splice(traces.lastIndexOf(notes), 1);
  }
}
