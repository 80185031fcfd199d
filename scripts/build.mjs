import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import ts from 'typescript';
import { buildForBrowsers } from './build-browser.mjs';
import { bin, main, readJson, root } from './helpers.mjs';

const [src, esm, cjs] = ['src', 'dist/esm', 'dist/cjs'].map((folder) => path.join(root, folder));

/** Writes a folder of JavaScript of one module type. Bundlers read the nearest package.json, and no other. */
async function buildJavaScript(from, folder, options, type) {
  const entryPoints = fs.readdirSync(from).filter((name) => /(?<!\.d)\.[jt]s$/.test(name));
  await build({ absWorkingDir: from, entryPoints, outdir: folder, platform: 'node', target: 'es2022', ...options });
  const prefix = `./${path.relative(root, folder)}/`;
  const listed = readJson('package.json').sideEffects.filter((name) => name.startsWith(prefix));
  const sideEffects = listed.map((name) => name.replace(prefix, './'));
  fs.writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify({ type, sideEffects })}\n`);
}

/** The declarations of the entry points, and those that their types are made of. */
async function buildDeclarations(folder) {
  await bin('tsc', ['--project', 'tsconfig.build.json']);
  const declarations = (options) =>
    fs.readdirSync(folder, options).flatMap((name) => (name.endsWith('.d.ts') ? path.join(folder, name) : []));
  const program = ts.createProgram(declarations(), { types: [], noLib: true });
  const needed = new Set(program.getSourceFiles().map(({ fileName }) => path.normalize(fileName)));
  for (const file of declarations({ recursive: true })) if (!needed.has(file)) fs.rmSync(file);
}

await main(async () => {
  fs.rmSync(path.join(root, 'dist'), { recursive: true, force: true });
  await buildDeclarations(esm);
  fs.cpSync(esm, cjs, { recursive: true });
  // What several entry points use exists once, so that they share its state.
  await buildJavaScript(src, esm, { bundle: true, splitting: true, packages: 'external', format: 'esm' }, 'module');
  await buildJavaScript(esm, cjs, { format: 'cjs', supported: { 'dynamic-import': false } }, 'commonjs');
  await buildForBrowsers();
});
