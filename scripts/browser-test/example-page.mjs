import assert from 'node:assert/strict';
import { compare, tableOf } from './numbers.mjs';

const MINUTES = 60_000;

/** Opens the example and waits until it can start. */
export async function openExample(browser, address, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1100, height: 900 }, ...options });
  const errors = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(`${address}/example/`);
  await isReady(page);
  return { page, errors };
}

const isReady = (page) => page.locator('#status', { hasText: 'Ready' }).waitFor({ timeout: MINUTES });

async function choose(page, id, value) {
  await page.selectOption(id, value);
  await isReady(page);
}

/** Trains to the end, with the choices given. */
export async function train(page, { model = 'dense', backend, epochs, enforce = false }) {
  await choose(page, '#backend', backend);
  await choose(page, '#model', model);
  if (enforce) await page.check('#enforce');
  await page.fill('#epochs', String(epochs));
  await page.locator('#start:enabled').click();
  await page.locator('#status', { hasText: /^Done/ }).waitFor({ timeout: 4 * MINUTES });
}

/** The numbers of each backend are those of tfjs-node. */
export async function checkNumbers(browser, address, reference) {
  const { page, errors } = await openExample(browser, address);
  const runs = [
    { backend: 'webgl', epochs: 3 },
    { backend: 'cpu', epochs: 3 },
    { backend: 'wasm', epochs: 3 },
    { backend: 'webgl', epochs: 1, model: 'convolutional' },
    { backend: 'webgl', epochs: 1, model: 'lstm', enforce: true },
  ];
  for (const run of runs) {
    const { model = 'dense', backend } = run;
    await train(page, run);
    const numbers = await tableOf(page);
    assert.equal(numbers.loss.length, run.epochs);
    console.log(`  ${model} on ${backend}: ${compare(backend, numbers, reference[model])} numbers as on tfjs-node`);
  }
  assert.deepEqual(errors, []);
  await page.close();
}

/** The slider moves the penalty at once and the data loss soon; stop stops. */
export async function checkSlider(browser, address) {
  const { page, errors } = await openExample(browser, address);
  await choose(page, '#backend', 'cpu');
  await page.fill('#epochs', '200');
  await page.click('#start');
  const before = await afterEpoch(page, 4);
  await page.locator('#l2').fill('9');
  const epochs = before.loss.length;
  const after = await afterEpoch(page, epochs + 8);
  const [data, penalty] = [after.data_loss, after.regularization_loss];
  assert.ok(Math.max(...penalty.slice(epochs)) > 3 * penalty[epochs - 1], `the penalty did not grow: ${penalty}`);
  assert.ok(data.at(-1) > 1.5 * Math.min(...data), `the data loss did not answer: ${data}`);
  assert.ok(penalty.at(-1) < Math.max(...penalty.slice(epochs)), `the weights did not shrink: ${penalty}`);
  await page.click('#stop');
  await page.locator('#status', { hasText: /^Stopped/ }).waitFor();
  const stopped = (await tableOf(page)).loss.length;
  await page.waitForTimeout(1500);
  assert.equal((await tableOf(page)).loss.length, stopped);
  assert.ok(stopped < 200);
  assert.deepEqual(errors, []);
  await page.close();
}

async function afterEpoch(page, epoch) {
  await page.waitForFunction((rows) => document.querySelectorAll('#rows tr').length >= rows, 2 * epoch, {
    timeout: 2 * MINUTES,
  });
  return tableOf(page);
}

/** The audit tells what the LSTM drops, and is content once it is enforced. */
export async function checkAudit(browser, address) {
  const { page, errors } = await openExample(browser, address);
  await choose(page, '#model', 'lstm');
  const audit = page.locator('#audit');
  assert.match(await audit.innerText(), /Of 3 regularizers, 2 do not act/);
  assert.equal(await audit.locator('.finding code', { hasText: 'regularizer-dropped' }).count(), 2);
  await page.check('#enforce');
  await isReady(page);
  await audit.locator('.good', { hasText: 'all 3 regularizers' }).waitFor();
  assert.deepEqual(errors, []);
  await page.close();
}

/** Whoever uses the keyboard keeps the place on the page; a stop counts from the first moment; no epochs are no training. */
export async function checkKeyboard(browser, address) {
  const { page, errors } = await openExample(browser, address);
  const focused = () => page.evaluate(() => document.activeElement.id);
  await page.focus('#backend');
  for (const key of ['ArrowDown', 'ArrowUp', 'ArrowDown']) {
    await page.keyboard.press(key);
    await isReady(page);
    await page.locator('#backend:not([disabled])').waitFor();
    assert.equal(await focused(), 'backend');
  }
  await page.evaluate(() => {
    document.querySelector('#start').click();
    document.querySelector('#stop').click();
  });
  await page.locator('#status', { hasText: /^Stopped/ }).waitFor();
  assert.equal(await page.locator('#rows tr').count(), 0);
  await page.route('**/digits.bin', (route) => setTimeout(() => void route.continue(), 500));
  await page.focus('#start');
  const loading = page.waitForRequest('**/digits.bin');
  await page.keyboard.press('Enter');
  await loading;
  assert.equal(await focused(), 'stop');
  await page.keyboard.press('Enter');
  await page.locator('#status', { hasText: /^Stopped/ }).waitFor();
  assert.equal(await focused(), 'start');
  assert.ok((await page.locator('#rows tr').count()) <= 2);
  await page.fill('#epochs', '');
  assert.equal(await page.evaluate(() => document.querySelector('form').checkValidity()), false);
  assert.deepEqual(errors, []);
  await page.close();
}

/** Nothing is wider than a phone; everything to operate has a name. */
export async function checkPhone(browser, address, screenshots) {
  for (const colorScheme of ['light', 'dark']) {
    const { page, errors } = await openExample(browser, address, {
      colorScheme,
      viewport: { width: 375, height: 812 },
    });
    await train(page, { backend: 'cpu', epochs: 2 });
    await page.click('summary');
    for (const width of [375, 320]) {
      await page.setViewportSize({ width, height: 812 });
      const needed = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(needed <= width, `expected nothing wider than ${width} pixels, got ${needed}`);
    }
    const nameless = await page
      .locator('select, input, button')
      .evaluateAll((all) => all.filter((one) => !(one.labels?.[0] ?? one).textContent.trim()).map(({ id }) => id));
    assert.deepEqual(nameless, []);
    assert.equal(await page.locator('.tfjs-decomposed-loss-chart [role=img][aria-label]').count(), 4);
    const background = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    assert.equal(background, colorScheme === 'dark' ? 'rgb(16, 20, 24)' : 'rgb(244, 246, 249)');
    if (screenshots) await page.screenshot({ path: `${screenshots}/phone-${colorScheme}.png`, fullPage: true });
    assert.deepEqual(errors, []);
    await page.close();
  }
}
