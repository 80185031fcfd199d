import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import simd from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import threads from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url';
import plain from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import type { ModelName } from './model.js';

setWasmPaths({
  'tfjs-backend-wasm.wasm': plain,
  'tfjs-backend-wasm-simd.wasm': simd,
  'tfjs-backend-wasm-threaded-simd.wasm': threads,
});

const LABELS = { webgl: 'WebGL', webgpu: 'WebGPU', wasm: 'WebAssembly', cpu: 'the CPU' };

/** The backends that a browser can have. */
export type BackendName = keyof typeof LABELS;

/** The backend in use, and a sentence if it is not the one that was wanted. */
export interface UsedBackend {
  name: BackendName;
  note: string;
}

/**
 * Chooses the backend: the one that is wanted, otherwise WebAssembly, otherwise the CPU.
 *
 * @throws Error if not even the CPU backend starts.
 */
export async function useBackend(wanted: BackendName, model: ModelName): Promise<UsedBackend> {
  // The WebAssembly backend has no kernel for a convolution's gradient.
  const fallbacks: BackendName[] = model === 'convolutional' ? ['cpu'] : ['wasm', 'cpu'];
  for (const name of wanted === 'wasm' ? fallbacks : [wanted, ...fallbacks]) {
    if (!(await starts(name))) continue;
    if (name === wanted) return { name, note: '' };
    const reason =
      wanted === 'wasm' && model === 'convolutional'
        ? 'WebAssembly cannot train convolutions'
        : `This browser has no ${LABELS[wanted]} for TensorFlow.js`;
    return { name, note: `${reason}, so the page uses ${LABELS[name]}.` };
  }
  throw new Error('TensorFlow.js could not start a backend in this browser. Try another browser.');
}

async function starts(name: BackendName): Promise<boolean> {
  // Useful to few so far, and half a megabyte, so it is loaded only when chosen.
  if (name === 'webgpu') await import('@tensorflow/tfjs-backend-webgpu');
  return tf.setBackend(name).catch(() => false);
}
