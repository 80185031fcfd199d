import assert from 'node:assert/strict';
import path from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { root } from '../helpers.mjs';
import { DESKTOP, PHONE, hasState, openExample } from './example-page.mjs';

/** At both sizes, light and dark: axe finds nothing before, during and after a training; nothing is too wide. */
export async function checkScreens(browser, address, screenshots) {
  const screens = { desktop: DESKTOP, phone: PHONE };
  for (const [name, size] of Object.entries(screens)) {
    for (const colorScheme of ['light', 'dark']) {
      const reducedMotion = colorScheme === 'dark' ? 'reduce' : 'no-preference';
      const context = await browser.newContext({ ...size, colorScheme, reducedMotion });
      const { page, errors } = await openExample(context, address, undefined);
      const look = async (state) => {
        if (screenshots) await page.screenshot({ path: path.join(screenshots, `${name}-${colorScheme}-${state}.png`) });
        await hasNoViolation(page, `${name}, ${colorScheme}, ${state}`);
      };
      await look('before');
      await page.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)));
      await page.selectOption('#backend', 'wasm');
      await hasState(page, 'Ready');
      await page.fill('#epochs', '3');
      await page.click('#start');
      await page.locator('#story', { hasText: 'L2 goes up' }).waitFor();
      await look('during');
      await hasState(page, /^Done/);
      await look('after');
      await page.click('#lstm');
      await page.locator('#findings').waitFor();
      await look('audit');
      const { width } = size.viewport;
      for (const narrow of [width, 320]) {
        await page.setViewportSize({ width: narrow, height: 844 });
        const needed = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(needed <= narrow, `expected nothing wider than ${narrow} pixels, got ${needed}`);
      }
      const background = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      assert.equal(background, colorScheme === 'dark' ? 'rgb(16, 20, 24)' : 'rgb(244, 246, 249)');
      const motion = await page
        .locator('.bar span')
        .first()
        .evaluate((bar) => getComputedStyle(bar).transitionDuration);
      assert.equal(motion, reducedMotion === 'reduce' ? '0s' : '0.2s');
      assert.deepEqual(errors, []);
      await context.close();
    }
  }
}

async function hasNoViolation(page, what) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => [id, html, failureSummary]),
  );
  assert.deepEqual(found, [], what);
}

/** All of it works by keyboard alone, which never loses its place; a stop counts from the first moment. */
export async function checkKeyboard(browser, address) {
  const context = await browser.newContext({ ...DESKTOP, permissions: ['clipboard-read', 'clipboard-write'] });
  const { page, errors } = await openExample(context, address, undefined);
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.localName);
  const press = (key) => page.keyboard.press(key);
  const tabTo = async (id) => {
    for (let presses = 0; presses < 20 && (await focused()) !== id; presses++) await press('Tab');
    assert.equal(await focused(), id);
  };
  await tabTo('start');
  await page.route('**/digits.bin', (route) => setTimeout(() => void route.continue(), 500));
  const loading = page.waitForRequest('**/digits.bin');
  await press('Enter');
  await loading;
  assert.equal(await focused(), 'stop');
  await press('Enter');
  await hasState(page, /^Stopped/);
  assert.equal(await focused(), 'start');
  await tabTo('l2');
  await press('ArrowRight');
  assert.equal(await page.getAttribute('#l2', 'aria-valuetext'), '0.002');
  await press('Tab');
  await press('Enter');
  await tabTo('backend');
  for (const key of ['ArrowDown', 'ArrowDown', 'ArrowUp', 'ArrowDown']) {
    await press(key);
    await page.locator('#backend:enabled').waitFor();
    await hasState(page, 'Ready');
    assert.equal(await focused(), 'backend');
  }
  await tabTo('epochs');
  await press('Control+a');
  await page.keyboard.type('2');
  await tabTo('raise');
  await press('Space');
  await press('Shift+Tab');
  await press('Enter');
  await hasState(page, /^Done/);
  assert.equal(await focused(), 'epochs');
  assert.equal(await page.locator('#rows tr').count(), 4);
  await tabTo('lstm');
  await press('Enter');
  await page.locator('#findings').waitFor();
  await page.locator('#lstm:enabled').waitFor();
  assert.equal(await focused(), 'lstm');
  await tabTo('enforce');
  await press('Space');
  await page.locator('#findings').waitFor({ state: 'hidden' });
  await tabTo('copy');
  await press('Enter');
  await page.locator('#copied', { hasText: 'Copied' }).waitFor();
  await checkCode(await page.evaluate(() => navigator.clipboard.readText()));
  await page.fill('#epochs', '');
  assert.equal(await page.evaluate(() => document.querySelector('form').checkValidity()), false);
  assert.deepEqual(errors, []);
  await context.close();
}

/** The lines to copy run, and print what they promise. */
async function checkCode(code) {
  const [line, ...lines] = code.split('\n');
  assert.equal(line, "import { decomposedLoss } from 'tfjs-decomposed-loss';");
  assert.equal(lines.length, 2);
  const tf = await import('@tensorflow/tfjs');
  const library = await import(path.join(root, 'dist', 'esm', 'index.js'));
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], kernelRegularizer: 'l1l2' })] });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  const run = Object.getPrototypeOf(async () => {}).constructor;
  const printed = [];
  const names = ['model', 'x', 'y', 'decomposedLoss', 'console'];
  const values = [
    model,
    tf.ones([10, 2]),
    tf.ones([10, 1]),
    library.decomposedLoss,
    { log: (...all) => printed.push(...all) },
  ];
  await new run(...names, lines.join('\n'))(...values);
  assert.deepEqual(
    printed.map((numbers) => numbers.length),
    [30, 30, 30],
  );
}
