import fs from 'node:fs';
import path from 'node:path';
import { build as bundle } from 'esbuild';
import { chromium } from 'playwright-core';
import { preview, build as vite } from 'vite';
import { checkAudit, checkKeyboard, checkNumbers, checkPhone, checkSlider } from './browser-test/example-page.mjs';
import { checkReadme } from './browser-test/readme-page.mjs';
import { trainOutside } from './browser-test/reference.js';
import { checkModules, checkScripts } from './browser-test/script-page.mjs';
import { globals } from './build-browser.mjs';
import { inTemporaryFolder, main, root } from './helpers.mjs';

const PLACES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** WebGL on the CPU. */
const ARGUMENTS = ['--use-angle=swiftshader', '--enable-unsafe-swiftshader'];

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

async function checkAll(browser, address) {
  const reference = await trainOutside();
  console.log(`Outside of the browser, the backend is ${reference.backend}.`);
  const checks = {
    'The example has the numbers of tfjs-node': () => checkNumbers(browser, address, reference),
    'The files for <script> have them': () => checkScripts(browser, address, reference),
    'The modules have them': () => checkModules(browser, address, reference),
    "The README's page trains": () => checkReadme(browser, address),
    'The slider acts, stop stops': () => checkSlider(browser, address),
    'The audit tells what is dropped': () => checkAudit(browser, address),
    'The keyboard and an early stop work': () => checkKeyboard(browser, address),
    'A phone shows all of it, light and dark': () => checkPhone(browser, address, process.env.SCREENSHOTS),
  };
  for (const [name, check] of Object.entries(checks)) {
    await check();
    console.log(`✓ ${name}`);
  }
}

/** Tries the example and the files for browsers in a real Chromium. */
await main(async () => {
  const executablePath = PLACES.find((place) => place && fs.existsSync(place));
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
      await checkAll(browser, `http://127.0.0.1:${server.httpServer.address().port}`);
    } finally {
      await browser.close();
      await server.close();
    }
  });
});
