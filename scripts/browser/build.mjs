import path from 'node:path';
import { build } from 'esbuild';
import { readJson, root } from '../helpers.mjs';

const { version } = readJson('package.json');

const toGlobals = {
  '@tensorflow/tfjs-core': './scripts/browser/tf.cjs',
  '@tensorflow/tfjs-layers': './scripts/browser/tf.cjs',
  '@tensorflow/tfjs-vis': './scripts/browser/vis.cjs',
};

const bundle = (options) =>
  build({
    absWorkingDir: root,
    alias: toGlobals,
    bundle: true,
    minify: true,
    metafile: true,
    target: 'es2022',
    legalComments: 'none',
    banner: { js: `/*! tfjs-decomposed-loss ${version}, Apache-2.0 */` },
    ...options,
  });

/**
 * The files of `dist/browser`, as scripts and as modules. They take TensorFlow.js from the global `tf` and tfjs-vis from
 * `tfvis`; the scripts put their names on the global `tfDecomposedLoss`.
 */
export async function buildForBrowsers() {
  const file = (name) => path.join('dist', 'browser', name);
  const all = { entryPoints: ['scripts/browser/decomposed-loss.ts'] };
  await bundle({ ...all, format: 'iife', globalName: 'tfDecomposedLoss', outfile: file('decomposed-loss.min.js') });
  const { metafile } = await bundle({ ...all, format: 'esm', outfile: file('decomposed-loss.min.mjs') });
  const names = Object.values(metafile.outputs)[0].exports;
  await bundle({
    format: 'iife',
    outfile: file('tfvis.min.js'),
    stdin: {
      contents: "import * as tfvis from './src/tfvis.js'; Object.assign(globalThis.tfDecomposedLoss, tfvis);",
      resolveDir: root,
    },
    plugins: [callbacksFrom({ path: 'global', namespace: 'decomposed-loss' }, fromGlobal(names))],
  });
  await bundle({
    format: 'esm',
    outfile: file('tfvis.min.mjs'),
    entryPoints: ['src/tfvis.ts'],
    plugins: [callbacksFrom({ path: './decomposed-loss.min.mjs', external: true })],
  });
}

const fromGlobal = (names) => `
if (!globalThis.tfDecomposedLoss) {
  throw new Error(
    'Expected the global \`tfDecomposedLoss\`, got none. Load decomposed-loss.min.js with a <script> before this.',
  );
}
export const { ${names.join(', ')} } = globalThis.tfDecomposedLoss;`;

/** Takes the callbacks that the charts use, with all they know about models, from the other file: each exists once. */
const callbacksFrom = (place, contents) => ({
  name: 'callbacks',
  setup(hooks) {
    hooks.onResolve({ filter: /\/callbacks\/[^/]+\.js$/ }, () => place);
    hooks.onLoad({ filter: /.*/, namespace: 'decomposed-loss' }, () => ({ contents }));
  },
});
