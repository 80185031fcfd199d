import fs from 'node:fs';
import path from 'node:path';
import { root } from './setup/stamp.cjs';
import { addOn, base } from './browser-bundles/bundle.mjs';
import { publicNames } from './browser-bundles/names.mjs';

const folder = path.join(root, 'dist', 'browser');
const index = path.join(root, 'src', 'index.ts');
const tfvis = path.join(root, 'src', 'tfvis.ts');

/** What trains and evaluates: the file that a page loads first. Each of the others adds to its global. */
const TRAINING = [
  'DecomposedLossCallback',
  'decomposedLoss',
  'evaluate',
  'evaluateDataset',
  'regularizationTerms',
  'trainStep',
];

/** What looks at regularizers and changes them. */
const REGULARIZERS = [
  'ActivityRegularization',
  'activityRegularization',
  'addWeightDecay',
  'auditRegularizers',
  'enforceRegularizers',
  'fuseRegularizers',
  'registerKerasClasses',
];

/**
 * Writes the files for `<script>` tags into `dist/browser`. They take TensorFlow.js from the global `tf`, tfjs-vis from
 * `tfvis`, and put their names on the global `tfDecomposedLoss`.
 *
 * @returns Their code by name, in an order in which a page may load them.
 */
export async function buildBrowser() {
  const others = publicNames(index).filter((name) => ![...TRAINING, ...REGULARIZERS].includes(name));
  const addOns = {
    'regularizers.min.js': { from: index, names: REGULARIZERS },
    'more.min.js': { from: index, names: others },
    'tfvis.min.js': { from: tfvis, names: publicNames(tfvis) },
  };
  const training = await base({ from: index, names: TRAINING }, Object.values(addOns));
  const files = { 'decomposed-loss.min.js': training.code };
  for (const [file, exported] of Object.entries(addOns)) files[file] = await addOn(exported, training);
  fs.mkdirSync(folder, { recursive: true });
  for (const [file, code] of Object.entries(files)) fs.writeFileSync(path.join(folder, file), code);
  return files;
}
