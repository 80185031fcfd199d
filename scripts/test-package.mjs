import fs from 'node:fs';
import path from 'node:path';
import { build as esbuild } from 'esbuild';
import { build as vite } from 'vite';
import { bin, inTemporaryFolder, installInto, main, node, npm, peers, readJson, root } from './helpers.mjs';

/** The most files that the package may have. */
const MOST_FILES = 300;

/** What would be published: its files, its manifest by publint's rules, its types by those of Are The Types Wrong. */
async function checkedTarball(folder) {
  const packed = await npm(['pack', '--json', '--pack-destination', folder], { quiet: true });
  const [{ filename, files, size }] = JSON.parse(packed.slice(packed.indexOf('[')));
  console.log(`${filename}: ${files.length} files, ${size} bytes`);
  if (files.length >= MOST_FILES) throw new Error(`Expected under ${MOST_FILES} files, got ${files.length}.`);
  const unwanted = files.filter(({ path: name }) => /\.map$|^src\//.test(name));
  if (unwanted.length > 0) throw new Error(`Expected no source and no source map, got ${unwanted[0].path}.`);
  const tarball = path.join(folder, filename);
  await bin('publint', ['run', tarball, '--strict']);
  await bin('attw', [tarball]);
  return tarball;
}

/** What the compiler says of our declarations, of the apps and of its options. TensorFlow.js's own declarations fail. */
const OURS = /^(node_modules\/tfjs-decomposed-loss\/|app\.ts|module\.mts|error )/;

async function compile(folder, options) {
  const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = [tsc, ...`--strict --target es2022 --lib es2022,dom ${options}`.split(' ')];
  const output = await node(args, { cwd: folder, quiet: true }).catch((error) => error.output);
  const errors = output.split('\n').filter((line) => OURS.test(line));
  if (errors.length > 0) throw new Error(`Expected an app to compile with ${options}, got:\n${errors.join('\n')}`);
}

const forBundler = '--module esnext --moduleResolution bundler --noEmit app.ts';

/** An empty project with the tarball beside TensorFlow.js, and the apps of `consumer`. */
async function consumer(folder, tarball, tfjs, version) {
  await installInto(folder, [tfjs, tarball]);
  const { packages } = readJson(folder, 'node_modules', '.package-lock.json');
  for (const name of peers().names) {
    const copies = Object.entries(packages).filter(([place]) => place.endsWith(`node_modules/${name}`));
    if (copies.length === 1 && (version ?? copies[0][1].version) === copies[0][1].version) continue;
    const got = copies.map(([place, copy]) => `${copy.version} in ${place}`).join(' and ') || 'none';
    throw new Error(
      `Expected one copy of ${name} ${version ?? ''}, got ${got}. Is it optional in peerDependenciesMeta?`,
    );
  }
  fs.cpSync(path.join(root, 'scripts', 'consumer'), folder, { recursive: true });
}

const BUNDLERS = {
  esbuild: (folder, app, outfile) =>
    esbuild({
      absWorkingDir: folder,
      entryPoints: [app],
      outfile,
      bundle: true,
      minify: true,
      format: 'cjs',
      platform: 'node',
      mainFields: ['module', 'main'],
    }),
  vite: (folder, app, outfile) =>
    vite({
      root: folder,
      configFile: false,
      logLevel: 'error',
      ssr: { noExternal: true },
      build: {
        ssr: app,
        outDir: path.dirname(outfile),
        emptyOutDir: false,
        rolldownOptions: { output: { format: 'cjs', entryFileNames: path.basename(outfile) } },
      },
    }),
};

/** Bundlers drop modules without side effects: what has to be registered is registered by what an app calls. */
async function checkBundles(folder) {
  for (const [name, bundle] of Object.entries(BUNDLERS)) {
    const runBundle = async (app) => {
      const file = path.join(folder, name, app.replace('.mjs', '.cjs'));
      await bundle(folder, app, file);
      return node([file], { quiet: true });
    };
    const saved = (await runBundle('saves.mjs')).split('\n').find((line) => line.startsWith('{'));
    fs.writeFileSync(path.join(folder, 'saved.json'), saved);
    for (const app of ['loads-by-call.mjs', 'loads-by-import.mjs']) await runBundle(app);
    console.log(`Bundles of ${name} save and load a model with our layer`);
  }
}

async function checkNewest(folder, tarball) {
  await consumer(folder, tarball, '@tensorflow/tfjs@^4');
  fs.copyFileSync(path.join(folder, 'app.ts'), path.join(folder, 'module.mts'));
  await compile(folder, forBundler);
  await compile(folder, '--module nodenext --outDir built app.ts module.mts');
  for (const app of ['app.mjs', 'app.cjs', 'built/app.js', 'built/module.mjs', 'audit.cjs']) {
    await node([app], { cwd: folder });
  }
  await checkBundles(folder);
}

/** With ordinary peers npm would put the newest tfjs-layers beside the one that the app has pinned. */
async function checkPinned(folder, tarball) {
  const { oldest } = peers();
  await consumer(folder, tarball, `@tensorflow/tfjs@${oldest}`, oldest);
  await compile(folder, forBundler);
  for (const app of ['app.mjs', 'app.cjs', 'audit.cjs']) await node([app], { cwd: folder });
}

/** Packs what was built, looks it over, installs it in empty projects, and trains there. */
await main(() =>
  inTemporaryFolder(async (folder) => {
    const tarball = await checkedTarball(folder);
    await checkNewest(path.join(folder, 'newest'), tarball);
    await checkPinned(path.join(folder, 'pinned'), tarball);
  }),
);
