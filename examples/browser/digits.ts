import * as tf from '@tensorflow/tfjs';
import { PIXELS, TRAINING, VALIDATION } from './sample.js';

/** Images [count, 28, 28, 1] from 0 to 1, and labels, one-hot [count, 10]. */
export interface Digits {
  xs: tf.Tensor4D;
  ys: tf.Tensor2D;
}

/** The digits that `fit` takes. */
export interface FitData {
  training: Digits;
  validation: Digits;
}

/**
 * The bytes that the build makes of MNIST: all images, then all labels.
 *
 * @throws Error if the file is missing or incomplete.
 */
export async function loadDigits(address: string): Promise<Uint8Array> {
  const response = await fetch(address).catch(() => undefined);
  if (!response?.ok) {
    const reason = response ? `the server answered ${response.status}` : 'the server did not answer';
    throw new Error(`The digits did not load: ${reason} for ${address}. Check your connection, then press “Show me”.`);
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  const expected = (TRAINING + VALIDATION) * (PIXELS + 1);
  if (bytes.length !== expected) {
    const [got, all] = [bytes.length, expected].map((count) => count.toLocaleString('en'));
    throw new Error(
      `The file with the digits is incomplete: ${got} of ${all} bytes. Press “Show me” to load it again.`,
    );
  }
  return bytes;
}

/** The tensors for the bytes of {@link loadDigits}. Dispose them after use. */
export function digitsFrom(bytes: Uint8Array): FitData {
  const count = TRAINING + VALIDATION;
  const part = (start: number, end: number): Digits => {
    const pixels = Float32Array.from(bytes.subarray(start * PIXELS, end * PIXELS), (grey) => grey / 255);
    const labels = Int32Array.from(bytes.subarray(count * PIXELS + start, count * PIXELS + end));
    return {
      xs: tf.tensor4d(pixels, [end - start, 28, 28, 1]),
      ys: tf.tidy(() => tf.oneHot(tf.tensor1d(labels, 'int32'), 10).toFloat() as tf.Tensor2D),
    };
  };
  return { training: part(0, TRAINING), validation: part(TRAINING, count) };
}

/** How the page calls `fit`: nothing is random, so the numbers repeat. */
export const fitArgs = ({ validation }: FitData, epochs: number) => ({
  epochs,
  batchSize: 50,
  shuffle: false,
  verbose: 0 as const,
  validationData: [validation.xs, validation.ys] as [tf.Tensor, tf.Tensor],
});
