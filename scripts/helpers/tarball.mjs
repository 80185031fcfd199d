import fs from 'node:fs/promises';
import path from 'node:path';
import { npm } from '../setup/npm.mjs';
import { runNode } from './command.mjs';

/** Builds the package and packs what would be published into a folder; returns the tarball's path. */
export async function packInto(folder) {
  runNode(['scripts/build.mjs']);
  await npm(['pack', '--pack-destination', folder]);
  const name = (await fs.readdir(folder)).find((file) => file.endsWith('.tgz'));
  return path.join(folder, name);
}
