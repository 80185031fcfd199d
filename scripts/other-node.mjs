import fs from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder, unfinishedFolder } from './setup/cache.mjs';
import { withLock } from './setup/lock.mjs';
import { npm } from './setup/npm.mjs';
import { step } from './setup/report.mjs';
import { run } from './setup/run.mjs';

/** The npm package that holds Node's binary. The package `node` only fetches one of these, in an install script. */
function packageName() {
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const prefix = platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node';
  return `${prefix}-${platform}-${process.arch}`;
}

async function works(binary, major) {
  const version = await run(binary, ['--version']).catch(() => '');
  return version.startsWith(`v${major}.`);
}

/** The path of a Node of this major version: the running one, or one from npm that is kept in the cache. */
async function otherNode(major) {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const file = path.join('node_modules', packageName(), 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  const cache = await cacheFolder();
  const folder = path.join(cache, `node-${major}-${process.platform}-${process.arch}`);
  const binary = path.join(folder, file);
  return withLock(cache, async () => {
    if (await works(binary, major)) return binary;
    const unfinished = await unfinishedFolder();
    try {
      await step(`Node ${major}: installing the npm package ${packageName()} (about 50 MB)`, () =>
        npm([
          ...'install --ignore-scripts --no-save --no-audit --no-fund'.split(' '),
          '--prefix',
          unfinished,
          `${packageName()}@${major}`,
        ]),
      );
      await fs.rm(folder, { recursive: true, force: true });
      await fs.rename(unfinished, folder);
    } finally {
      await fs.rm(unfinished, { recursive: true, force: true });
    }
    if (await works(binary, major)) return binary;
    throw new Error(
      `Expected ${packageName()}@${major} to hold a Node ${major}, but ${file} of it does not run as one.`,
    );
  });
}

const [major] = process.argv.slice(2);
if (/^\d+$/.test(major ?? '')) {
  try {
    console.log(await otherNode(major));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
} else {
  console.error(
    `Expected the major version of Node, such as 22, got \`${major}\`. Usage: node scripts/other-node.mjs VERSION`,
  );
  process.exitCode = 1;
}
