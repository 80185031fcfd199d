import fs from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';
import { buildBrowser } from './build-browser.mjs';
import { publicNames } from './browser-bundles/names.mjs';
import { main } from './helpers/command.mjs';
import { root } from './setup/stamp.cjs';

/** The most bytes that a file for `<script>` may have behind `gzip -9`. */
const LIMIT = 10_000;

const publicNamesOf = (name) => publicNames(path.join(root, 'src', `${name}.ts`));

/** What stands on the global after all files were run, in a place where nothing of Node or of a page is. */
function namesOf(codes) {
  const tfjs = fs.readFileSync(path.join(root, 'node_modules/@tensorflow/tfjs/dist/tf.min.js'), 'utf8');
  const page = vm.createContext({ console, tfvis: { render: {} } });
  for (const code of [tfjs, ...codes]) vm.runInContext(code, page);
  return vm.runInContext('Object.keys(tfDecomposedLoss)', page);
}

/** Weighs the files for `<script>` tags, and loads them behind TensorFlow.js's own. */
await main(async () => {
  const files = Object.entries(await buildBrowser());
  const sizes = files.map(([file, code]) => ({ file, 'gzip -9': gzipSync(code, { level: 9 }).length, limit: LIMIT }));
  console.table(sizes);
  const heavy = sizes.filter((size) => size['gzip -9'] > LIMIT).map(({ file }) => file);
  if (heavy.length > 0) {
    throw new Error(
      `Expected each file for \`<script>\` to have at most ${LIMIT} bytes behind gzip -9, got more for ${heavy.join(', ')}. ` +
        'Write less, or share the names out anew in scripts/build-browser.mjs.',
    );
  }
  const there = namesOf(files.map(([, code]) => code));
  const missing = ['index', 'tfvis'].flatMap(publicNamesOf).filter((name) => !there.includes(name));
  if (missing.length > 0) {
    throw new Error(
      `Expected all public names on the global \`tfDecomposedLoss\`, got none for ${missing.join(', ')}.`,
    );
  }
});
