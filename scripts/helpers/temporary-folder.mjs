import fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Calls `work` with the path of an empty folder, which is removed afterwards. */
export async function inTemporaryFolder(work) {
  const folder = await fs.mkdtemp(path.join(tmpdir(), 'tfjs-decomposed-loss-'));
  try {
    return await work(folder);
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}
