import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { root } from '../setup/stamp.cjs';
import { declaredNames, declaringFile, importsOf, sourceFile } from './names.mjs';

const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));

/** Under this symbol the first file leaves on the global what the others need of its modules, which there is once. */
const SHARED = "Symbol.for('tfjs-decomposed-loss.shared')";

const TAKE_SHARED = `export const shared = globalThis.tfDecomposedLoss?.[${SHARED}];
if (shared?.version !== '${version}') {
  throw new Error(
    'Expected decomposed-loss.min.js ${version} before this file, got ' +
      (shared ? 'version ' + shared.version : 'none') + '. Load both from one version of tfjs-decomposed-loss.',
  );
}`;

/** The global that each package is, and a member by which to know it. */
const GLOBALS = {
  '@tensorflow/tfjs-core': { global: 'tf', member: 'LayersModel', file: 'tf.min.js of @tensorflow/tfjs' },
  '@tensorflow/tfjs-layers': { global: 'tf', member: 'LayersModel', file: 'tf.min.js of @tensorflow/tfjs' },
  '@tensorflow/tfjs-vis': { global: 'tfvis', member: 'render', file: 'tfjs-vis.umd.min.js of @tensorflow/tfjs-vis' },
};

/**
 * The first file: what others may add to, and what they need of it.
 *
 * @param exported - The names for the global, and the file that exports them.
 * @param addOns - The same of the files that will be loaded after this one.
 */
export async function base(exported, addOns) {
  let shared = [];
  let modules;
  for (;;) {
    const { code, inputs } = await bundle(entryOf(exported, shared));
    const needed = await neededFrom(inputs, addOns);
    if (modules && needed.length === shared.length) return { code, modules, shared };
    [shared, modules] = [needed, inputs];
  }
}

function entryOf({ from, names }, shared) {
  const others = shared.filter(({ name }) => !names.includes(name));
  const imports = others.map(({ name, file }) => `import { ${name} } from ${JSON.stringify(file)};\n`).join('');
  return `import { ${names.join(', ')} } from ${JSON.stringify(from)};
${imports}
globalThis.tfDecomposedLoss = { ${names.join(', ')} };
Object.defineProperty(tfDecomposedLoss, ${SHARED}, {
  value: { version: '${version}', ${shared.map(({ name }) => name).join(', ')} },
});`;
}

/**
 * Which names of some modules the other modules of add-ons import.
 *
 * @throws Error if two add-ons have a module of their own in common: there would be two of its state.
 */
async function neededFrom(modules, addOns) {
  const needed = new Map();
  const importers = new Set();
  for (const exported of addOns) {
    const { inputs } = await bundle(importing(exported));
    for (const importer of inputs.filter((input) => !modules.includes(input))) {
      if (importers.has(importer)) {
        throw new Error(
          `Expected ${importer} to be in one file besides the first, got two. Put what uses it into one.`,
        );
      }
      importers.add(importer);
    }
  }
  for (const importer of importers) {
    for (const { names, module } of importsOf(importer).filter((one) => one.module.startsWith('.'))) {
      for (const name of names) {
        const file = declaringFile(sourceFile(importer, module), name);
        if (!modules.includes(file)) continue;
        if ((needed.get(name) ?? file) !== file) {
          throw new Error(
            `Expected one module to export \`${name}\`, got ${file} and ${needed.get(name)}. Rename one.`,
          );
        }
        needed.set(name, file);
      }
    }
  }
  return Array.from(needed, ([name, file]) => ({ name, file })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

const importing = ({ from, names }) => `import { ${names.join(', ')} } from ${JSON.stringify(from)};
Object.assign(globalThis.tfDecomposedLoss, { ${names.join(', ')} });`;

/** A later file: adds its names to the global, and takes what is in the first file from there. */
export async function addOn(exported, { modules, shared }) {
  const { code } = await bundle(importing(exported), (file) => {
    if (!modules.includes(file)) return undefined;
    const taken = shared.filter((one) => one.file === file).map(({ name }) => name);
    const others = declaredNames(file).filter((name) => !taken.includes(name));
    return `${taken.length > 0 ? `import { shared } from 'shared:';\nexport const { ${taken.join(', ')} } = shared;` : ''}
${others.map(unused).join('')}`;
  });
  return code;
}

/** A name that a module has to export although what imports it is dropped. */
const unused = (name) => `export const ${name} = undefined;\n`;

/** One file from an entry's code, and the source files of which something is in it. */
async function bundle(contents, replacement = () => undefined) {
  const probe = await run(contents, replacement, () => 'module.exports = globalThis;');
  const own = (file) => replacement(file) === undefined;
  const inputs = probe.inputs.filter(own);
  const { code } = await run(contents, replacement, (name) => {
    const imported = (files) =>
      new Set(files.flatMap(importsOf).flatMap((one) => (one.module === name ? one.names : [])));
    const needed = imported(inputs);
    const dropped = [...imported(probe.read.filter(own))].filter((one) => !needed.has(one));
    const { global, member, file } = GLOBALS[name];
    const missing = `Expected the global \`${global}\`, got none. Load ${file} before this file.`;
    return `if (!globalThis.${global}?.${member}) throw new Error(${JSON.stringify(missing)});
export const { ${[...needed].join(', ')} } = globalThis.${global};
${dropped.map(unused).join('')}`;
  });
  return { code, inputs };
}

async function run(contents, replacement, ofGlobal) {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: root },
    absWorkingDir: root,
    bundle: true,
    write: false,
    minify: true,
    metafile: true,
    format: 'iife',
    target: 'es2022',
    legalComments: 'none',
    banner: { js: `/*! tfjs-decomposed-loss ${version}, Apache-2.0 */` },
    plugins: [{ name: 'globals', setup: (hooks) => load(hooks, replacement, ofGlobal) }],
  });
  const [{ inputs }] = Object.values(metafile.outputs);
  const read = Object.keys(metafile.inputs).filter((input) => input.startsWith('src/'));
  const absolute = (input) => path.join(root, input);
  return {
    code: outputFiles[0].text,
    read: read.map(absolute),
    inputs: read.filter((input) => inputs[input]?.bytesInOutput > 0).map(absolute),
  };
}

function load(hooks, replacement, ofGlobal) {
  const virtual = (namespace) => (request) => ({ path: request.path, namespace });
  hooks.onResolve({ filter: /^@tensorflow\// }, virtual('global'));
  hooks.onLoad({ filter: /.*/, namespace: 'global' }, (request) => ({ contents: ofGlobal(request.path) }));
  hooks.onResolve({ filter: /^shared:$/ }, virtual('shared'));
  hooks.onLoad({ filter: /.*/, namespace: 'shared' }, () => ({ contents: TAKE_SHARED }));
  hooks.onLoad({ filter: /\.ts$/, namespace: 'file' }, (request) => {
    const contents = replacement(request.path);
    return contents === undefined ? undefined : { contents, resolveDir: root };
  });
}
