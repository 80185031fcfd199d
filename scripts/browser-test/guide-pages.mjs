import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { readJson, root } from '../helpers.mjs';

const CDN = 'https://cdn.jsdelivr.net/npm';
const versionOf = (name) => readJson('node_modules', name, 'package.json').version;
const { jsdelivr, version } = readJson('package.json');

/** The files here for the addresses in `docs/install.md`: of the versions that are tested. */
const FILES = {
  [`${CDN}/@tensorflow/tfjs@${versionOf('@tensorflow/tfjs')}/dist/tf.min.js`]:
    'node_modules/@tensorflow/tfjs/dist/tf.min.js',
  [`${CDN}/tfjs-decomposed-loss@${version}`]: jsdelivr,
};

/** The page that `docs/install.md` shows: it trains, and says what the loss is made of. */
export async function checkInstall(browser, address) {
  const { text, html } = readGuide('install.md');
  const addresses = text.match(/https:\/\/[^\s"'`)]*(jsdelivr|unpkg)[^\s"'`)]*/g);
  assert.deepEqual(new Set(addresses), new Set(Object.keys(FILES)));
  await onPage(browser, address, html, async (page) => {
    await page.waitForFunction(() => document.querySelector('pre').textContent !== '');
    const { loss, data_loss, regularization_loss } = JSON.parse(await page.locator('pre').textContent());
    assert.equal(loss.length, 3);
    loss.forEach((total, epoch) => {
      const [data, regularization] = [data_loss[epoch], regularization_loss[epoch]];
      assert.ok(regularization > 0 && Math.abs(total - data - regularization) < 1e-6 * Math.max(1, total));
    });
  });
}

/** The page of `docs/charts-and-logs.md`, built with the lines that all blocks there follow: it draws while it trains. */
export async function checkLiveCharts(browser, address) {
  const { text, html } = readGuide('charts-and-logs.md');
  const [, preamble] = text.match(/after these lines:\n\n```js\n([^]*?)^```/m);
  const script = /(?<=<script type="module">\n)[^]*(?=<\/script>)/;
  const { outputFiles } = await build({
    stdin: { contents: `${preamble}${html.match(script)[0]}`, resolveDir: root },
    alias: { 'tfjs-decomposed-loss': path.join(root, 'dist', 'esm') },
    external: ['@tensorflow/tfjs-vis'],
    ...{ bundle: true, format: 'esm', target: 'es2022', write: false, logLevel: 'error' },
  });
  const built = outputFiles[0].text.replaceAll('</script', '<\\/script');
  await onPage(
    browser,
    address,
    html.replace(script, () => built),
    async (page) => {
      await page.waitForFunction(() => {
        const charts = [...document.querySelectorAll('#charts figure svg')];
        return charts.length === 2 && charts.every(({ textContent }) => textContent.includes('epoch 20'));
      });
    },
  );
}

/** A guide, and the one page that it shows. */
function readGuide(name) {
  const text = fs.readFileSync(path.join(root, 'docs', name), 'utf8');
  const pages = Array.from(text.matchAll(/^```html\n([^]*?)^```/gm), ([, html]) => html);
  assert.equal(pages.length, 1);
  return { text, html: pages[0] };
}

async function onPage(browser, address, html, check) {
  const page = await browser.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.route(`${address}/guide`, (route) => route.fulfill({ contentType: 'text/html', body: html }));
  await page.route(/^https:/, (route) => {
    const file = FILES[route.request().url()];
    return file ? route.fulfill({ path: path.join(root, file) }) : route.abort();
  });
  await page.goto(`${address}/guide`);
  await check(page);
  assert.deepEqual(errors, []);
  await page.close();
}
