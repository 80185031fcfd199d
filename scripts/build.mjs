import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import ts from 'typescript';
import { buildForBrowsers } from './browser/build.mjs';
import { bin, main, root } from './helpers.mjs';

const [src, esm, cjs] = ['src', 'dist/esm', 'dist/cjs'].map((folder) => path.join(root, folder));

/** Writes a folder of JavaScript of one module type, whatever the package's own type. What entry points share exists once. */
async function buildJavaScript(from, folder, options, type) {
  const entryPoints = fs.readdirSync(from).filter((name) => /(?<!\.d)\.[jt]s$/.test(name));
  await build({
    absWorkingDir: from,
    entryPoints,
    outdir: folder,
    platform: 'node',
    target: 'es2022',
    logLevel: 'warning',
    ...options,
  });
  fs.writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify({ type })}\n`);
}

/** The declarations of the entry points, and those that their types are made of. */
async function buildDeclarations(folder) {
  await bin('tsc', ['--project', 'tsconfig.build.json']);
  const declarations = (options) =>
    fs
      .readdirSync(folder, options)
      .filter((name) => name.endsWith('.d.ts'))
      .map((name) => path.join(folder, name));
  const program = ts.createProgram(declarations(), { types: [], noLib: true });
  const reached = new Set(program.getSourceFiles().map(({ fileName }) => path.normalize(fileName)));
  for (const file of declarations({ recursive: true })) if (!reached.has(file)) fs.rmSync(file);
}

await main(async () => {
  fs.rmSync(path.join(root, 'dist'), { recursive: true, force: true });
  await buildDeclarations(esm);
  fs.cpSync(esm, cjs, { recursive: true });
  await buildJavaScript(src, esm, { bundle: true, splitting: true, packages: 'external', format: 'esm' }, 'module');
  await buildJavaScript(esm, cjs, { format: 'cjs', supported: { 'dynamic-import': false } }, 'commonjs');
  await buildForBrowsers();
});
