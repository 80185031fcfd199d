import { Tensor, addN, cast, concat, reshape, scalar, stack, tidy, type Scalar } from '@tensorflow/tfjs-core';
import { describe } from './arguments.js';

const joined = (tensors: readonly Tensor[]): Tensor =>
  tidy(() => {
    const floats = tensors.map(asFloat);
    const areScalars = floats.every(({ rank }) => rank === 0);
    return areScalars ? stack(floats) : concat(floats.map((tensor) => reshape(tensor, [-1])));
  });

/** A tensor itself where it is float32: to cast it would be a kernel, and another one on the way back. */
export const asFloat = <T extends Tensor>(tensor: T): T =>
  tensor.dtype === 'float32' ? tensor : cast<T>(tensor, 'float32');

/**
 * Reads the values of several tensors, one after the other, in one transfer from the backend.
 *
 * @param tensors - Only read.
 */
export async function readNumbers(tensors: readonly Tensor[]): Promise<number[]> {
  if (tensors.length === 0) return [];
  const all = joined(tensors);
  try {
    return Array.from(await all.data());
  } finally {
    all.dispose();
  }
}

/** As `readNumbers`, at once. */
export function readNumbersSync(tensors: readonly Tensor[]): number[] {
  return tensors.length === 0 ? [] : tidy(() => Array.from(joined(tensors).dataSync()));
}

/**
 * The sum of tensors of one shape, as the backend adds them.
 *
 * @returns A tensor that the caller disposes; of a single one, that one itself, and of none a scalar.
 */
export function sumOf<T extends Tensor>(tensors: readonly T[]): T | Scalar {
  if (tensors.length === 0) return scalar(0);
  return tensors.length === 1 ? tensors[0]! : addN<T>([...tensors]);
}

/** The sum in float64. */
export const sumOfNumbers = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

const NUMERIC = ['float32', 'int32', 'bool'];

/** Whether a value is a scalar that can be added to a loss. */
export const isScalar = (value: unknown): value is Scalar =>
  value instanceof Tensor && value.rank === 0 && NUMERIC.includes(value.dtype);

/** A value as error messages name it, tensors by type and shape. */
export function describeResult(value: unknown): string {
  if (!(value instanceof Tensor)) return describe(value);
  return `${value.isDisposed ? 'a disposed tensor' : 'a tensor'} of type ${value.dtype} and shape [${value.shape}]`;
}
