import { fromKeras3 } from 'tfjs-decomposed-loss/keras';
import { trainStep } from 'tfjs-decomposed-loss';
import { enforceRegularizers } from 'tfjs-decomposed-loss/regularizers';
import {
  artifactsOf,
  digest,
  inputsOf,
  loadKeras3,
  modelsOf315,
  modelsOf33,
  one,
  targetsOf,
  type Keras3Model,
} from '../fixtures/keras-3/models';
import { backend, isOldest, tf } from '../helpers/backend';

/** Layers that TensorFlow.js has, and computes otherwise than Keras, or cannot load. */
const REFUSED: Record<string, string> = {
  'bidirectional-cell': '`layer` of the Bidirectional layer `bidirectional`',
  'category-encoding': 'the CategoryEncoding layer `category_encoding`',
  'own-mask': '`mask` of the LSTM layer `lstm` to be the one that its input has',
  'one-mask-of-two': '`mask` of the SimpleRNN layer `simple_rnn` to be the mask of the other layers',
  'center-crop': 'the CenterCrop layer `center_crop`',
  resizing: 'the Resizing layer `resizing`',
};

/** Models that TensorFlow.js predicts with, and cannot train as Keras does. */
const ONLY_PREDICT: Record<string, string> = {
  'conv3d-transpose': '`class_name` of the Conv3DTranspose layer `conv3d_transpose`',
  'initial-states': '`initial_state` of the GRU layer `gru`',
  'nested-mask': '`mask` of the Embedding layer `inner/embedding`',
};

/** On the CPU backend the gradient of nearest neighbours mixes up the samples of a batch. */
const trains = (name: string): boolean =>
  !(name in ONLY_PREDICT) && !(backend === 'cpu' && name === 'up-sampling2d') && !(isOldest && name === 'elu');

const models = [
  ...modelsOf315.map((model) => ({ ...model, version: '3.15' })),
  ...modelsOf33.map((model) => ({ ...model, version: '3.3' })),
].filter(({ name, version }) => !(version === '3.3' && name === 'activity-regularization'));

/** The wasm backend computes a maximum of its own in three dimensions. */
const computes = (name: string): boolean => !(backend === 'wasm' && name === 'max-pooling3d');

const loaded = models.filter(({ name }) => !(name in REFUSED) && computes(name));

function expectNear(received: ArrayLike<number>, expected: readonly number[]): void {
  expect(received).toHaveLength(expected.length);
  expected.forEach((value, n) => {
    expect(received[n]!).toBeNear(value, 1e-4);
  });
}

async function load(model: Keras3Model) {
  const artifacts = artifactsOf(model);
  return loadKeras3(tf, artifacts, { predictOnly: model.name in ONLY_PREDICT });
}

it('has a model of every kind of layer that TensorFlow.js has', () => {
  const { classNameMap } = tf.serialization.SerializationMap.getMap();
  const inFixtures = JSON.stringify(modelsOf315.map(({ topology }) => topology));
  const isLayer = (constructor: unknown): boolean =>
    (constructor as { prototype: unknown }).prototype instanceof tf.layers.Layer;
  const missing = Object.entries(classNameMap).filter(
    ([name, [constructor]]) => isLayer(constructor) && !inFixtures.includes(`"class_name":"${name}"`),
  );
  // The first is an older name, the second is not in Keras 3, the next two are not what Keras 3 saves, and the last is ours.
  expect(missing.map(([name]) => name)).toEqual([
    'Model',
    'ThresholdedReLU',
    'ConvLSTM2DCell',
    ...(isOldest ? [] : ['RandomWidth']),
    'LossTerm',
  ]);
});

it.each(loaded)('predicts as Keras does: $name, Keras $version', async (model) => {
  const loadedModel = await load(model);
  const x = inputsOf(tf, model);
  const outputs = [loadedModel.predict(one(x))].flat();
  expect(outputs.map(({ shape }) => shape)).toEqual(model.shapes);
  outputs.forEach((output, n) => expectNear(output.dataSync(), model.outputs[n]!));
  tf.dispose([outputs, x]);
  loadedModel.dispose();
});

const trained = loaded.filter(({ name, steps }) => steps.length > 0 && trains(name));

/** The wasm backend lacks gradients of convolutions, poolings and gathers. */
const whereTrained = backend === 'wasm' ? it.skip.each(trained) : it.each(trained);

whereTrained('trains as Keras does: $name, Keras $version', async (model) => {
  const artifacts = artifactsOf(model);
  const loadedModel = await loadKeras3(tf, artifacts);
  loadedModel.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
  enforceRegularizers(loadedModel, { frozen: true });
  const x = inputsOf(tf, model);
  const y = targetsOf(tf, model.shapes);
  for (const { total, data, regularization } of model.steps) {
    const losses = await trainStep(loadedModel, one(x), one(y));
    expectNear([losses.total, losses.data, losses.regularization], [total, data, regularization]);
  }
  const { weightSpecs } = await fromKeras3(tf.io.fromMemory(artifacts)).load!();
  const byName = new Map(loadedModel.weights.map((weight) => [weight.originalName, weight]));
  weightSpecs!.forEach(({ name }, n) => expectNear(digest(byName.get(name)!.read().dataSync()), model.trained[n]!));
  expect(byName.size).toBe(weightSpecs!.length);
  tf.dispose([x, y]);
  loadedModel.optimizer.dispose();
  loadedModel.dispose();
});

it.each(models.filter(({ name }) => name in REFUSED))('refuses by name: $name, Keras $version', async (model) => {
  await expect(load(model)).rejects.toThrow(REFUSED[model.name]);
});

it.each(models.filter(({ name }) => name in ONLY_PREDICT))(
  'refuses to train what TensorFlow.js cannot: $name, Keras $version',
  async (model) => {
    await expect(loadKeras3(tf, artifactsOf(model))).rejects.toThrow(ONLY_PREDICT[model.name]);
  },
);
