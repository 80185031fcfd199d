import fs from 'node:fs/promises';
import path from 'node:path';
import { main, runNode } from './helpers/command.mjs';
import { peers } from './helpers/peers.mjs';
import { installedCopies, makeProject } from './helpers/project.mjs';
import { packInto } from './helpers/tarball.mjs';
import { inTemporaryFolder } from './helpers/temporary-folder.mjs';
import { run } from './setup/run.mjs';
import { root } from './setup/stamp.cjs';

const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const options = '--strict --target es2022 --lib es2022,dom'.split(' ');
const forBundler = '--module esnext --moduleResolution bundler --noEmit app.ts'.split(' ');

/** What the compiler says of our declarations, of the apps and of its options. TensorFlow.js's own declarations fail. */
const ours = /^(node_modules\/tfjs-decomposed-loss\/|app\.ts|module\.mts|error )/;

async function compile(folder, args) {
  const output = await run(process.execPath, [tsc, ...options, ...args], { cwd: folder }).catch(
    (error) => error.output,
  );
  const errors = output.split('\n').filter((line) => ours.test(line));
  if (errors.length > 0) {
    const command = `tsc ${[...options, ...args].join(' ')}`;
    throw new Error(`Expected an app in TypeScript to compile with \`${command}\`, got:\n${errors.join('\n')}`);
  }
}

async function requireOneCopy(folder, name, expected) {
  const copies = await installedCopies(folder, name);
  if (copies.length === 1 && (expected === undefined || copies[0].version === expected)) return;
  const got = copies.map(({ place, version }) => `${version} in ${place}`).join(' and ') || 'none';
  throw new Error(
    `Expected one copy of ${name}${expected === undefined ? '' : `, ${expected}`}, got ${got}. ` +
      'Are both peers still marked as optional in `peerDependenciesMeta`?',
  );
}

/** Installs the tarball beside TensorFlow.js in an empty project and puts the apps of `consumer` into it. */
async function consumer(folder, tarball, tfjs, version) {
  await makeProject(folder, [tfjs, tarball]);
  for (const name of peers().names) await requireOneCopy(folder, name, version);
  await fs.cp(path.join(root, 'scripts', 'consumer'), folder, { recursive: true });
}

async function usesNewest(folder, tarball) {
  await consumer(folder, tarball, '@tensorflow/tfjs@^4');
  await fs.copyFile(path.join(folder, 'app.ts'), path.join(folder, 'module.mts'));
  await compile(folder, forBundler);
  await compile(folder, ['--module', 'nodenext', '--outDir', 'built', 'app.ts', 'module.mts']);
  for (const app of ['app.mjs', 'app.cjs', 'built/app.js', 'built/module.mjs', 'audit.cjs']) {
    runNode([app], { cwd: folder });
  }
}

/** With ordinary peers npm would put the newest tfjs-layers beside the one that the app has pinned. */
async function usesPinned(folder, tarball) {
  const { oldest } = peers();
  await consumer(folder, tarball, `@tensorflow/tfjs@${oldest}`, oldest);
  await compile(folder, forBundler);
  for (const app of ['app.mjs', 'app.cjs', 'audit.cjs']) runNode([app], { cwd: folder });
}

/** Installs what would be published in empty projects and trains there, from ECMAScript modules, CommonJS and TypeScript. */
await main(() =>
  inTemporaryFolder(async (folder) => {
    const tarball = await packInto(folder);
    await usesNewest(path.join(folder, 'newest'), tarball);
    await usesPinned(path.join(folder, 'pinned'), tarball);
  }),
);
