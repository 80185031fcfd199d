import fs from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from '../helpers.mjs';

/** Prints a line of the set-up. On stderr, so that a program's result can be alone on stdout. */
export const say = (text) => console.error(`Set-up: ${text}`);

/** The folder for what is slow to get: in the user's cache, or inside node_modules where that is not writable. */
export function cacheFolder() {
  const users = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'tfjs-decomposed-loss');
  try {
    fs.mkdirSync(users, { recursive: true });
    fs.accessSync(users, fs.constants.W_OK);
    return users;
  } catch {
    const own = path.join(root, 'node_modules', '.cache', 'tfjs-decomposed-loss');
    fs.mkdirSync(own, { recursive: true });
    return own;
  }
}

const BEAT = 2_000;

/** Does `work` while no other process that shares the cache does some. A holder that stops refreshing its lock is dead. */
export async function withLock(work) {
  const lock = path.join(cacheFolder(), 'lock');
  for (let waited = false; !taken(lock); waited = true) {
    if (!waited) say('another set-up is running; waiting for it to finish');
    await sleep(BEAT / 4);
    const { mtimeMs = Infinity } = fs.statSync(lock, { throwIfNoEntry: false }) ?? {};
    if (Date.now() - mtimeMs > 15 * BEAT) fs.rmSync(lock, { recursive: true, force: true });
  }
  const release = () => fs.rmSync(lock, { recursive: true, force: true });
  process.once('exit', release);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));
  const beat = setInterval(() => fs.utimes(lock, new Date(), new Date(), () => {}), BEAT);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    process.removeListener('exit', release);
    release();
  }
}

function taken(lock) {
  try {
    fs.mkdirSync(lock);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}
