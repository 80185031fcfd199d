import fs from 'node:fs/promises';
import path from 'node:path';
import { buildFromWheel } from './build-from-wheel.mjs';
import { cachedBinaries, keepInCache, place, sweepUnfinished, unfinishedFolder } from './cache.mjs';
import { say, step } from './report.mjs';
import { run } from './run.mjs';
import { binaryFiles, packageFolder, readStamp, root, writeStamp } from './stamp.cjs';

/** Computes something with tfjs-node in a process of its own, and returns the version of TensorFlow that did it. */
async function tryOut() {
  const output = await run(process.execPath, [path.join(root, 'scripts', 'setup', 'try-tfjs-node.cjs')], {
    env: { TF_CPP_MIN_LOG_LEVEL: '3' },
    minutes: 2,
  });
  return /^TensorFlow=(.*)$/m.exec(output)[1];
}

async function removeBinaries() {
  for (const name of ['lib', 'deps']) await fs.rm(path.join(packageFolder, name), { recursive: true, force: true });
}

async function placeBinaries(folder) {
  await removeBinaries();
  for (const file of binaryFiles(folder)) await place(path.join(folder, file), path.join(packageFolder, file));
}

async function asItIs() {
  if (binaryFiles().length === 0) return undefined;
  return step('tfjs-node: its binaries are there; trying them out', tryOut);
}

async function fromCache() {
  const entries = await step('tfjs-node: looking for binaries that worked here before', () =>
    cachedBinaries((entry) => say(`Removed a damaged copy from the cache: ${entry}`)),
  );
  let failure;
  for (const entry of entries) {
    try {
      await placeBinaries(entry);
      return await tryOut();
    } catch (error) {
      failure = error;
    }
  }
  if (failure !== undefined) throw failure;
  return undefined;
}

async function fromItsInstaller() {
  await removeBinaries();
  const manifest = path.join(packageFolder, 'package.json');
  const untouched = await fs.readFile(manifest);
  const search = [path.join(root, 'node_modules', '.bin'), process.env.PATH].join(path.delimiter);
  try {
    await step('tfjs-node: its own install script, which downloads about 100 MB (given 5 minutes)', () =>
      run(process.execPath, [path.join('scripts', 'install.js')], {
        cwd: packageFolder,
        env: { PATH: search },
        minutes: 5,
      }),
    );
  } finally {
    // The script edits its package.json for the time it runs, and does not put it back when it fails.
    await fs.writeFile(manifest, untouched);
  }
  return tryOut();
}

async function fromWheel() {
  const work = await unfinishedFolder();
  try {
    await placeBinaries(await buildFromWheel(work));
    return await tryOut();
  } finally {
    await fs.rm(work, { recursive: true, force: true });
  }
}

/**
 * The ways to a working tfjs-node, tried in this order. Each returns TensorFlow's version, or undefined where it does
 * not apply. The cache comes before the download because it holds what worked on this machine, takes seconds and needs
 * no network.
 */
const ways = [
  ['The binaries in node_modules', asItIs],
  ['The binaries in the cache', fromCache],
  ["tfjs-node's own install script", fromItsInstaller],
  ["Building against TensorFlow's wheel", fromWheel],
];

async function keep(tensorflow) {
  try {
    await step('tfjs-node: works; keeping a copy in the cache', () => keepInCache(packageFolder, tensorflow));
  } catch (error) {
    say(`No copy kept: ${error.message}`);
  }
}

/** Makes tfjs-node work if that is possible. Returns the finding, which is also written down. */
export async function setUpTfjsNode() {
  const known = readStamp();
  if (known?.usable) return known;
  await sweepUnfinished();
  const failures = [];
  for (const [name, way] of ways) {
    try {
      const tensorflow = await way();
      if (tensorflow === undefined) continue;
      if (way !== fromCache) await keep(tensorflow);
      return writeStamp({ usable: true, tensorflow });
    } catch (error) {
      failures.push(`${name}: ${error.message}`);
      say(`  ${failures.at(-1)}`);
    }
  }
  await removeBinaries();
  return writeStamp({ usable: false, failures });
}
