import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type * as tfjs from '@tensorflow/tfjs';
import { fromKeras3 } from 'tfjs-decomposed-loss/keras';
import { upgradeTopology } from '../../src/keras/upgrade-topology';
import keras2 from '../fixtures/keras-json/keras-2.json';
import {
  archivedModels,
  artifactsOf,
  inputsOf,
  loadKeras3,
  modelsOf315,
  modelsOf33,
  one,
  response,
} from '../fixtures/keras-3/models';
import { backend, isOldest, tf } from '../helpers/backend';
import { tensorsLeftBy } from '../helpers/memory';

const fixture = (name: string) => modelsOf315.find((model) => model.name === name)!;
const folder = join(__dirname, '../fixtures/keras-3/converted');

function expectOutputs(model: tfjs.LayersModel, name: string, tolerance = 1e-4): void {
  const expected = fixture(name);
  const outputs = tf.tidy(() =>
    [model.predict(one(inputsOf(tf, expected)))].flat().map((output) => Array.from(output.dataSync())),
  );
  expected.outputs.forEach((values, output) => {
    values.forEach((value, n) => {
      expect(outputs[output]![n]!).toBeNear(value, tolerance);
    });
  });
}

describe('layouts', () => {
  it.each(archivedModels)('loads what the converter makes of a .keras file: $name', async (model) => {
    const loaded = await loadKeras3(tf, artifactsOf(model));
    expectOutputs(loaded, model.name);
    loaded.dispose();
  });

  it('finds the weights of models with layers of the same names in any order of other weights', async () => {
    const { weightData, weightSpecs, ...rest } = artifactsOf(fixture('stacked-cells'));
    const values = new Float32Array(weightData as ArrayBuffer);
    let offset = 0;
    const parts = weightSpecs!.map((spec) => {
      const size = spec.shape.reduce((product, length) => product * length, 1);
      return { spec, values: Array.from(values.slice(offset, (offset += size))) };
    });
    parts.reverse();
    const loaded = await loadKeras3(tf, {
      ...rest,
      weightSpecs: parts.map(({ spec }) => spec),
      weightData: Float32Array.from(parts.flatMap((part) => part.values)).buffer,
    });
    expectOutputs(loaded, 'stacked-cells');
    loaded.dispose();
  });

  (isOldest ? it.skip : it)('loads weights that come as several buffers', async () => {
    const { weightData, ...rest } = artifactsOf(fixture('lstm'));
    const bytes = weightData as ArrayBuffer;
    const buffers = [bytes.slice(0, 40), bytes.slice(40, 44), bytes.slice(44)];
    const loaded = await loadKeras3(tf, { ...rest, weightData: buffers });
    expectOutputs(loaded, 'lstm');
    loaded.dispose();
  });

  it.each(['dense', 'nested', 'operators', 'masked-graph'])(
    'loads a bare topology, with new weights: %s',
    async (name) => {
      const { topology } = fixture(name);
      const modelTopology = topology['model_config'] as object;
      const loaded = await tf.loadLayersModel(fromKeras3(tf.io.fromMemory({ modelTopology })));
      expect(loaded.outputs.map(({ shape }) => shape.slice(1))).toEqual(
        fixture(name).shapes.map((shape) => shape.slice(1)),
      );
      loaded.dispose();
    },
  );
});

describe('files and addresses', () => {
  let server: Server;
  const requests: Array<{ url: string; key: unknown }> = [];
  beforeAll(async () => {
    server = createServer(({ url, headers }, answer) => {
      requests.push({ url: url!, key: headers['x-key'] });
      answer.end(readFileSync(join(folder, url!.split('/').at(-1)!)));
    });
    await new Promise<void>((resolve) => server.listen(0, resolve));
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));
  const address = (path: string): string => `http://localhost:${(server.address() as AddressInfo).port}/${path}`;

  it('loads weights in float16 and in several shards over HTTP, with the options of loadLayersModel', async () => {
    const fractions: number[] = [];
    const loaded = await tf.loadLayersModel(
      fromKeras3(address('a/model.json'), {
        requestInit: { headers: { 'x-key': 'secret' } },
        fetchFunc: async (url, init) => response(Buffer.from(await (await fetch(url as string, init)).arrayBuffer())),
        weightPathPrefix: address('weights/'),
        onProgress: (fraction) => fractions.push(fraction),
      }),
    );
    expectOutputs(loaded, 'lstm', 1e-3);
    expect(requests.length).toBeGreaterThan(3);
    expect(requests.every(({ key }) => key === 'secret')).toBe(true);
    expect(requests.slice(1).every(({ url }) => url.startsWith('/weights/group1-shard'))).toBe(true);
    expect(fractions.at(-1)).toBe(1);
    loaded.dispose();
  });

  (backend === 'tensorflow' ? it : it.skip)('loads a file', async () => {
    const loaded = await tf.loadLayersModel(fromKeras3(`file://${folder}/model.json`));
    expectOutputs(loaded, 'lstm', 1e-3);
    loaded.dispose();
  });

  it('takes files that a page was given', async () => {
    const { modelTopology, weightSpecs, weightData } = artifactsOf(fixture('dense'));
    const handler: tfjs.io.IOHandler = {
      load: async () => ({ modelTopology: modelTopology!, weightSpecs: weightSpecs!, weightData: weightData! }),
    };
    const loaded = await tf.loadLayersModel(fromKeras3(handler));
    expectOutputs(loaded, 'dense');
    loaded.dispose();
  });

  it.each([
    [
      'file://models/mnist.keras',
      'tensorflowjs_converter --input_format=keras_keras --output_format=tfjs_layers_model models/mnist.keras model',
    ],
    ['mnist.h5', 'tensorflowjs_converter --input_format=keras mnist.h5 model'],
  ])('says how to convert %s', (path, command) => {
    expect(() => fromKeras3(path)).toThrow(command);
  });

  it.each([undefined, 3, {}, { save: async () => undefined }])('refuses %p', (value) => {
    expect(() => fromKeras3(value as never)).toThrow(
      'Expected `pathOrHandler` of `fromKeras3` to be a path or a handler that loads',
    );
  });

  it('says what to do with a file that holds a topology alone', async () => {
    const load = async () => ({}) as tfjs.io.ModelArtifacts;
    await expect(tf.loadLayersModel(fromKeras3({ load }))).rejects.toThrow('tf.io.fromMemory({modelTopology: json})');
  });
});

describe('models of Keras 2 and TensorFlow.js', () => {
  it.each(Object.entries(keras2 as unknown as Record<string, object>))(
    'leaves a topology of Keras 2 alone: %s',
    (_, topology) => {
      expect(upgradeTopology(topology, false).topology).toBe(topology);
      const saved = { keras_version: '2.15.0', model_config: topology };
      expect(upgradeTopology(saved, false).topology).toBe(saved);
    },
  );

  it('passes on what TensorFlow.js saved as it is', async () => {
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] });
    let saved: tfjs.io.ModelArtifacts | undefined;
    await model.save(
      tf.io.withSaveHandler(async (artifacts) => {
        saved = artifacts;
        return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
      }),
    );
    expect(await fromKeras3(tf.io.fromMemory(saved!)).load!()).toEqual(saved);
    model.dispose();
  });
});

it('changes nothing in what it is given', () => {
  for (const { topology, name } of [...modelsOf315, ...modelsOf33]) {
    const before = JSON.stringify(topology);
    try {
      upgradeTopology(topology, false);
    } catch (error) {
      expect((error as Error).message).toContain('Expected');
    }
    expect(`${name} ${JSON.stringify(topology)}`).toBe(`${name} ${before}`);
  }
});

it('leaves no tensor behind', async () => {
  expect(
    await tensorsLeftBy(async () => {
      (await loadKeras3(tf, artifactsOf(archivedModels[0]!))).dispose();
    }),
  ).toBe(0);
});

it('gives layers of the same name names of their own', async () => {
  const loaded = await loadKeras3(tf, artifactsOf(fixture('nested')));
  const names = loaded.weights.map(({ originalName }) => originalName);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toEqual(expect.arrayContaining(['hidden/kernel', 'hidden_1/kernel', 'hidden_2/kernel']));
  loaded.dispose();
});

type Layers = Array<{ class_name: string; config: object; inbound_nodes: Array<{ args: Array<{ config: object }> }> }>;

/** Puts the tensor of another call in place of the first argument of the last layer. */
const redirect = (history: [string, number, number]) => (layers: Layers) =>
  Object.assign(layers.at(-1)!.inbound_nodes[0]!.args[0]!.config, { keras_history: history });
const set = (fields: object) => (layers: Layers) => Object.assign(layers[1]!.config, fields);
const float16 = { class_name: 'DTypePolicy', config: { name: 'mixed_float16' } };

it.each<[string, string, (layers: Layers) => unknown, string]>([
  ['an unknown field', 'dense', set({ lora_rank: 4 }), '`lora_rank` of the Dense layer `dense` to be null, got 4'],
  ['a stateful layer', 'lstm', set({ stateful: true }), '`stateful` of the LSTM layer `lstm` to be false, got true'],
  [
    'an output padding',
    'conv2d-transpose',
    set({ output_padding: [1, 1] }),
    '`output_padding` of the Conv2DTranspose layer',
  ],
  ['mixed precision', 'dense', set({ dtype: float16 }), '`dtype` of the Dense layer `dense` to be "float32"'],
  ['an unknown class', 'dense', (all) => (all[1]!.class_name = 'constructor'), 'the constructor layer `dense`'],
  ['an unbuilt model', 'dense', (all) => all.shift(), 'which does not say the shape of its inputs'],
  [
    'a penalty on activations within a TimeDistributed, where Keras 3 adds none',
    'dense',
    (all) =>
      Object.assign(all[1]!, {
        class_name: 'TimeDistributed',
        config: {
          name: 'each',
          trainable: true,
          layer: { class_name: 'ActivityRegularization', config: { name: 'a', l1: 0, l2: 0.1 } },
        },
      }),
    '`layer` of the TimeDistributed layer `each` to be one that adds no penalty',
  ],
  ['a circle of calls', 'operators', redirect(['multiply', 0, 0]), 'got a circle at call 0 of `multiply`'],
  ['a call that is not there', 'operators', redirect(['dense', 7, 0]), 'got no call 7 of `dense`'],
])('refuses %s', async (_, name, change, message) => {
  const model = JSON.parse(JSON.stringify(fixture(name))) as ReturnType<typeof fixture>;
  change((model.topology as unknown as { model_config: { config: { layers: Layers } } }).model_config.config.layers);
  await expect(loadKeras3(tf, artifactsOf(model))).rejects.toThrow(message);
});

it('refuses a penalty on activations of an unknown or an older version of Keras, except to predict', () => {
  const { topology } = fixture('activity-regularization') as unknown as { topology: { model_config: object } };
  const ofVersion = (version: string) => ({ ...topology, keras_version: version });
  expect(() => upgradeTopology(ofVersion('3.15.1'), false)).not.toThrow();
  for (const older of [ofVersion('3.13.2'), topology.model_config]) {
    expect(() => upgradeTopology(older, false)).toThrow(/before 3\.14.*or of an unknown version/);
    expect(() => upgradeTopology(older, true)).not.toThrow();
  }
});
