import * as tfjs from '@tensorflow/tfjs';

/** tfjs-node if it is installed and works, otherwise TensorFlow.js on its own CPU backend, which is slower. */
export const tf: typeof tfjs = loadTfjsNode() ?? tfjs;

/** Loads what tfjs-node needs on Node 24 first. */
function loadTfjsNode(): typeof tfjs | undefined {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- it has to be loaded before tfjs-node
    require('../scripts/node-24.cjs');
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only a failed `require` can be caught here
    return require('@tensorflow/tfjs-node') as typeof tfjs;
  } catch (error) {
    console.warn(`tfjs-node does not load, so this runs on the CPU backend: ${String(error).split('\n')[0]}`);
    return undefined;
  }
}
