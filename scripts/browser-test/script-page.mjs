import assert from 'node:assert/strict';
import { compare } from './numbers.mjs';

/** The files for `<script>`, beside those of TensorFlow.js: `fit` has the numbers of tfjs-node. */
export async function checkScriptTags(browser, address, reference) {
  const page = await browser.newPage();
  const errors = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(`${address}/page/script-tag.html`);
  for (const backend of ['cpu', 'webgl', 'wasm']) {
    const history = await page.evaluate(trainInPage, { backend, keys: Object.keys(reference.dense), epochs: 2 });
    console.log(`  ${backend}: ${compare(backend, history, reference.dense)} numbers as on tfjs-node`);
  }
  assert.deepEqual(await page.evaluate(useAddOns), {
    dropped: 2,
    enforced: 0,
    lstmTerms: 3,
    decayed: 3,
    denseTerms: ['strokes', 'shapes', 'digits'],
    charts: 4,
    plotted: true,
  });
  const visor = { charts: 4, caption: 'rgb(17, 17, 17)', areas: 'rgb(17, 17, 17)' };
  assert.deepEqual(await page.evaluate(drawOnVisor), visor);
  assert.deepEqual(errors, []);
  await page.close();
}

/** Runs in the page. */
async function trainInPage({ backend, keys, epochs }) {
  tf.wasm?.setWasmPaths('/modules/@tensorflow/tfjs-backend-wasm/dist/');
  if (!(await tf.setBackend(backend))) throw new Error(`no ${backend}`);
  const data = models.digitsFrom(new Uint8Array(await (await fetch('/example/digits.bin')).arrayBuffer()));
  const { history } = await models.digitModel('dense').fit(data.training.xs, data.training.ys, {
    ...models.fitArgs(data, epochs),
    callbacks: tfDecomposedLoss.decomposedLoss(),
  });
  return Object.fromEntries(keys.map((key) => [key, history[key]]));
}

/** Runs in the page. The other files work on what the first file knows: they share its modules. */
async function useAddOns() {
  const { auditRegularizers, enforceRegularizers, addWeightDecay, fitCallbacks, plotLosses } = tfDecomposedLoss;
  await tf.setBackend('cpu');
  const lstm = models.digitModel('lstm');
  const dropped = auditRegularizers(lstm).warnings;
  enforceRegularizers(lstm);
  const enforced = auditRegularizers(lstm).warnings;
  const lstmTerms = tfDecomposedLoss.regularizationTerms(lstm).length;
  const dense = models.digitModel('dense');
  const decayed = addWeightDecay(dense, { l2: 0.01, alsoRegularized: true }).added.length;
  const place = document.body.appendChild(document.createElement('div'));
  const callbacks = fitCallbacks(place);
  const { history } = await dense.fit(tf.ones([4, 28, 28, 1]), tf.ones([4, 10]), { verbose: 0, callbacks });
  const denseTerms = tfDecomposedLoss.regularizationTerms(dense).map(({ layer }) => layer);
  return {
    dropped,
    enforced,
    decayed,
    lstmTerms,
    denseTerms: [...new Set(denseTerms)],
    charts: place.querySelectorAll('figure').length,
    plotted: plotLosses(history).includes('<svg'),
  };
}

/** Runs in the page, made dark. The visor is white all the same. */
async function drawOnVisor() {
  document.body.style.cssText = 'color: white; background: black';
  const callbacks = tfDecomposedLoss.fitCallbacks({ name: 'Loss', tab: 'Training' });
  await models.digitModel('dense').fit(tf.ones([4, 28, 28, 1]), tf.ones([4, 10]), { verbose: 0, callbacks });
  const charts = [...document.querySelectorAll('.visor figure')];
  return {
    charts: charts.length,
    caption: getComputedStyle(charts[0].querySelector('figcaption')).color,
    areas: getComputedStyle(charts[3].querySelector('svg')).fill,
  };
}
