import fs from 'node:fs';
import path from 'node:path';
import { npm } from './npm.mjs';
import { say, step } from './report.mjs';
import { root } from './stamp.cjs';

const fields = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'];

const readJson = (...names) => JSON.parse(fs.readFileSync(path.join(root, ...names), 'utf8'));

function requireLockInStep(lock) {
  const wanted = readJson('package.json');
  const locked = lock.packages[''];
  for (const field of fields) {
    const names = new Set([...Object.keys(wanted[field] ?? {}), ...Object.keys(locked[field] ?? {})]);
    for (const name of names) {
      const [range, lockedRange] = [wanted[field]?.[name], locked[field]?.[name]].map((text) => text ?? 'none');
      if (range !== lockedRange) {
        throw new Error(
          `Expected package-lock.json to follow package.json, got \`${name}\` ${lockedRange} instead of ${range} ` +
            `in ${field}. Run \`npm install\` to bring the lock file up to date.`,
        );
      }
    }
  }
}

/**
 * Why the locked dependencies must be installed, or undefined if they are there. npm's own record of what it installed
 * is compared, so that an `npm install` by hand counts as much as ours.
 */
export function reasonToInstall() {
  const lock = readJson('package-lock.json');
  requireLockInStep(lock);
  if (!fs.existsSync(path.join(root, 'node_modules', '.package-lock.json'))) return 'none are there yet';
  const installed = readJson('node_modules', '.package-lock.json').packages;
  for (const [folder, { version, integrity, optional }] of Object.entries(lock.packages)) {
    if (!folder.startsWith('node_modules/')) continue;
    const found = installed[folder];
    if (found === undefined && optional) continue;
    const there = found !== undefined && fs.existsSync(path.join(root, folder, 'package.json'));
    if (!there) return `${folder} is missing`;
    if (found.version !== version || found.integrity !== integrity) {
      return `${folder} is ${found.version}, locked is ${version}`;
    }
  }
  return undefined;
}

/** Installs the locked dependencies, without running any script of theirs. */
export async function installDependencies() {
  const reason = reasonToInstall();
  if (reason === undefined) return;
  await step(`Dependencies: npm ci, since ${reason} (half a minute or more)`, () =>
    // Without --include=dev, NODE_ENV=production leaves out all that the tests need.
    npm(['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund']),
  );
  const still = reasonToInstall();
  if (still !== undefined) {
    throw new Error(`Expected \`npm ci\` to install what package-lock.json lists, but afterwards ${still}.`);
  }
  say('Dependencies installed');
}
