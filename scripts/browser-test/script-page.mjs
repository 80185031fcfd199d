import assert from 'node:assert/strict';
import { compare } from './numbers.mjs';

const FILES = [
  'tfjs/dist/tf.min.js',
  'tfjs-backend-wasm/dist/tf-backend-wasm.min.js',
  'tfjs-vis/dist/tfjs-vis.umd.min.js',
];
const TENSORFLOW = FILES.map((file) => `/modules/@tensorflow/${file}`);

/** Does something in an empty page with scripts. */
async function inPage(browser, address, scripts, work) {
  const page = await browser.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.route(`${address}/empty`, (route) => route.fulfill({ contentType: 'text/html', body: '' }));
  await page.goto(`${address}/empty`);
  for (const url of scripts) await page.addScriptTag({ url });
  await work(page);
  assert.deepEqual(errors, []);
  await page.close();
}

/** The files for `<script>`, after those of TensorFlow.js: `fit` has the numbers of tfjs-node. */
export function checkScripts(browser, address, reference) {
  const scripts = [...TENSORFLOW, '/dist/decomposed-loss.min.js', '/dist/tfvis.min.js', '/models.js'];
  return inPage(browser, address, scripts, async (page) => {
    await trainsAsOutside(page, ['cpu', 'webgl', 'wasm'], reference);
    await worksTogether(page);
    const visor = { charts: 2, caption: 'rgb(17, 17, 17)', text: 'rgb(82, 81, 78)' };
    assert.deepEqual(await page.evaluate(drawOnVisor), visor);
  });
}

/** The same as modules, which say what is missing in a page without TensorFlow.js. */
export async function checkModules(browser, address, reference) {
  const load = async () => {
    const modules = [await import('/dist/decomposed-loss.min.mjs'), await import('/dist/tfvis.min.mjs')];
    globalThis.tfDecomposedLoss = Object.assign({}, ...modules);
  };
  await inPage(browser, address, [...TENSORFLOW, '/models.js'], async (page) => {
    await page.evaluate(load);
    await trainsAsOutside(page, ['cpu'], reference);
    await worksTogether(page);
  });
  const missing = /Expected the global `tf`, got none\. Load tf\.min\.js of @tensorflow\/tfjs/;
  await inPage(browser, address, [], (page) => assert.rejects(page.evaluate(load), missing));
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
  assert.deepEqual(rest, { dropped: 2, enforced: 0, lstmTerms: 3, decayed: 3, fused: 3, charts: 2, plotted: true });
  assert.deepEqual(charted, ['strokes', 'shapes', 'digits']);
}

/** Runs in the page. */
async function trainInPage({ backend, keys, epochs }) {
  tf.wasm?.setWasmPaths('/modules/@tensorflow/tfjs-backend-wasm/dist/');
  if (!(await tf.setBackend(backend))) throw new Error(`no ${backend}`);
  const data = models.digitsFrom(new Uint8Array(await (await fetch('/example/digits.bin')).arrayBuffer()));
  const args = { ...models.fitArgs(data, epochs), callbacks: tfDecomposedLoss.decomposedLoss() };
  const { history } = await models.digitModel('dense').fit(data.training.xs, data.training.ys, args);
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
  const charted = Object.keys(history).flatMap((key) => (key.startsWith(prefix) ? key.slice(prefix.length) : []));
  const charts = place.querySelectorAll('figure').length;
  const plotted = tfDecomposedLoss.plotLosses(history).includes('<svg');
  return { dropped, enforced, lstmTerms, decayed, fused, charted, charts, plotted };
}

/** Runs in the page, made dark. The visor is white all the same. */
async function drawOnVisor() {
  document.body.style.cssText = 'color: white; background: black';
  const callbacks = tfDecomposedLoss.fitCallbacks({ name: 'Loss', tab: 'Training' });
  await models.digitModel('dense').fit(tf.ones([4, 28, 28, 1]), tf.ones([4, 10]), { verbose: 0, callbacks });
  const charts = [...document.querySelectorAll('.visor figure')];
  const caption = getComputedStyle(charts[0].querySelector('figcaption')).color;
  return { charts: charts.length, caption, text: getComputedStyle(charts[1].querySelector('svg text')).fill };
}
