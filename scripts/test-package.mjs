import fs from 'node:fs';
import path from 'node:path';
import { build as esbuild } from 'esbuild';
import { build as vite } from 'vite';
import { bin, inTemporaryFolder, installInto, main, node, npm, oldestTfjs, readJson, root } from './helpers.mjs';

/** What would be published: its files, its manifest by publint's rules, its types by those of Are The Types Wrong. */
async function checkedTarball(folder) {
  const packed = await npm(['pack', '--json', '--pack-destination', folder], { quiet: true });
  const [{ filename, files, size }] = JSON.parse(packed.slice(packed.indexOf('[')));
  console.log(`${filename}: ${files.length} files, ${size} bytes`);
  if (files.length >= 300) throw new Error(`Expected under 300 files in the package, got ${files.length}.`);
  const unwanted = files.find(({ path: name }) => /\.map$|^src\//.test(name));
  if (unwanted) throw new Error(`Expected no source and no source map in the package, got ${unwanted.path}.`);
  const tarball = path.join(folder, filename);
  await bin('publint', ['run', tarball, '--strict']);
  await bin('attw', [tarball, '--format', 'table-flipped']);
  return tarball;
}

/** What the compiler says of our declarations, of the app and of its options. TensorFlow.js's own declarations fail. */
const OURS = /^(node_modules\/tfjs-decomposed-loss\/|app\.ts|module\.mts|error )/;

async function compile(folder, options) {
  const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const typeRoots = path.join(root, 'node_modules', '@types');
  const args = `--strict --target es2022 --lib es2022,dom --types node --typeRoots ${typeRoots} ${options}`.split(' ');
  const output = await node([tsc, ...args], { cwd: folder, quiet: true }).catch((error) => error.output);
  const errors = output.split('\n').filter((line) => OURS.test(line));
  if (errors.length > 0) throw new Error(`Expected an app to compile with ${options}, got:\n${errors.join('\n')}`);
}

/** A package that TensorFlow.js and our tarball share would be there twice if it were an ordinary peer. */
function checkCopies(folder, version) {
  const { packages } = readJson(folder, 'node_modules', '.package-lock.json');
  for (const name of ['@tensorflow/tfjs', '@tensorflow/tfjs-core', '@tensorflow/tfjs-layers']) {
    const copies = Object.entries(packages).filter(([place]) => place.endsWith(`node_modules/${name}`));
    const got = copies.map(([place, copy]) => `${copy.version} in ${place}`).join(' and ') || 'none';
    if (copies.length === 1 && (version === undefined || copies[0][1].version === version)) continue;
    throw new Error(`Expected one copy of ${name} ${version ?? ''}, got ${got}. See \`peerDependenciesMeta\`.`);
  }
}

const BUNDLERS = {
  esbuild: (folder, app, outfile) => {
    const options = { bundle: true, minify: true, format: 'cjs', platform: 'node', mainFields: ['module', 'main'] };
    return esbuild({ absWorkingDir: folder, entryPoints: [app], outfile, ...options });
  },
  vite: (folder, app, outfile) => {
    const output = { format: 'cjs', entryFileNames: path.basename(outfile) };
    const build = { ssr: app, outDir: path.dirname(outfile), emptyOutDir: false, rolldownOptions: { output } };
    return vite({ root: folder, configFile: false, logLevel: 'error', ssr: { noExternal: true }, build });
  },
};

const BUNDLED = {
  'saves.mjs': undefined,
  'by-call.mjs': `import { registerKerasClasses } from 'tfjs-decomposed-loss/regularizers';
    import { load } from './loads.mjs'; registerKerasClasses(); void load();`,
  'by-import.mjs': "import 'tfjs-decomposed-loss/keras'; import { load } from './loads.mjs'; void load();",
};

/** Bundlers drop modules without side effects: what has to be registered is registered by what an app calls. */
async function checkBundles(folder) {
  for (const [name, bundle] of Object.entries(BUNDLERS)) {
    for (const [app, code] of Object.entries(BUNDLED)) {
      if (code) fs.writeFileSync(path.join(folder, app), code);
      const file = path.join(folder, name, app.replace('.mjs', '.cjs'));
      await bundle(folder, app, file);
      await node([file], { cwd: folder, quiet: true });
    }
    console.log(`${name}: a model with our layer is saved and loaded`);
  }
}

/** Installs the tarball beside TensorFlow.js in an empty project, and trains and audits there. */
async function checkProject(folder, tarball, tfjs, version) {
  await installInto(folder, [`@tensorflow/tfjs@${tfjs}`, tarball]);
  checkCopies(folder, version);
  fs.cpSync(path.join(root, 'scripts', 'consumer'), folder, { recursive: true });
  fs.copyFileSync(path.join(folder, 'app.ts'), path.join(folder, 'module.mts'));
  await compile(folder, '--module esnext --moduleResolution bundler --noEmit app.ts');
  await compile(folder, '--module nodenext --outDir built app.ts module.mts');
  for (const app of ['built/app.js', 'built/module.mjs', 'saves.mjs']) await node([app], { cwd: folder });
  const command = ['node_modules/.bin/tfjs-decomposed-loss', 'audit', 'model.json'];
  const report = await node(command, { cwd: folder, quiet: true });
  if (!report.includes('1 regularizer, no findings')) throw new Error(`Expected a clean model, got:\n${report}`);
}

await main(() =>
  inTemporaryFolder(async (folder) => {
    const tarball = await checkedTarball(folder);
    await checkProject(path.join(folder, 'newest'), tarball, '^4');
    await checkBundles(path.join(folder, 'newest'));
    await checkProject(path.join(folder, 'oldest'), tarball, oldestTfjs(), oldestTfjs());
  }),
);
