import { addN, cast, concat, reshape, scalar, stack, tidy, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';

const joined = (tensors: readonly Tensor[]): Tensor =>
  tidy(() => {
    const floats = tensors.map(asFloat);
    const areScalars = floats.every(({ rank }) => rank === 0);
    return areScalars ? stack(floats) : concat(floats.map((tensor) => reshape(tensor, [-1])));
  });

const asFloat = (tensor: Tensor): Tensor => (tensor.dtype === 'float32' ? tensor : cast(tensor, 'float32'));

/**
 * Reads the values of several tensors, one behind the other, in one transfer from the backend.
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
 * The sum of penalties, as the backend adds them.
 *
 * @returns A scalar that the caller disposes; of a single penalty, that penalty itself.
 */
export function sumOf(penalties: readonly Scalar[]): Scalar {
  if (penalties.length === 0) return scalar(0);
  return penalties.length === 1 ? penalties[0]! : addN<Scalar>([...penalties]);
}

/**
 * The penalties of a trained model at its current weights.
 *
 * @returns New float32 scalars, which the caller disposes, also where a loss added by hand returns a tensor of the user's.
 */
export function currentPenalties(model: LayersModel): Scalar[] {
  return tidy(() => model.calculateLosses().map((penalty) => cast(penalty, 'float32')));
}

/** The sum in float64. */
export const sumOfNumbers = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
