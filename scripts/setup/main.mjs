import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { main, npm, readJson, root } from '../helpers.mjs';
import { say, withLock } from './cache.mjs';
import { readFinding, setUpTfjsNode, tfjsNodeVersion } from './tfjs-node.mjs';

/** A package that is not installed as locked, going by npm's own record; undefined if all are. */
function missingPackage() {
  const exists = (name) => fs.existsSync(path.join(root, name));
  const record = 'node_modules/.package-lock.json';
  const installed = exists(record) ? readJson(record).packages : {};
  const locked = readJson('package-lock.json').packages;
  return Object.keys(locked).find((name) => {
    if (installed[name] === undefined) return name !== '' && !locked[name].optional;
    return installed[name].version !== locked[name].version || !exists(name);
  });
}

async function installDependencies() {
  const missing = missingPackage();
  if (missing === undefined) return;
  say(`\`npm ci\` installs the dependencies, about 700 MB, because ${missing} is not there as locked`);
  // Without --include=dev, NODE_ENV=production leaves out all that the tests need.
  await npm(['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund'], { stdio: ['ignore', 2, 2] });
}

await main(async () => {
  const { values } = parseArgs({ options: { 'if-needed': { type: 'boolean' } } });
  const required = process.env.CI_REQUIRE_TFJS_NODE === '1';
  let finding = missingPackage() === undefined ? readFinding() : undefined;
  if (finding?.usable === false && values['if-needed'] && !required) {
    say('all in place but tfjs-node; the slower CPU backend is used (`npm run setup` tries again)');
    return;
  }
  finding = finding?.usable ? finding : await withLock(() => installDependencies().then(setUpTfjsNode));
  if (finding.usable) {
    say(`all in place, with tfjs-node ${tfjsNodeVersion()} and TensorFlow ${finding.tensorflow}`);
    return;
  }
  const message = `tfjs-node does not work here; tests and examples run on the slower CPU backend.
${finding.failures.map((failure) => `  - ${failure}`).join('\n')}
What helps: a network that reaches what tfjs-node downloads, or, on Linux x64, Python 3 with pip and g++.
Then run \`npm run setup\` again.`;
  if (required) throw new Error(`${message}\nCI_REQUIRE_TFJS_NODE=1 makes this an error.`);
  console.error(message);
});
