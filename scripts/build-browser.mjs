import fs from 'node:fs';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { readJson, root } from './helpers.mjs';

/** The most bytes that a file may have after gzip. */
const LIMITS = { 'decomposed-loss.min': 50_000, 'tfvis.min': 12_000 };

const TF = ['tf', 'LayersModel', 'tf.min.js of @tensorflow/tfjs'];

/** By module, the global of the page that it is, a member to know it by, and the file that makes it. */
const GLOBALS = {
  '@tensorflow/tfjs': TF,
  '@tensorflow/tfjs-core': TF,
  '@tensorflow/tfjs-layers': TF,
  '@tensorflow/tfjs-vis': ['tfvis', 'render', 'tfjs-vis.umd.min.js of @tensorflow/tfjs-vis'],
  'decomposed-loss': ['tfDecomposedLoss', 'decomposedLoss', 'decomposed-loss.min.js'],
};

/** Takes modules from the page's globals, with an error that says what to load. */
export const globals = {
  name: 'globals',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^@tensorflow\// }, ({ path }) => ({ path, namespace: 'global' }));
    onLoad({ filter: /.*/, namespace: 'global' }, ({ path }) => {
      const [name, member, file] = GLOBALS[path];
      const message = `Expected the global \`${name}\`, got none. Load ${file} with a <script> before this.`;
      const check = `if (!globalThis.${name}?.${member}) throw new Error(${JSON.stringify(message)});`;
      return { contents: `${check} module.exports = globalThis.${name};` };
    });
  },
};

/** Takes the callbacks that the charts use, with all they know about models, from the other file: each exists once. */
const callbacksFrom = (place) => ({
  name: 'callbacks',
  setup: ({ onResolve }) => onResolve({ filter: /\/callbacks\/[^/]+\.js$/ }, () => place),
});

const all = ['index', 'regularizers', 'gradients', 'charts']
  .map((name) => `export * from './src/${name}.js';`)
  .join('');
const addTfvis = "import * as tfvis from './src/tfvis.js'; Object.assign(tfDecomposedLoss, tfvis);";

/** The files of `dist/browser`; the scripts put their names on the global `tfDecomposedLoss`. */
export async function buildForBrowsers() {
  await write('decomposed-loss.min.js', 'iife', all, [], 'tfDecomposedLoss');
  await write('decomposed-loss.min.mjs', 'esm', all);
  await write('tfvis.min.js', 'iife', addTfvis, [callbacksFrom({ path: 'decomposed-loss', namespace: 'global' })]);
  const module = { path: './decomposed-loss.min.mjs', external: true };
  await write('tfvis.min.mjs', 'esm', "export * from './src/tfvis.js';", [callbacksFrom(module)]);
}

async function write(file, format, contents, plugins = [], globalName = undefined) {
  const outfile = `dist/browser/${file}`;
  const banner = { js: `/*! tfjs-decomposed-loss ${readJson('package.json').version}, Apache-2.0 */` };
  const options = { bundle: true, minify: true, target: 'es2022', legalComments: 'none', banner, format, globalName };
  const stdin = { contents, resolveDir: root };
  await build({ absWorkingDir: root, stdin, outfile, plugins: [...plugins, globals], ...options });
  const size = gzipSync(fs.readFileSync(`${root}/${outfile}`), { level: 9 }).length;
  const limit = LIMITS[file.replace(/\.m?js$/, '')];
  console.log(`${outfile}: ${size} bytes after gzip, at most ${limit}`);
  if (size > limit) throw new Error(`Expected ${outfile} to have at most ${limit} bytes after gzip, got ${size}.`);
}
