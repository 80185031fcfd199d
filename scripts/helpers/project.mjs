import fs from 'node:fs/promises';
import path from 'node:path';
import { npm } from '../setup/npm.mjs';

/** Makes an empty project and installs packages into it, as an app would from outside this repository. */
export async function makeProject(folder, packages) {
  await fs.mkdir(folder, { recursive: true });
  await fs.writeFile(path.join(folder, 'package.json'), '{ "private": true }\n');
  await npm(['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', ...packages]);
}

/** The versions of all copies of a package in a project, by their folders. */
export async function installedCopies(folder, name) {
  const { packages } = JSON.parse(await fs.readFile(path.join(folder, 'node_modules', '.package-lock.json'), 'utf8'));
  return Object.entries(packages)
    .filter(([place]) => place.endsWith(`node_modules/${name}`))
    .map(([place, { version }]) => ({ place, version }));
}
