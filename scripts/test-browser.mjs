import fs from 'node:fs';
import path from 'node:path';
import { build as bundle } from 'esbuild';
import { chromium } from 'playwright-core';
import { preview, build as vite } from 'vite';
import { ARGUMENTS, chromiumPath } from './browser-test/chromium.js';
import { checkBackends } from './browser-test/backends.mjs';
import { checkKeyboard, checkScreens } from './browser-test/example-access.mjs';
import { checkDigits, checkFallback } from './browser-test/example-failures.mjs';
import { checkAudit, checkCharts, checkNumbers, checkShow, checkSlider } from './browser-test/example-page.mjs';
import { checkInstall, checkLiveCharts } from './browser-test/guide-pages.mjs';
import { trainOutside } from './browser-test/reference.js';
import { checkModules, checkScripts } from './browser-test/script-page.mjs';
import { globals } from './build-browser.mjs';
import { inTemporaryFolder, main, root } from './helpers.mjs';

/** Puts everything that a page needs into a folder: the built example, its models, and the files for browsers. */
async function buildPages(folder) {
  const [configFile, outDir] = [path.join(root, 'examples/browser/vite.config.ts'), path.join(folder, 'example')];
  await vite({ configFile, mode: 'package', logLevel: 'error', build: { outDir, emptyOutDir: true } });
  const contents = "export * from './examples/browser/digits.js'; export * from './examples/browser/model.js';";
  const options = { bundle: true, format: 'iife', globalName: 'models', plugins: [globals] };
  const outfile = path.join(folder, 'models.js');
  await bundle({ absWorkingDir: root, stdin: { contents, resolveDir: root }, outfile, ...options });
  fs.symlinkSync(path.join(root, 'dist', 'browser'), path.join(folder, 'dist'));
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'modules'));
}

/** Runs checks one after the other. */
async function inOrder(checks) {
  for (const [name, check] of Object.entries(checks)) {
    await check();
    console.log(`✓ ${name}`);
  }
}

/** Tries the example and the files for browsers in a real Chromium. */
await main(async () => {
  const executablePath = chromiumPath();
  if (executablePath === undefined) {
    const how = 'Install it (on Debian: `apt-get install chromium`), or put its path into the variable CHROMIUM.';
    if (process.env.CI_REQUIRE_CHROMIUM === '1') throw new Error(`Expected Chromium, got none. ${how}`);
    console.log(`No Chromium here, so nothing is tried in a browser. ${how}`);
    return;
  }
  await inTemporaryFolder(async (folder) => {
    await buildPages(folder);
    const options = { logLevel: 'error', build: { outDir: folder }, preview: { port: 0, host: '127.0.0.1' } };
    const server = await preview({ root: folder, configFile: false, ...options });
    const browser = await chromium.launch({ executablePath, args: ARGUMENTS });
    try {
      const address = `http://127.0.0.1:${server.httpServer.address().port}`;
      const reference = await trainOutside();
      console.log(`Outside of the browser, the backend is ${reference.backend}.`);
      await Promise.all([
        inOrder({
          'The example has the numbers of tfjs-node': () => checkNumbers(browser, address, reference),
          'All that trains does so on each backend, also in a worker': () => checkBackends(browser, address),
          'The files for <script> have the numbers of tfjs-node': () => checkScripts(browser, address, reference),
          'The modules work with the global tf': () => checkModules(browser, address, reference),
          'The page of the guide to installing trains': () => checkInstall(browser, address),
          'The page of the guide to charts draws': () => checkLiveCharts(browser, address),
        }),
        inOrder({
          'One press shows what the loss hides': () => checkShow(browser, address),
          'The slider acts, stop stops': () => checkSlider(browser, address),
          'The audit tells what is dropped': () => checkAudit(browser, address),
          'The live charts are drawn': () => checkCharts(browser, address),
          'The keyboard is enough': () => checkKeyboard(browser, address),
          'All screens pass axe': () => checkScreens(browser, address, process.env.SCREENSHOTS),
          'The page works without WebGL': () => checkFallback(browser, address),
          'The page says what is wrong with the digits': () => checkDigits(browser, address),
        }),
      ]);
    } finally {
      await browser.close();
      await server.close();
    }
  });
});
