import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { root } from '../setup/stamp.cjs';

/** What the README's addresses stand for here. */
const FILES = {
  'https://cdn.jsdelivr.net/npm/@tensorflow/tfjs@4.22.0/dist/tf.min.js': 'node_modules/@tensorflow/tfjs/dist/tf.min.js',
  'https://cdn.jsdelivr.net/npm/tfjs-decomposed-loss': JSON.parse(
    fs.readFileSync(path.join(root, 'package.json'), 'utf8'),
  ).jsdelivr,
};

/** The page that the README shows: it trains, and says what the loss is made of. */
export async function checkReadme(browser, address) {
  const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
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
