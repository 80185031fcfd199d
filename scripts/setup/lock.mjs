import fs from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { say } from './report.mjs';

const beatSeconds = 5;

function processIsGone(pid) {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

/** A holder refreshes its lock every few seconds: its process id says nothing in another container with this cache. */
function isAbandoned(file) {
  try {
    if (Date.now() - fs.statSync(file).mtimeMs > 12 * beatSeconds * 1000) return true;
    const [pid, host] = fs.readFileSync(file, 'utf8').split(' ');
    return host === hostname() && processIsGone(Number(pid));
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

function taken(file) {
  try {
    fs.writeFileSync(file, `${process.pid} ${hostname()}`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Does `work` while no other set-up that shares the cache folder is at work. */
export async function withLock(folder, work) {
  const file = path.join(folder, 'lock');
  let waited = false;
  while (!taken(file)) {
    if (isAbandoned(file)) {
      fs.rmSync(file, { force: true });
      continue;
    }
    if (!waited) say('Another set-up is at work; waiting for it to finish');
    waited = true;
    await sleep(500);
  }
  const release = () => fs.rmSync(file, { force: true });
  process.once('exit', release);
  const beat = setInterval(() => fs.utimes(file, new Date(), new Date(), () => {}), beatSeconds * 1000);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    process.removeListener('exit', release);
    release();
  }
}
