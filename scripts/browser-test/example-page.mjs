import assert from 'node:assert/strict';
import { compare, tableOf } from './numbers.mjs';

const MINUTES = 60_000;
export const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true };

/** Opens the example and waits until it can start. */
export async function openExample(browser, address, options = DESKTOP) {
  const page = await browser.newPage(options);
  const errors = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(`${address}/example/`);
  await hasState(page, 'Ready');
  return { page, errors };
}

/** Waits until the page says what it does. */
export const hasState = (page, hasText) => page.locator('#state', { hasText }).waitFor({ timeout: 4 * MINUTES });

export async function choose(page, id, value) {
  await page.evaluate(() => (document.querySelector('form details').open = true));
  await page.selectOption(id, value);
  await hasState(page, 'Ready');
}

/** Trains to the end at the slider's L2, with the choices given. */
export async function train(page, { model = 'dense', backend, epochs, enforce = false }) {
  await choose(page, '#backend', backend);
  await choose(page, '#model', model);
  if (enforce) await page.check('#enforce');
  await page.uncheck('#raise');
  await page.fill('#epochs', String(epochs));
  await page.locator('#start:enabled').click();
  await hasState(page, /^Done/);
}

/** The numbers of each backend are those of tfjs-node. */
export async function checkNumbers(browser, address, reference) {
  const { page, errors } = await openExample(browser, address);
  const runs = [
    { backend: 'webgl', epochs: 2 },
    { backend: 'webgpu', epochs: 1 },
    { backend: 'cpu', epochs: 3 },
    { backend: 'wasm', epochs: 3 },
    { backend: 'webgl', epochs: 1, model: 'convolutional' },
    { backend: 'webgl', epochs: 1, model: 'lstm', enforce: true },
  ];
  for (const run of runs) {
    const { model = 'dense', backend } = run;
    await train(page, run);
    assert.equal(await page.inputValue('#backend'), backend);
    const numbers = await tableOf(page);
    assert.equal(numbers.loss.length, run.epochs);
    console.log(`  ${model} on ${backend}: ${compare(backend, numbers, reference[model])} numbers as on tfjs-node`);
  }
  assert.deepEqual(errors, []);
  await page.close();
}

/** One press tells the story: it trains, raises L2 on the way, and ends with what was recorded. */
export async function checkShow(browser, address) {
  const { page, errors } = await openExample(browser, address);
  const told = () => page.locator('#told b').allInnerTexts();
  const recorded = await told();
  await choose(page, '#backend', 'wasm');
  await page.evaluate(() => {
    globalThis.sentences = [];
    const story = document.querySelector('#story');
    new MutationObserver(() => globalThis.sentences.push(story.textContent)).observe(story, { childList: true });
  });
  await page.click('#start');
  await hasState(page, /^Done/);
  const [learn, raise, shrink, moral, ...more] = await page.evaluate(() => globalThis.sentences);
  assert.match(learn, /^L2 is low, at 0\.001/);
  assert.match(raise, /^L2 goes up to 0\.01/);
  assert.match(shrink, /^The weights shrink/);
  assert.deepEqual(more, []);
  const penalty = (await tableOf(page)).regularization_loss;
  assert.ok(penalty[12] > 8 * penalty[11], `expected the penalty to jump after epoch 12: ${penalty}`);
  assert.equal(await page.locator('#picture .mark').count(), 1);
  (await told()).forEach((number, index) => {
    assert.ok(Math.abs(number / recorded[index] - 1) < 0.05, `expected ${recorded} as recorded, got ${number}`);
  });
  const [, times] = /does (\d+\.\d) times worse/.exec(moral);
  assert.equal(await page.innerText('#parts .shown'), `${times} times worse on digits it has not seen`);
  const { data_loss, val_data_loss } = await tableOf(page);
  assert.equal(times, (val_data_loss[29] / data_loss[29]).toFixed(1));
  const [, wrong] = /misreads (\d+) of 250/.exec(await page.innerText('#misread'));
  const [, read] = /New digits (\d+) %/.exec(await page.locator('#parts h3').last().innerText());
  assert.equal(Math.round(100 - wrong / 2.5), Number(read));
  assert.equal(await page.locator('#misread canvas').count(), 8);
  await choose(page, '#model', 'lstm');
  assert.deepEqual(await told(), ['–', '–']);
  assert.deepEqual([await page.locator('#rows tr').count(), await page.isVisible('#misread')], [0, false]);
  assert.deepEqual(errors, []);
  await page.close();
}

/** The slider moves the penalty at once and the data loss soon, and takes over from the show; stop stops. */
export async function checkSlider(browser, address) {
  const { page, errors } = await openExample(browser, address, PHONE);
  await choose(page, '#backend', 'cpu');
  // The show would raise L2 after epoch 12, but no longer once the slider was moved.
  await page.fill('#epochs', '30');
  await page.click('#start');
  const before = await afterEpoch(page, 6);
  await page.locator('#l2').fill('9');
  for (const part of ['#picture', '#l2', '#equation']) await isInView(page, part);
  const epochs = before.loss.length;
  const after = await afterEpoch(page, Math.max(14, epochs + 8));
  const [data, penalty] = [after.data_loss, after.regularization_loss];
  assert.ok(Math.max(...penalty.slice(epochs)) > 3 * penalty[epochs - 1], `the penalty did not grow: ${penalty}`);
  assert.ok(data.at(-1) > 1.5 * Math.min(...data), `the data loss did not answer: ${data}`);
  assert.ok(penalty.at(-1) < Math.max(...penalty.slice(epochs)), `the weights did not shrink: ${penalty}`);
  assert.match(await page.innerText('#story'), /^You moved L2/);
  assert.equal(await page.locator('#picture .mark').count(), 1);
  assert.equal(await page.innerText('#coefficient'), '0.02');
  await page.click('#stop');
  await hasState(page, /^Stopped/);
  const stopped = (await tableOf(page)).loss.length;
  await page.waitForTimeout(500);
  assert.equal((await tableOf(page)).loss.length, stopped);
  assert.ok(stopped < 30);
  assert.deepEqual(errors, []);
  await page.close();
}

async function afterEpoch(page, epoch) {
  const isAfter = (least) => Number(/^Epoch (\d+)/.exec(document.querySelector('#state').textContent)?.[1]) >= least;
  await page.waitForFunction(isAfter, epoch, { timeout: 2 * MINUTES });
  return tableOf(page);
}

async function isInView(page, selector) {
  const { y, height } = await page.locator(selector).boundingBox();
  const viewport = page.viewportSize().height;
  assert.ok(y >= 0 && y + height <= viewport, `expected ${selector} in view, got ${y} to ${y + height} of ${viewport}`);
}

/** The audit tells what the LSTM drops, and is content once it is enforced. */
export async function checkAudit(browser, address) {
  const { page, errors } = await openExample(browser, address);
  const isReadyWith = (hasText) => page.locator('#audit-line', { hasText }).waitFor();
  await isReadyWith('training applies all 3 regularizers');
  assert.equal(await page.isVisible('#findings'), false);
  await page.click('#lstm');
  await isReadyWith('training applies only 1 of 3 regularizers');
  assert.equal(await page.locator('.finding code', { hasText: 'regularizer-dropped' }).count(), 2);
  await page.check('#enforce');
  await isReadyWith('training applies all 3 regularizers');
  assert.equal(await page.isVisible('#findings'), false);
  await page.click('#lstm');
  await page.locator('#lstm', { hasText: 'See what the LSTM loses' }).waitFor();
  assert.equal(await page.inputValue('#model'), 'dense');
  assert.deepEqual(errors, []);
  await page.close();
}

/** The live charts are drawn where they are open. */
export async function checkCharts(browser, address) {
  const { page, errors } = await openExample(browser, address);
  await page.click('#charts summary');
  await train(page, { backend: 'wasm', epochs: 2 });
  const [figures, labelled] = ['', ' [role=img][aria-label]'].map((part) =>
    page.locator(`#charts .tfjs-decomposed-loss-chart${part}`).count(),
  );
  assert.ok((await figures) > 1 && (await figures) === (await labelled));
  assert.deepEqual(errors, []);
  await page.close();
}
