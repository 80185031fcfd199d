import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { serialization } from '@tensorflow/tfjs-core';
import { RegularizerBase } from '../../src/host/model/regularizers';
import { LayerFailure, modelWithoutWeights, savedKind } from '../../src/host/model/saved-topology';
import { tf } from '../helpers/backend';

const dense = (config: object = {}) => ({
  class_name: 'Sequential',
  config: {
    name: 's',
    layers: [{ class_name: 'Dense', config: { name: 'd', units: 2, batch_input_shape: [null, 3], ...config } }],
  },
});

/** What a load changes while it runs. */
const changeable = () => {
  const { prototype } = tf.layers.Layer as unknown as { prototype: { addWeight: unknown; apply: unknown } };
  const { classNameMap } = serialization.SerializationMap.getMap();
  return [prototype.addWeight, prototype.apply, ...Object.values(classNameMap).flat()];
};

it('TensorFlow.js waits for ever for an input that never comes', async () => {
  const layers = [
    `{name: 'x', class_name: 'InputLayer', config: {name: 'x', batch_input_shape: [null, 1]}, inbound_nodes: []}`,
    `{name: 'a', class_name: 'Flatten', config: {name: 'a'}, inbound_nodes: [[['a', 0, 0]]]}`,
  ];
  const config = `{name: 'm', layers: [${layers.join()}], input_layers: [['x', 0, 0]], output_layers: [['a', 0, 0]]}`;
  const load = `models.modelFromJSON({class_name: 'Model', config: ${config}})`;
  const script = `const {models} = require('@tensorflow/tfjs'); console.log('begin'); ${load}; console.log('end')`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (text: Buffer) => (said += text.toString()));
  await once(child.stdout, 'data');
  await setTimeout(2000);
  child.kill('SIGKILL');
  await once(child, 'close');
  expect(said).toBe('begin\n');
});

it('has the structure of the model, and weights of one value each', async () => {
  const { model, dispose } = await modelWithoutWeights(dense({ units: 1e9, use_bias: true, trainable: false }));
  expect(model.outputs[0]!.shape).toEqual([null, 1e9]);
  expect(model.weights.map(({ originalName, shape }) => [originalName, shape])).toEqual([
    ['d/kernel', [1, 1]],
    ['d/bias', [1]],
  ]);
  expect(model.trainableWeights).toEqual([]);
  dispose();
});

it.each<[string, object]>([
  ['a model', dense()],
  ['one that cannot be loaded', dense({ activation: 'nobody' })],
  [
    'one whose second layer cannot be called',
    {
      class_name: 'Sequential',
      config: { layers: [...dense().config.layers, { class_name: 'LSTM', config: { units: 1 } }] },
    },
  ],
])('leaves nothing behind: %s', async (_, topology) => {
  const [before, tensors] = [changeable(), tf.memory().numTensors];
  const loaded = await modelWithoutWeights(topology).catch(() => undefined);
  expect(changeable()).toEqual(before);
  loaded?.dispose();
  expect(tf.memory().numTensors).toBe(tensors);
});

it('names the innermost layer that cannot be made, with the error of TensorFlow.js as the cause', async () => {
  const topology = {
    class_name: 'Sequential',
    config: {
      layers: [{ class_name: 'TimeDistributed', config: { name: 't', layer: dense({ units: 0 }).config.layers[0] } }],
    },
  };
  const failure = await modelWithoutWeights(topology).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(LayerFailure);
  expect(failure).toMatchObject({
    layer: 'd',
    className: 'Dense',
    cause: { message: expect.stringContaining('units') },
  });
});

const failureOf = (topology: object) => modelWithoutWeights(topology).catch((error: unknown) => error);

it('names the layer of a regularizer that cannot be made', async () => {
  class Failing extends RegularizerBase {
    static className = 'FailingRegularizer';
    static override fromConfig = (): never => {
      throw new Error('no such regularizer');
    };
    override apply = () => tf.scalar(0);
    override getConfig = () => ({});
  }
  tf.serialization.registerClass(Failing);
  const failure = await failureOf(dense({ kernel_regularizer: { class_name: 'FailingRegularizer', config: {} } }));
  expect(failure).toMatchObject({ layer: 'd', className: 'Dense', cause: { message: 'no such regularizer' } });
});

it('refuses sizes below 0, and takes 0', async () => {
  const failure = await failureOf(dense({ batch_input_shape: [null, -3] }));
  expect(failure).toMatchObject({ layer: 'd', cause: { message: expect.stringContaining('the shape [-3, 2]') } });
  const { model, dispose } = await modelWithoutWeights(dense({ batch_input_shape: [null, 0] }));
  expect(model.inputs[0]!.shape).toEqual([null, 0]);
  dispose();
});

it('refuses what is no model, and an output that a layer does not have', async () => {
  expect(await failureOf({ class_name: 'Flatten', config: { name: 'f' } })).toMatchObject({
    message: 'its outermost class is not a model',
  });
  const layers = [
    { name: 'x', class_name: 'InputLayer', config: { name: 'x', batch_input_shape: [null, 3] }, inbound_nodes: [] },
    { name: 'a', class_name: 'Dense', config: { name: 'a', units: 2 }, inbound_nodes: [[['x', 0, 1, {}]]] },
  ];
  const config = { name: 'm', layers, input_layers: [['x', 0, 0]], output_layers: [['a', 0, 0]] };
  expect(await failureOf({ class_name: 'Model', config })).toMatchObject({
    layer: 'a',
    cause: { message: expect.stringContaining('`inbound_nodes` names an output') },
  });
});

it('tells what the host makes of a name', () => {
  expect(['Functional', 'Model', 'Sequential', 'Dense', 'L1L2', 'Zeros', 'toString', 7].map(savedKind)).toEqual([
    ...['graph', 'graph', 'sequential', 'layer', 'regularizer', 'other', undefined, undefined],
  ]);
});
