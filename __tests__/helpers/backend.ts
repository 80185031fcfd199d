import * as tfjs from '@tensorflow/tfjs';

declare const __BACKEND__: 'tensorflow' | 'cpu' | 'wasm';

/** The backend of the jest project that runs: `tensorflow` is tfjs-node. */
export const backend = __BACKEND__;

/** TensorFlow.js on that backend. */
export const tf: typeof tfjs = backend === 'tensorflow' ? jest.requireActual('@tensorflow/tfjs-node') : tfjs;

/** Whether the tests run on TensorFlow.js 4.0, where the CPU backend's gradient of `elu` is wrong, and weights are in one buffer. */
export const isOldest = tfjs.version['tfjs-core'].startsWith('4.0.');

/** The wasm backend cannot compute the gradient of a convolution. */
export const trainsConvolutions = backend !== 'wasm';

/** A case of Keras's that the backend can train: CPU takes a minute for the convolution over 64×64 pixels. */
export function isForBackend({ name, trainsOnWasm }: { name: string; trainsOnWasm: boolean }): boolean {
  return { tensorflow: true, cpu: name !== 'readme', wasm: trainsOnWasm }[backend];
}

beforeAll(async () => {
  await tf.setBackend(backend);
  await tf.ready();
});
