import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { buildBrowser } from './build-browser.mjs';
import { root } from './setup/stamp.cjs';

const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const dist = path.join(root, 'dist');

/** Compiles `src` into a folder of `dist` whose files are all of one module type, whatever the package's own type. */
function build(format, type) {
  const { status } = spawnSync(process.execPath, [tsc, '--project', `tsconfig.${format}.json`], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) return false;
  fs.writeFileSync(path.join(dist, format, 'package.json'), `${JSON.stringify({ type })}\n`);
  return true;
}

fs.rmSync(dist, { recursive: true, force: true });
if (build('esm', 'module') && build('cjs', 'commonjs')) await buildBrowser();
else process.exitCode = 1;
