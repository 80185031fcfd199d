import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as library from 'tfjs-decomposed-loss';
import * as charts from 'tfjs-decomposed-loss/charts';
import * as gradients from 'tfjs-decomposed-loss/gradients';
import * as node from 'tfjs-decomposed-loss/node';
import * as regularizers from 'tfjs-decomposed-loss/regularizers';
import * as tensorboard from 'tfjs-decomposed-loss/tensorboard';
import * as tfvis from 'tfjs-decomposed-loss/tfvis';
import { backend, tf } from '../helpers/backend';
import { batches, data, regressor } from '../helpers/models';
import { FakeElement } from '../helpers/page';

const readme = fs.readFileSync(join(__dirname, '../../README.md'), 'utf8');
const blocks = Array.from(readme.matchAll(/^```js\n([^]*?)^```/gm), ([, code]) => code!);

/** There is no page here; `npm run test:browser` has one. */
const surface = new FakeElement('surface');
jest.mock('@tensorflow/tfjs-vis', () => ({
  render: { linechart: async () => undefined },
  visor: () => ({ surface: () => ({ drawArea: surface }) }),
}));

/** The recipes log to a folder of their own, and use tfjs-node's TensorBoard callback. */
const recipe = backend === 'tensorflow' ? it : it.skip;

/** An LSTM as Keras saves it: its regularizer is of the class `L2`. */
function saveLstm(folder: string): void {
  const kernelRegularizer = tf.regularizers.l2({ l2: 0.5 });
  const layer = tf.layers.lstm({ units: 2, inputShape: [3, 1], kernelRegularizer });
  const model = tf.sequential({ layers: [layer, tf.layers.dense({ units: 1 })] });
  const topology = JSON.stringify(model.toJSON(null, false)).replace('"L1L2","config":{"l1":0,', '"L2","config":{');
  const weights = model.weights.map(({ originalName, shape }) => ({ name: originalName, shape, dtype: 'float32' }));
  const values = model.getWeights().map((weight) => Buffer.from(weight.dataSync().buffer));
  fs.mkdirSync(folder);
  fs.writeFileSync(join(folder, 'weights.bin'), Buffer.concat(values));
  const weightsManifest = [{ paths: ['weights.bin'], weights }];
  fs.writeFileSync(
    join(folder, 'model.json'),
    JSON.stringify({ modelTopology: JSON.parse(topology), weightsManifest }),
  );
}

const modules: Record<string, unknown> = {
  'node:fs': fs,
  '@tensorflow/tfjs-node': tf,
  'tfjs-decomposed-loss': library,
  'tfjs-decomposed-loss/charts': charts,
  'tfjs-decomposed-loss/gradients': gradients,
  'tfjs-decomposed-loss/node': node,
  'tfjs-decomposed-loss/regularizers': regularizers,
  'tfjs-decomposed-loss/tensorboard': tensorboard,
  'tfjs-decomposed-loss/tfvis': tfvis,
};
const AsyncFunction = (async () => undefined).constructor as new (
  ...code: string[]
) => (...values: unknown[]) => Promise<unknown>;

const folder = fs.mkdtempSync(join(tmpdir(), 'readme-'));
const here = process.cwd();
beforeAll(() => {
  process.chdir(folder);
  saveLstm('lstm');
});
afterAll(() => {
  process.chdir(here);
  fs.rmSync(folder, { recursive: true });
});

recipe.each(blocks.map((code) => [code.trim().split('\n')[0]!, code]))('runs: %s', async (_, code) => {
  jest.spyOn(console, 'log').mockImplementation();
  jest.spyOn(console, 'table').mockImplementation();
  const known = {
    require: (name: string) => modules[name],
    tf,
    decomposedLoss: library.decomposedLoss,
    model: regressor(),
    x: data([8, 4]),
    y: data([8, 1]),
    sampleWeight: tf.ones([8]),
    dataset: batches([data([8, 4]), data([8, 1])]),
  };
  // In a block of its own, a recipe may declare anew what it is given.
  await new AsyncFunction(...Object.keys(known), `{\n${code}\n}`)(...Object.values(known));
  jest.restoreAllMocks();
});

it('has code to run', () => {
  expect(blocks.length).toBeGreaterThan(8);
});
