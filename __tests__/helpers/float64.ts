import type * as tfjs from '@tensorflow/tfjs';

/** `l1 * sum|w| + l2 * sum w²` in float64, from the weights' own values. */
export function penalty(weight: tfjs.Tensor, { l1 = 0, l2 = 0 }: { l1?: number; l2?: number }): number {
  return Array.from(weight.dataSync()).reduce((sum, w) => sum + l1 * Math.abs(w) + l2 * w * w, 0);
}

/** The distance from a float32 to the next one. */
export function ulp(value: number): number {
  const exponent = Math.floor(Math.log2(Math.abs(value) || 2 ** -126));
  return 2 ** (Math.max(exponent, -126) - 23);
}
