import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import fs from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { binaryFiles, root, tfjsNodeVersion } from './stamp.cjs';

const unfinishedPrefix = 'unfinished-';

/** The folder for what is slow to get, made if need be; inside node_modules where the user's cache is not writable. */
export async function cacheFolder() {
  const users = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'tfjs-decomposed-loss');
  const own = path.join(root, 'node_modules', '.cache', 'tfjs-decomposed-loss');
  for (const folder of [users, own]) {
    try {
      await fs.mkdir(folder, { recursive: true });
      await fs.access(folder, fs.constants.W_OK);
      return folder;
    } catch (error) {
      if (folder === own) throw error;
    }
  }
}

/** A folder in the cache to build something in: renamed into place when complete, or else swept away some time. */
export async function unfinishedFolder() {
  return fs.mkdtemp(path.join(await cacheFolder(), unfinishedPrefix));
}

/** Removes what interrupted set-ups left. To be called under the lock only. */
export async function sweepUnfinished() {
  const folder = await cacheFolder();
  const names = await fs.readdir(folder);
  await Promise.all(
    names
      .filter((name) => name.startsWith(unfinishedPrefix))
      .map((name) => fs.rm(path.join(folder, name), { recursive: true, force: true })),
  );
}

/** Puts a file or link at a second place: as a hard link, which takes no room, or as a copy where that fails. */
export async function place(from, to) {
  await fs.mkdir(path.dirname(to), { recursive: true });
  await fs.rm(to, { force: true });
  if ((await fs.lstat(from)).isSymbolicLink()) await fs.symlink(await fs.readlink(from), to);
  else await fs.link(from, to).catch(() => fs.copyFile(from, to));
}

async function fingerprint(file) {
  const stat = await fs.lstat(file);
  if (stat.isSymbolicLink()) return `link to ${await fs.readlink(file)}`;
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return `sha256 ${hash.digest('hex')}`;
}

async function fingerprints(folder) {
  return Promise.all(binaryFiles(folder).map(async (file) => [file, await fingerprint(path.join(folder, file))]));
}

const entryPrefix = () => `tfjs-node-${tfjsNodeVersion()}-tensorflow-`;
const entrySuffix = `-${process.platform}-${process.arch}`;

/** Keeps the binaries in `folder`, which are known to work with TensorFlow `tensorflow`, for the next time. */
export async function keepInCache(folder, tensorflow) {
  const entry = path.join(await cacheFolder(), `${entryPrefix()}${tensorflow}${entrySuffix}`);
  const unfinished = await unfinishedFolder();
  for (const file of binaryFiles(folder)) await place(path.join(folder, file), path.join(unfinished, file));
  await fs.writeFile(path.join(unfinished, 'files.json'), JSON.stringify(await fingerprints(unfinished), null, 2));
  await fs.rm(entry, { recursive: true, force: true });
  await fs.rename(unfinished, entry);
}

/** The folders for this tfjs-node and machine that the cache holds whole. Damaged ones are removed and reported. */
export async function cachedBinaries(onDamaged) {
  const folder = await cacheFolder();
  const names = (await fs.readdir(folder)).filter(
    (name) => name.startsWith(entryPrefix()) && name.endsWith(entrySuffix),
  );
  const whole = [];
  for (const entry of names.map((name) => path.join(folder, name))) {
    const recorded = await fs.readFile(path.join(entry, 'files.json'), 'utf8').catch(() => 'no list of files');
    if (recorded === JSON.stringify(await fingerprints(entry), null, 2)) {
      whole.push(entry);
    } else {
      onDamaged(entry);
      await fs.rm(entry, { recursive: true, force: true });
    }
  }
  return whole;
}
