import fs from 'node:fs';
import path from 'node:path';
import { node, readJson, root } from '../helpers.mjs';
import { buildFromWheel } from './build-from-wheel.mjs';
import { cacheFolder, say } from './cache.mjs';

const packageFolder = path.join(root, 'node_modules', '@tensorflow', 'tfjs-node');
/** In the package and in the cache: its binding, and TensorFlow's libraries. */
const PARTS = ['lib', 'deps'];
const findingFile = path.join(root, 'node_modules', '.tfjs-node-setup.json');

export const tfjsNodeVersion = () => readJson(packageFolder, 'package.json').version;

const cached = () => path.join(cacheFolder(), `tfjs-node-${tfjsNodeVersion()}-${process.platform}-${process.arch}`);

/** The binding and the libraries in a folder, with what changes when a file is replaced, damaged or cut short. */
function stateOf(folder) {
  const inPart = (part) =>
    fs.readdirSync(path.join(folder, part), { recursive: true }).map((name) => `${part}/${name}`);
  const present = ['lib', 'deps/lib'].filter((part) => fs.existsSync(path.join(folder, part)));
  const states = present.flatMap(inPart).map((name) => {
    const stat = fs.statSync(path.join(folder, name), { throwIfNoEntry: false });
    return stat?.isDirectory() ? '' : `${name}: ${stat?.size} bytes at ${Math.floor(stat?.mtimeMs / 1000)}`;
  });
  return [process.platform, process.arch, ...states.filter(Boolean).sort()].join('\n');
}

/**
 * What the last set-up found; undefined if there was none, or if what it was about has changed since. Loads nothing.
 *
 * @returns {{ usable: true, tensorflow: string } | { usable: false, failures: string[] } | undefined}
 */
export function readFinding() {
  if (!fs.existsSync(findingFile)) return undefined;
  const finding = readJson(findingFile);
  return finding.state === stateOf(packageFolder) ? finding : undefined;
}

function writeFinding(finding) {
  fs.writeFileSync(`${findingFile}.new`, JSON.stringify({ ...finding, state: stateOf(packageFolder) }));
  fs.renameSync(`${findingFile}.new`, findingFile);
  return finding;
}

/** Computes something with tfjs-node in a process of its own; returns the version of TensorFlow that did it. */
async function tryOut() {
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' };
  const output = await node(['scripts/setup/try-tfjs-node.cjs'], { quiet: true, minutes: 2, env });
  return /^TensorFlow=(.*)$/m.exec(output)[1];
}

const remove = (...names) => fs.promises.rm(path.join(...names), { recursive: true, force: true });
const removeBinaries = () => Promise.all(PARTS.map((part) => remove(packageFolder, part)));

/** What somebody had installed here with tfjs-node's own script. */
async function fromPackage() {
  const part = fs.lstatSync(path.join(packageFolder, 'lib'), { throwIfNoEntry: false });
  return part?.isDirectory() ? tryOut() : undefined;
}

/** What an earlier set-up built. Links serve: the folder stays as it is as long as it works. */
async function fromCache() {
  const folder = cached();
  if (!fs.existsSync(folder)) return undefined;
  say(`tfjs-node: taking what is built in ${folder}`);
  await removeBinaries();
  try {
    const recorded = fs.readFileSync(path.join(folder, 'complete'), 'utf8');
    if (recorded !== stateOf(folder)) throw new Error('A file is damaged.');
    for (const part of PARTS) fs.symlinkSync(path.join(folder, part), path.join(packageFolder, part), 'junction');
    return await tryOut();
  } catch (error) {
    await remove(folder);
    throw new Error(`${error.message} ${folder} is removed.`, { cause: error });
  }
}

async function fromInstaller() {
  await removeBinaries();
  say('tfjs-node: running its own install script, which downloads about 100 MB (for 5 minutes at most)');
  const manifest = path.join(packageFolder, 'package.json');
  const before = fs.readFileSync(manifest);
  const search = [path.join(root, 'node_modules', '.bin'), process.env.PATH].join(path.delimiter);
  const env = { ...process.env, PATH: search };
  try {
    await node(['scripts/install.js'], { cwd: packageFolder, quiet: true, minutes: 5, env });
  } finally {
    // The script changes its package.json while it runs, and does not restore it when it fails.
    fs.writeFileSync(manifest, before);
  }
  return tryOut();
}

/** Builds under another name, so that what an interrupted set-up leaves is never taken for complete. */
async function fromWheel() {
  const folder = cached();
  const isUnfinished = (name) => name.startsWith(`${path.basename(folder)}-`);
  for (const name of fs.readdirSync(cacheFolder()).filter(isUnfinished)) await remove(cacheFolder(), name);
  const building = fs.mkdtempSync(`${folder}-`);
  await buildFromWheel(building, path.join(packageFolder, 'binding'));
  fs.writeFileSync(path.join(building, 'complete'), stateOf(building));
  await remove(folder);
  fs.renameSync(building, folder);
  return fromCache();
}

/** In this order: the cache takes seconds and needs no network. */
const WAYS = [
  ['The binaries in node_modules', fromPackage],
  ['The binaries in the cache', fromCache],
  ["tfjs-node's own install script", fromInstaller],
  ["Building against TensorFlow's wheel", fromWheel],
];

/** Makes tfjs-node work if that is possible. Returns the finding, which is also written to a file. */
export async function setUpTfjsNode() {
  const known = readFinding();
  if (known?.usable) return known;
  const failures = [];
  for (const [name, way] of WAYS) {
    try {
      const tensorflow = await way();
      if (tensorflow !== undefined) return writeFinding({ usable: true, tensorflow });
    } catch (error) {
      failures.push(`${name}: ${error.message}`);
      say(failures.at(-1));
    }
  }
  await removeBinaries();
  return writeFinding({ usable: false, failures });
}
