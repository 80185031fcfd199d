import assert from 'node:assert/strict';
import path from 'node:path';
import { build } from 'esbuild';
import { root } from '../helpers.mjs';

/** How far a number may be from that of the CPU backend, relative to the largest of its array. */
const TOLERANCE = 1e-4;

/** What a backend cannot do, or does otherwise than the CPU backend. */
const WITHOUT = {
  // Adam divides by the host's epsilon, which is 1e-4 on WebGL and 1e-7 elsewhere.
  webgl: ['fit with Adam'],
  webgpu: [],
  // There is no kernel for the gradient of a convolution.
  wasm: ['fit with convolutions'],
};

/** Everything that trains, on each backend against the CPU backend, in the page and in a worker. */
export async function checkBackends(browser, address) {
  const page = await browser.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  const script = await matrix();
  await page.route(`${address}/backends/`, (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><script src="matrix.js"></script>' }),
  );
  await page.route(`${address}/backends/matrix.js`, (route) =>
    route.fulfill({ contentType: 'text/javascript', body: script }),
  );
  await page.goto(`${address}/backends/`);
  const wasm = `${address}/modules/@tensorflow/tfjs-backend-wasm/dist/`;
  const expected = await page.evaluate(trainInPage, ['cpu', wasm, []]);
  for (const [backend, without] of Object.entries(WITHOUT)) {
    for (const [where, train] of [
      ['the page', trainInPage],
      ['a worker', trainInWorker],
    ]) {
      const began = Date.now();
      const actual = await page.evaluate(train, [backend, wasm, without]);
      const count = compareAll(`${backend} in ${where}`, actual, expected, without);
      const seconds = ((Date.now() - began) / 1000).toFixed(1);
      console.log(`  ${backend} in ${where}: ${count} numbers as on the CPU backend, ${seconds} s`);
    }
  }
  assert.deepEqual(errors, []);
  await page.close();
}

/** The script for the page and the worker. */
async function matrix() {
  const { outputFiles } = await build({
    entryPoints: [path.join(root, 'scripts', 'browser-test', 'backend-matrix.ts')],
    alias: { 'tfjs-decomposed-loss': path.join(root, 'dist', 'esm') },
    bundle: true,
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0].text;
}

/** Runs in the page. */
function trainInPage(args) {
  return globalThis.trainEverything(...args);
}

/** Runs in the page, and trains in a worker. */
function trainInWorker(args) {
  const script = `
    importScripts('${location.origin}/backends/matrix.js');
    onmessage = ({ data }) => trainEverything(...data).then(
      (numbers) => postMessage({ numbers }),
      (error) => postMessage({ error: String(error) }));`;
  const worker = new Worker(URL.createObjectURL(new Blob([script])));
  return new Promise((resolve, reject) => {
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data.numbers));
    worker.postMessage(args);
  }).finally(() => worker.terminate());
}

function compareAll(what, actual, expected, without) {
  assert.deepEqual(
    Object.keys(actual),
    Object.keys(expected).filter((name) => !without.includes(name)),
  );
  let compared = 0;
  for (const [scenario, numbers] of Object.entries(actual)) {
    assert.deepEqual(Object.keys(numbers).sort(), Object.keys(expected[scenario]).sort());
    for (const [name, values] of Object.entries(numbers)) {
      const targets = expected[scenario][name];
      assert.equal(values.length, targets.length);
      const scale = Math.max(...targets.map(Math.abs));
      values.forEach((value, index) => {
        const isNear = Math.abs(value - targets[index]) <= TOLERANCE * scale;
        assert.ok(isNear, `${what}, ${scenario}, ${name}[${index}]: expected ${targets[index]}, got ${value}`);
      });
      compared += values.length;
    }
  }
  return compared;
}
