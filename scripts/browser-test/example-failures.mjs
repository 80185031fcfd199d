import assert from 'node:assert/strict';
import { WITHOUT_GPU, chromiumPath } from './chromium.js';
import { hasState, openExample } from './example-page.mjs';

/** Without WebGL the page trains on WebAssembly, without that on the CPU, and says so. */
export async function checkFallback(browser, address) {
  const without = await browser.browserType().launch({ executablePath: chromiumPath(), args: WITHOUT_GPU });
  try {
    for (const [backend, label] of [
      ['wasm', 'WebAssembly'],
      ['cpu', 'the CPU'],
    ]) {
      const context = await without.newContext();
      if (backend === 'cpu') await context.route('**/*.wasm', (route) => route.abort());
      const { page } = await openExample(context, address, undefined);
      assert.equal(
        await page.innerText('#note'),
        `This browser has no WebGL for TensorFlow.js, so the page uses ${label}.`,
      );
      assert.equal(await page.inputValue('#backend'), backend);
      await page.click('form summary');
      await page.fill('#epochs', '1');
      await page.click('#start');
      await hasState(page, /^Done/);
      assert.equal(await page.locator('#rows tr').count(), 2);
      await context.close();
    }
  } finally {
    await without.close();
  }
}

/** A file with the digits that is missing or cut off has its own words, and the next press loads it again. */
export async function checkDigits(browser, address) {
  const { page } = await openExample(browser, address);
  await page.click('form summary');
  await page.fill('#epochs', '1');
  for (const [answer, words] of [
    [(route) => route.fulfill({ status: 404 }), /^The digits did not load: the server answered 404/],
    [(route) => route.abort(), /^The digits did not load: the server did not answer/],
    [(route) => route.fulfill({ body: 'x'.repeat(1234) }), /is incomplete: 1,234 of 981,250 bytes/],
  ]) {
    await page.route('**/digits.bin', answer);
    await page.click('#start');
    await hasState(page, 'Failed');
    assert.match(await page.innerText('#story'), words);
    await page.unroute('**/digits.bin');
  }
  await page.selectOption('#backend', 'wasm');
  await hasState(page, 'Ready');
  await page.click('#start');
  await hasState(page, /^Done/);
  await page.close();
}
