import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { build as bundle } from 'esbuild';
import { chromium } from 'playwright-core';
import { ARGUMENTS, findChromium } from './browser-test/chromium.mjs';
import { checkAudit, checkKeyboard, checkNumbers, checkPhone, checkSlider } from './browser-test/example-page.mjs';
import { checkReadme } from './browser-test/readme-page.mjs';
import { checkScriptTags } from './browser-test/script-page.mjs';
import { serve } from './browser-test/server.mjs';
import { main, runNode } from './helpers/command.mjs';
import { inTemporaryFolder } from './helpers/temporary-folder.mjs';
import { root } from './setup/stamp.cjs';

const inRoot = (...parts) => path.join(root, ...parts);

/** Everything that a page needs, in a folder: the built example, and a page with the files for `<script>`. */
async function buildPages(folder) {
  runNode(['scripts/build.mjs']);
  const example = path.join(folder, 'example');
  const vite = [
    'build',
    'examples/browser',
    '--mode',
    'package',
    '--outDir',
    example,
    '--emptyOutDir',
    '--logLevel',
    'error',
  ];
  runNode(['node_modules/vite/bin/vite.js', ...vite]);
  const page = path.join(folder, 'page');
  await bundle({
    stdin: {
      contents: "export * from './digits.js'; export * from './model.js';",
      resolveDir: inRoot('examples', 'browser'),
    },
    outfile: path.join(page, 'models.js'),
    bundle: true,
    format: 'iife',
    globalName: 'models',
    plugins: [{ name: 'global-tf', setup: globalTf }],
  });
  fs.copyFileSync(inRoot('scripts', 'browser-test', 'script-tag.html'), path.join(page, 'script-tag.html'));
  return { example, page, dist: inRoot('dist', 'browser'), modules: inRoot('node_modules') };
}

function globalTf(hooks) {
  hooks.onResolve({ filter: /^@tensorflow\/tfjs$/ }, () => ({ path: 'tf', namespace: 'global-tf' }));
  hooks.onLoad({ filter: /.*/, namespace: 'global-tf' }, () => ({ contents: 'module.exports = globalThis.tf;' }));
}

/** The numbers that tfjs-node gets. */
function trainOutside() {
  const args = [
    'node_modules/tsx/dist/cli.mjs',
    '--require',
    './scripts/node-24.cjs',
    'scripts/browser-test/reference.ts',
  ];
  const printed = execFileSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(printed.trim().split('\n').at(-1));
}

/** Tries the example and the files for `<script>` in a real Chromium. */
await main(async () => {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    const how = 'Install Chromium, or name it in the environment variable CHROMIUM.';
    if (process.env.CI_REQUIRE_CHROMIUM === '1') throw new Error(`Expected Chromium, got none. ${how}`);
    console.log(`No Chromium here, so nothing is tried in a browser. ${how}`);
    return;
  }
  const screenshots = process.env.SCREENSHOTS;
  await inTemporaryFolder(async (folder) => {
    const server = await serve(await buildPages(folder));
    const browser = await chromium.launch({ executablePath, args: ARGUMENTS });
    try {
      const reference = trainOutside();
      console.log(`Outside of the browser, the backend is ${reference.backend}.`);
      const checks = {
        'The example has the numbers of tfjs-node': () => checkNumbers(browser, server.address, reference),
        'The files for <script> have them': () => checkScriptTags(browser, server.address, reference),
        "The README's page trains": () => checkReadme(browser, server.address),
        'The slider acts, stop stops': () => checkSlider(browser, server.address),
        'The audit tells what is dropped': () => checkAudit(browser, server.address),
        'The keyboard and an early stop work': () => checkKeyboard(browser, server.address),
        'A phone shows all of it, light and dark': () => checkPhone(browser, server.address, screenshots),
      };
      for (const [name, check] of Object.entries(checks)) {
        await check();
        console.log(`✓ ${name}`);
      }
    } finally {
      await browser.close();
      server.close();
    }
  });
});
