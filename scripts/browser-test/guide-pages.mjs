import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
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
export async function checkReadme(browser, address) {
  const readme = fs.readFileSync(path.join(root, 'docs', 'install.md'), 'utf8');
  const addresses = readme.match(/https:\/\/[^\s"'`)]*(jsdelivr|unpkg)[^\s"'`)]*/g);
  assert.deepEqual(new Set(addresses), new Set(Object.keys(FILES)));
  const pages = Array.from(readme.matchAll(/^```html\n([^]*?)^```/gm), ([, html]) => html);
  assert.equal(pages.length, 1);
  const page = await browser.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.route(`${address}/readme`, (route) => route.fulfill({ contentType: 'text/html', body: pages[0] }));
  await page.route(/^https:/, (route) => {
    const file = FILES[route.request().url()];
    return file ? route.fulfill({ path: path.join(root, file) }) : route.abort();
  });
  await page.goto(`${address}/readme`);
  await page.waitForFunction(() => document.querySelector('pre').textContent !== '');
  const { loss, data_loss, regularization_loss } = JSON.parse(await page.locator('pre').textContent());
  assert.equal(loss.length, 3);
  loss.forEach((total, epoch) => {
    const [data, regularization] = [data_loss[epoch], regularization_loss[epoch]];
    assert.ok(regularization > 0 && Math.abs(total - data - regularization) < 1e-6 * Math.max(1, total));
  });
  assert.deepEqual(errors, []);
  await page.close();
}
