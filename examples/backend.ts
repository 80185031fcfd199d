import * as tfjs from '@tensorflow/tfjs';

/** tfjs-node where it is installed and works, else TensorFlow.js on its own CPU backend, which is slower. */
export const tf: typeof tfjs = loadTfjsNode() ?? tfjs;

/** With what tfjs-node needs on Node 24. */
function loadTfjsNode(): typeof tfjs | undefined {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- it has to be there before tfjs-node
    require('../scripts/node-24.cjs');
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only `require` can fail and go on
    return require('@tensorflow/tfjs-node') as typeof tfjs;
  } catch (error) {
    console.warn(`tfjs-node does not load here, so this runs on the CPU backend: ${String(error).split('\n')[0]}`);
    return undefined;
  }
}
