import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as library from 'tfjs-decomposed-loss';
import * as keras from 'tfjs-decomposed-loss/keras';
import * as regularizers from 'tfjs-decomposed-loss/regularizers';
import type * as tfjs from '@tensorflow/tfjs';
import { guide, response, uniform } from '../fixtures/keras-3/models';
import { backend, tf } from '../helpers/backend';

const text = readFileSync(join(__dirname, '../../docs/from-keras.md'), 'utf8');
const blocksOf = (language: string): string[] =>
  Array.from(text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, 'gm')), ([, code]) => code!);

const modules: Record<string, unknown> = {
  '@tensorflow/tfjs-node': tf,
  'tfjs-decomposed-loss': library,
  'tfjs-decomposed-loss/keras': keras,
  'tfjs-decomposed-loss/regularizers': regularizers,
};
const AsyncFunction = (async () => undefined).constructor as new (
  ...code: string[]
) => (
  ...values: unknown[]
) => Promise<{ model: tfjs.LayersModel; history: Record<string, number[]>; untrained: tfjs.LayersModel }>;

/** An ES module as the body of a function, for any backend: what is a file there is served here. */
const asBody = (code: string): string =>
  code
    .replaceAll('file://', '')
    .replace(/^import \* as (\w+) from ('.*');$/gm, 'const $1 = modules[$2];')
    .replace(/^import (\{.*\}) from ('.*');$/gm, 'const $1 = modules[$2];');

/** Serves the folder that the converter wrote. */
function serve(folder: string): void {
  const files = join(__dirname, '../fixtures/keras-3', folder);
  global.fetch = async (url) => response(readFileSync(join(files, (url as string).split('/').at(-1)!)));
  const { modelTopology } = JSON.parse(readFileSync(join(files, 'model.json'), 'utf8')) as {
    modelTopology: { model_config: object };
  };
  modules['node:fs'] = { readFileSync: () => JSON.stringify(modelTopology.model_config) };
}

const { fetch } = global;
afterEach(() => {
  global.fetch = fetch;
  jest.restoreAllMocks();
});

it('has the Python and the commands whose results are the fixtures', () => {
  expect(blocksOf('python')).toEqual([guide.python]);
  expect(blocksOf('sh')).toEqual([guide.shell]);
});

(backend === 'wasm' ? it.skip.each(guide.models) : it.each(guide.models))(
  'runs from the first line to the last: $folder',
  async ({ folder, predictions }) => {
    serve(folder);
    const printed = jest.spyOn(console, 'log').mockImplementation();
    const body = asBody(blocksOf('js').join('\n'));
    const { model, history, untrained } = await new AsyncFunction(
      'modules',
      `${body}\nreturn { model, history, untrained };`,
    )(modules);

    expect(printed.mock.calls.flat().join('\n')).toContain('regularizer-dropped');
    const [loss, data, regularization] = ['loss', 'data_loss', 'regularization_loss'].map((key) => history[key]!);
    expect(loss).toHaveLength(3);
    loss!.forEach((total, epoch) => {
      expect(total).toBeNear(data![epoch]! + regularization![epoch]!);
      expect(regularization![epoch]).toBeGreaterThan(0);
    });

    const loaded = await tf.loadLayersModel(keras.fromKeras3('model/model.json'));
    const x = tf.tensor(uniform(32, 5), [2, 8, 2]);
    const outputs = Array.from((loaded.predict(x) as tfjs.Tensor).dataSync());
    predictions.forEach((value, n) => {
      expect(outputs[n]!).toBeNear(value, 1e-4);
    });
    [model, untrained, loaded].forEach((one) => one.dispose());
  },
);
