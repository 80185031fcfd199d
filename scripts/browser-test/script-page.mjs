import assert from 'node:assert/strict';
import { compare } from './numbers.mjs';

async function open(browser, address) {
  const page = await browser.newPage();
  const errors = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(address);
  return { page, errors };
}

/** The files for `<script>`, after those of TensorFlow.js: `fit` has the numbers of tfjs-node. */
export async function checkScripts(browser, address, reference) {
  const { page, errors } = await open(browser, `${address}/page/scripts.html`);
  await trainsAsOutside(page, ['cpu', 'webgl', 'wasm'], reference);
  await worksTogether(page);
  const visor = { charts: 4, caption: 'rgb(17, 17, 17)', areas: 'rgb(17, 17, 17)' };
  assert.deepEqual(await page.evaluate(drawOnVisor), visor);
  assert.deepEqual(errors, []);
  await page.close();
}

/** The same as modules, which say what is missing in a page without TensorFlow.js. */
export async function checkModules(browser, address, reference) {
  const { page, errors } = await open(browser, `${address}/page/modules.html`);
  await trainsAsOutside(page, ['cpu'], reference);
  await worksTogether(page);
  assert.deepEqual(errors, []);
  await page.close();
  const { page: empty } = await open(browser, `${address}/page/models.js`);
  const refused = await empty.evaluate(() => import('/dist/decomposed-loss.min.mjs').catch(({ message }) => message));
  assert.match(refused, /^Expected the global `tf`, got none\. Load tf\.min\.js of @tensorflow\/tfjs/);
  await empty.close();
}

async function trainsAsOutside(page, backends, reference) {
  for (const backend of backends) {
    const history = await page.evaluate(trainInPage, { backend, keys: Object.keys(reference.dense), epochs: 2 });
    console.log(`  ${backend}: ${compare(backend, history, reference.dense)} numbers as on tfjs-node`);
  }
}

/** The charts of the one file know what the functions of the other did to a model. */
async function worksTogether(page) {
  const { charted, ...rest } = await page.evaluate(useEverything);
  assert.deepEqual(rest, { dropped: 2, enforced: 0, lstmTerms: 3, decayed: 3, fused: 3, charts: 4, plotted: true });
  assert.deepEqual(charted, ['strokes', 'shapes', 'digits']);
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

/** Runs in the page. */
async function useEverything() {
  const { addWeightDecay, auditRegularizers, enforceRegularizers, fuseRegularizers } = tfDecomposedLoss;
  await tf.setBackend('cpu');
  const lstm = models.digitModel('lstm');
  const dropped = auditRegularizers(lstm).warnings;
  enforceRegularizers(lstm);
  const enforced = auditRegularizers(lstm).warnings;
  const lstmTerms = tfDecomposedLoss.regularizationTerms(lstm).length;
  const dense = models.digitModel('dense');
  const decayed = addWeightDecay(dense, { l2: 0.01, alsoRegularized: true }).added.length;
  const fused = fuseRegularizers(dense).fused.length;
  const place = document.body.appendChild(document.createElement('div'));
  const callbacks = tfDecomposedLoss.fitCallbacks(place);
  const { history } = await dense.fit(tf.ones([4, 28, 28, 1]), tf.ones([4, 10]), { verbose: 0, callbacks });
  const prefix = 'regularization_loss/';
  return {
    dropped,
    enforced,
    lstmTerms,
    decayed,
    fused,
    charted: Object.keys(history).flatMap((key) => (key.startsWith(prefix) ? key.slice(prefix.length) : [])),
    charts: place.querySelectorAll('figure').length,
    plotted: tfDecomposedLoss.plotLosses(history).includes('<svg'),
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
