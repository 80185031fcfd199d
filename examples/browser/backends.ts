import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import simd from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import threads from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url';
import plain from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';

setWasmPaths({
  'tfjs-backend-wasm.wasm': plain,
  'tfjs-backend-wasm-simd.wasm': simd,
  'tfjs-backend-wasm-threaded-simd.wasm': threads,
});

/**
 * Chooses what computes from now on.
 *
 * @throws Error if the browser cannot.
 */
export async function useBackend(name: string): Promise<void> {
  const works = await tf.setBackend(name).catch(() => false);
  if (!works) throw new Error(`This browser has no ${name} for TensorFlow.js. Choose another under “Runs on”.`);
  await tf.ready();
}
