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

/** What can compute in a browser. */
export type BackendName = keyof typeof LABELS;

/** The backend that computes from now on, and a sentence where it is not the one that was wanted. */
export interface UsedBackend {
  name: BackendName;
  note: string;
}

/**
 * Chooses what computes from now on: the backend that is wanted, else WebAssembly, else the CPU.
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
  // Of use to few so far, and half a megabyte: loaded when it is chosen.
  if (name === 'webgpu') await import('@tensorflow/tfjs-backend-webgpu');
  return tf.setBackend(name).catch(() => false);
}
