import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import Jasmine from 'jasmine';
import { inTemporaryFolder, main, node, readJson, root } from './helpers.mjs';

/** What the tests run on: tfjs-layers from its sources, the rest as it is installed. */
const SET_UP = `
  import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops';
  import '@tensorflow/tfjs-core/dist/register_all_gradients';
  import '@tensorflow/tfjs-backend-cpu';
  import '@tensorflow/tfjs-layers';
  import { registerTestEnv } from '@tensorflow/tfjs-core/dist/jasmine_util';
  registerTestEnv({ name: 'cpu', backendName: 'cpu' });
`;

/** Adds the callback to every run. */
const OBSERVE = `
  import { LayersModel } from '@tensorflow/tfjs-layers';
  import { combineCallbacks, decomposedLoss } from 'tfjs-decomposed-loss';
  for (const [name, index] of [['fit', 2], ['fitDataset', 1]]) {
    const train = LayersModel.prototype[name];
    LayersModel.prototype[name] = function (...values) {
      const callbacks = combineCallbacks(decomposedLoss({ breakdown: 'layer' }), values[index]?.callbacks ?? []);
      values[index] = { ...values[index], callbacks };
      return train.apply(this, values);
    };
  }
`;

/** What differs by design. A difference in the names that the logs have, as below, is what the callback is for. */
const EXPECTED = [
  // The host refuses `onYield` of a plain object with `yieldEvery: 'never'`; `combineCallbacks` does not know `yieldEvery`.
  'fails when onYield is provided, but yieldEvery is never',
  // The scalars of some batches are kept until they are read together.
  'Fit with onBatchEnd callback: no memory leak: validation & metrics',
];

const isAboutNames = (line) => /^(Expected|Unexpected) \$(\.length = \d+ to equal \d+|\[\d+\] = '.*)\.$/.test(line);

/**
 * Runs the tests of tfjs-layers, from a checkout of TensorFlow.js, plain and then with the callback in every `fit` and
 * `fitDataset`, and lists those that differ: `npm run test:host -- ../tfjs`.
 */
await main(async () => {
  const [checkout, bundle, results] = process.argv.slice(2);
  if (results) return runTests(bundle, results);
  if (!checkout) {
    throw new Error('Expected the path of a checkout of TensorFlow.js, got none. Clone it, and pass its path.');
  }
  await inTemporaryFolder(async (folder) => {
    const plain = await resultsOf(checkout, path.join(folder, 'plain'), SET_UP);
    const observed = await resultsOf(checkout, path.join(folder, 'observed'), SET_UP + OBSERVE);
    const differing = Object.entries(plain).filter(([name, failures]) => {
      if (failures.length > 0 || EXPECTED.some((expected) => name.endsWith(expected))) return false;
      return observed[name]?.every(isAboutNames) !== true;
    });
    for (const [name] of differing) console.log([name, ...(observed[name] ?? ['did not run'])].join('\n  '));
    const passing = Object.values(plain).filter((failures) => failures.length === 0).length;
    console.log(`${passing} tests of tfjs-layers pass; ${differing.length} of them differ with the callback`);
    if (differing.length > 0) process.exitCode = 1;
  });
});

/** What each test expected in vain, line by line, by its full name. */
async function resultsOf(checkout, prefix, setUp) {
  const layers = path.resolve(checkout, 'tfjs-layers/src');
  const names = fs.readdirSync(layers, { recursive: true }).filter((name) => name.endsWith('_test.ts'));
  // An import runs before the code beside it, so the set-up is one too.
  const [first, bundle] = [`${prefix}.mjs`, `${prefix}.cjs`];
  fs.writeFileSync(first, setUp);
  const imports = [first, ...names.sort().map((name) => `./${name}`)].map((file) => `import ${JSON.stringify(file)};`);
  await build({
    stdin: { contents: imports.join('\n'), resolveDir: layers, loader: 'ts' },
    outfile: bundle,
    bundle: true,
    platform: 'node',
    mainFields: ['module', 'main'],
    nodePaths: [path.join(root, 'node_modules')],
    tsconfigRaw: {},
    // What this package imports is what the tests import: one copy of each module.
    alias: {
      '@tensorflow/tfjs-layers': path.join(layers, 'index.ts'),
      'tfjs-decomposed-loss': path.join(root, 'src/index.ts'),
    },
    logLevel: 'error',
  });
  await node([import.meta.filename, checkout, bundle, `${prefix}.json`], { quiet: true });
  return readJson(`${prefix}.json`);
}

/** Runs a bundle of tests, and writes what each expected in vain. */
async function runTests(bundle, results) {
  const found = {};
  const specDone = ({ fullName, failedExpectations }) => {
    const failures = failedExpectations.flatMap(({ message }) => message.trim().split(/\n\s*/));
    // Some tests have the name of another.
    found[fullName] = [...(found[fullName] ?? []), ...failures];
  };
  const jasmine = new Jasmine({ projectBaseDir: path.dirname(bundle) });
  jasmine.exitOnCompletion = false;
  jasmine.env.configure({ random: false, forbidDuplicateNames: false });
  jasmine.clearReporters();
  jasmine.addReporter({ specDone });
  jasmine.addSpecFile(bundle);
  await jasmine.execute();
  fs.writeFileSync(results, JSON.stringify(found));
  process.exitCode = 0;
}
