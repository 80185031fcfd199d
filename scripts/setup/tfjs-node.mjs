import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { node, readJson, root } from '../helpers.mjs';
import { buildFromWheel } from './build-from-wheel.mjs';
import { cacheFolder, say } from './cache.mjs';

const packageFolder = path.join(root, 'node_modules', '@tensorflow', 'tfjs-node');
/** In the package and in the cache: its binding, and TensorFlow's libraries. */
const PARTS = ['lib', 'deps'];

export const tfjsNodeVersion = () => readJson(packageFolder, 'package.json').version;

const cached = () => path.join(cacheFolder(), `tfjs-node-${tfjsNodeVersion()}-${process.platform}-${process.arch}`);

/** The binding and the libraries, relative to `folder`. */
const binaries = (folder) =>
  ['lib', path.join('deps', 'lib')]
    .filter((part) => fs.existsSync(path.join(folder, part)))
    .flatMap((part) =>
      fs.readdirSync(path.join(folder, part), { recursive: true }).map((file) => path.join(part, file)),
    )
    .filter((file) => fs.statSync(path.join(folder, file), { throwIfNoEntry: false })?.isFile())
    .sort();

const findingFile = path.join(root, 'node_modules', '.tfjs-node-setup.json');

/** What has to stay as it is for a finding to hold. */
function circumstances() {
  const stats = binaries(packageFolder).map((file) => {
    const { size, mtimeMs } = fs.statSync(path.join(packageFolder, file));
    return [file, size, mtimeMs];
  });
  return JSON.stringify([tfjsNodeVersion(), process.platform, process.arch, ...stats]);
}

/**
 * What the last set-up found; undefined if there was none, or if what it was about has changed since. Loads nothing.
 *
 * @returns {{ usable: true, tensorflow: string } | { usable: false, failures: string[] } | undefined}
 */
export function readFinding() {
  if (!fs.existsSync(findingFile) || !fs.existsSync(packageFolder)) return undefined;
  const finding = readJson(findingFile);
  return finding.circumstances === circumstances() ? finding : undefined;
}

function writeFinding(finding) {
  fs.writeFileSync(`${findingFile}.new`, JSON.stringify({ ...finding, circumstances: circumstances() }));
  fs.renameSync(`${findingFile}.new`, findingFile);
  return finding;
}

/** Computes something with tfjs-node in a process of its own; returns the version of TensorFlow that did it. */
async function tryOut() {
  const output = await node(['scripts/setup/try-tfjs-node.cjs'], {
    quiet: true,
    minutes: 2,
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' },
  });
  return /^TensorFlow=(.*)$/m.exec(output)[1];
}

const remove = (...names) => fs.rmSync(path.join(...names), { recursive: true, force: true });

const removeBinaries = () => PARTS.forEach((part) => remove(packageFolder, part));

async function digest(folder) {
  const hash = createHash('sha256');
  for (const file of binaries(folder)) {
    hash.update(file);
    for await (const chunk of fs.createReadStream(path.join(folder, file), { highWaterMark: 1 << 20 })) {
      hash.update(chunk);
    }
  }
  return hash.digest('hex');
}

/** Marks a folder in the cache as complete; it is written last. */
const writeDigest = async (folder) => fs.writeFileSync(path.join(folder, 'sha256'), await digest(folder));

/** What somebody had installed here with tfjs-node's own script. */
async function fromPackage() {
  const part = fs.lstatSync(path.join(packageFolder, 'lib'), { throwIfNoEntry: false });
  return part?.isDirectory() ? tryOut() : undefined;
}

async function fromCache() {
  const folder = cached();
  if (!fs.existsSync(folder)) return undefined;
  say(`tfjs-node: taking the binaries from ${folder}`);
  removeBinaries();
  try {
    const recorded = fs.readFileSync(path.join(folder, 'sha256'), 'utf8');
    if (recorded !== (await digest(folder))) throw new Error('A file is damaged.');
    for (const part of PARTS) fs.symlinkSync(path.join(folder, part), path.join(packageFolder, part), 'junction');
    return await tryOut();
  } catch (error) {
    remove(folder);
    throw new Error(`${error.message} ${folder} is removed.`, { cause: error });
  }
}

async function fromInstaller() {
  removeBinaries();
  say('tfjs-node: running its own install script, which downloads about 100 MB (for 5 minutes at most)');
  const manifest = path.join(packageFolder, 'package.json');
  const before = fs.readFileSync(manifest);
  const search = [path.join(root, 'node_modules', '.bin'), process.env.PATH].join(path.delimiter);
  try {
    await node(['scripts/install.js'], {
      cwd: packageFolder,
      quiet: true,
      minutes: 5,
      env: { ...process.env, PATH: search },
    });
  } finally {
    // The script changes its package.json while it runs, and does not restore it when it fails.
    fs.writeFileSync(manifest, before);
  }
  const tensorflow = await tryOut();
  await keepInCache().catch(({ message }) => say(`tfjs-node: no copy kept in the cache: ${message}`));
  return tensorflow;
}

async function keepInCache() {
  const folder = cached();
  remove(folder);
  for (const file of binaries(packageFolder)) {
    fs.cpSync(path.join(packageFolder, file), path.join(folder, file), { verbatimSymlinks: true });
  }
  await writeDigest(folder);
}

async function fromWheel() {
  const folder = cached();
  remove(folder);
  await buildFromWheel(folder, path.join(packageFolder, 'binding'));
  await writeDigest(folder);
  return fromCache();
}

/** In this order: the cache has what worked on this machine, takes seconds, and needs no network. */
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
  removeBinaries();
  return writeFinding({ usable: false, failures });
}
