import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { main, npm, readJson, root } from '../helpers.mjs';
import { say, withLock } from './cache.mjs';
import { readFinding, setUpTfjsNode, tfjsNodeVersion } from './tfjs-node.mjs';

/** A locked package that is not installed as locked, going by npm's own record; undefined if all are. */
function missingPackage() {
  const record = path.join('node_modules', '.package-lock.json');
  const installed = fs.existsSync(path.join(root, record)) ? readJson(record).packages : {};
  const differs = ([folder, { version, optional }]) =>
    installed[folder] === undefined
      ? !optional
      : installed[folder].version !== version || !fs.existsSync(path.join(root, folder));
  const { '': _, ...locked } = readJson('package-lock.json').packages;
  return Object.entries(locked).find(differs)?.[0];
}

async function installDependencies() {
  const missing = missingPackage();
  if (missing === undefined) return;
  say(`Installing the dependencies with \`npm ci\`, since ${missing} is not as locked (about 300 MB)`);
  // Without --include=dev, NODE_ENV=production leaves out all that the tests need.
  await npm(['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund'], { stdio: ['ignore', 2, 2] });
}

await main(async () => {
  const { values } = parseArgs({ options: { 'if-needed': { type: 'boolean' } } });
  const required = process.env.CI_REQUIRE_TFJS_NODE === '1';
  const known = missingPackage() === undefined ? readFinding() : undefined;
  if (known && !known.usable && values['if-needed'] && !required) {
    say('All in place but tfjs-node; the slower CPU backend is used (`npm run setup` tries again)');
    return;
  }
  const finding = known?.usable
    ? known
    : await withLock(async () => {
        await installDependencies();
        return setUpTfjsNode();
      });
  if (finding.usable) {
    say(`All in place, with tfjs-node ${tfjsNodeVersion()} and TensorFlow ${finding.tensorflow}`);
    return;
  }
  const message = [
    'tfjs-node does not work here; tests and examples run on the slower CPU backend.',
    ...finding.failures.map((failure) => `  - ${failure}`),
    'What helps: a network that reaches what tfjs-node downloads, or, on Linux x64, Python 3 with pip and g++.',
    'Then run `npm run setup` again.',
  ].join('\n');
  if (required) throw new Error(`${message}\nCI_REQUIRE_TFJS_NODE=1 makes this an error.`);
  console.error(message);
});
