import { Tensor, type Scalar } from '@tensorflow/tfjs-core';
import { readNumbers } from '../util/scalars.js';

/** The host's logs: those that nobody has read yet are scalars, which the host disposes. It takes nothing else. */
export interface Logs {
  [key: string]: number | Scalar;
}

/**
 * Reads the host's logs, in one transfer from the backend. The scalars stay where they are.
 *
 * @returns The same keys in the same order.
 */
export async function readLogs(logs: Logs): Promise<Map<string, number>> {
  const entries = Object.entries(logs);
  const numbers = await readNumbers(entries.map(([, value]) => value).filter((value) => value instanceof Tensor));
  return new Map(entries.map(([key, value]) => [key, typeof value === 'number' ? value : numbers.shift()!]));
}
