/** Everything that trains, on one backend: in the page and in a worker that load this. */
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import '@tensorflow/tfjs-backend-webgpu';
import { decomposedLoss, evaluate, trainStep } from 'tfjs-decomposed-loss';
import { lossAndGradients } from 'tfjs-decomposed-loss/gradients';
import { activityRegularization, enforceRegularizers, fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';

/** Arrays of numbers by name. */
type Numbers = Record<string, number[]>;

const kernelRegularizer = () => tf.regularizers.l1l2({ l1: 0.002, l2: 0.03 });
const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });

/** Values from -1 to 1 in no order. */
function values(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, index) => Math.sin(12.9898 * (index + 1) + seed));
}

// An even number of classes: on WebGL, the gradient of `tf.losses.softmaxCrossEntropy` is wrong for an odd number.
const [SAMPLES, FEATURES, CLASSES] = [48, 12, 4];

function data(): { x: tf.Tensor2D; y: tf.Tensor2D } {
  const labels = Int32Array.from({ length: SAMPLES }, (_, index) => (index * index) % CLASSES);
  return {
    x: tf.tensor2d(values(SAMPLES * FEATURES, 1), [SAMPLES, FEATURES]),
    y: tf.tidy(() => tf.oneHot(tf.tensor1d(labels, 'int32'), CLASSES).toFloat() as tf.Tensor2D),
  };
}

function modelOf(layers: tf.layers.Layer[], optimizer: tf.Optimizer = tf.train.momentum(0.1, 0.9)): tf.Sequential {
  const scores = tf.layers.dense({
    name: 'scores',
    units: CLASSES,
    kernelInitializer: seeded(9),
    kernelRegularizer: kernelRegularizer(),
  });
  const model = tf.sequential({ layers: [...layers, scores] });
  model.compile({ optimizer, loss: crossEntropy });
  return model;
}

const crossEntropy = (yTrue: tf.Tensor, logits: tf.Tensor): tf.Tensor =>
  tf.losses.softmaxCrossEntropy(yTrue, logits, undefined, undefined, tf.Reduction.NONE);

const hidden = () =>
  tf.layers.dense({
    name: 'hidden',
    inputShape: [FEATURES],
    units: 16,
    activation: 'relu',
    kernelInitializer: seeded(2),
    kernelRegularizer: kernelRegularizer(),
  });
const dense = (optimizer?: tf.Optimizer) => modelOf([hidden()], optimizer);
const convolutional = () =>
  modelOf([
    tf.layers.reshape({ inputShape: [FEATURES], targetShape: [4, 3, 1] }),
    tf.layers.conv2d({
      name: 'filters',
      filters: 4,
      kernelSize: 2,
      kernelInitializer: seeded(3),
      kernelRegularizer: kernelRegularizer(),
    }),
    tf.layers.flatten(),
  ]);
const recurrent = () =>
  modelOf([
    tf.layers.reshape({ inputShape: [FEATURES], targetShape: [3, 4] }),
    tf.layers.lstm({
      name: 'steps',
      units: 6,
      kernelInitializer: seeded(4),
      recurrentInitializer: seeded(5),
      kernelRegularizer: kernelRegularizer(),
      recurrentRegularizer: kernelRegularizer(),
    }),
  ]);

async function fit(model: tf.Sequential, { x, y }: ReturnType<typeof data>): Promise<Numbers> {
  const { history } = await model.fit(x, y, {
    epochs: 2,
    batchSize: 16,
    shuffle: false,
    verbose: 0,
    validationData: [x, y],
    callbacks: decomposedLoss({ breakdown: 'weight' }),
  });
  return { ...(history as Numbers), ...(await named('weight', model.getWeights())) };
}

async function named(name: string, tensors: tf.Tensor[]): Promise<Numbers> {
  const read = await Promise.all(tensors.map(async (tensor) => [...(await tensor.data())]));
  return Object.fromEntries(read.map((one, index) => [`${name} ${index}`, one]));
}

const scenarios: Record<string, (of: ReturnType<typeof data>) => Promise<Numbers>> = {
  fit: (of) => fit(dense(), of),
  'fit with Adam': (of) => fit(dense(tf.train.adam(0.01)), of),
  'fit with convolutions': (of) => fit(convolutional(), of),
  trainStep: async ({ x, y }) => {
    const model = dense();
    const losses = [await trainStep(model, x, y), await trainStep(model, x, y)];
    return {
      total: losses.map(({ total }) => total),
      data: losses.map((loss) => loss.data),
      regularization: losses.map(({ regularization }) => regularization),
      ...(await named('weight', model.getWeights())),
    };
  },
  evaluate: async ({ x, y }) => {
    const { total, data: fits, regularization } = await evaluate(dense(), x, y, { batchSize: 20 });
    return { total: [total], data: [fits], regularization: [regularization] };
  },
  lossAndGradients: async ({ x, y }) => {
    const { loss, data: ofData, penalty } = await lossAndGradients(dense(), x, y);
    const gradients = [...Object.values(ofData), ...Object.values(penalty)];
    const numbers = { total: [loss.total], data: [loss.data], ...(await named('gradient', gradients)) };
    tf.dispose(gradients);
    return numbers;
  },
  fuseRegularizers: (of) => {
    const model = dense();
    fuseRegularizers(model);
    return fit(model, of);
  },
  enforceRegularizers: (of) => {
    const model = recurrent();
    enforceRegularizers(model);
    return fit(model, of);
  },
  activityRegularization: (of) =>
    fit(modelOf([hidden(), activityRegularization({ name: 'activity', l1: 0.01, l2: 0.02 })]), of),
};

/**
 * Runs every scenario on a backend, but for those to leave out.
 *
 * @param wasm - The address of the folder with the WebAssembly backend's files.
 */
export async function trainEverything(
  backend: string,
  wasm: string,
  without: string[],
): Promise<Record<string, Numbers>> {
  setWasmPaths(wasm);
  if (!(await tf.setBackend(backend))) throw new Error(`Expected the backend ${backend} to start.`);
  const numbers: Record<string, Numbers> = {};
  const of = data();
  for (const [name, scenario] of Object.entries(scenarios)) {
    if (!without.includes(name)) numbers[name] = await scenario(of);
  }
  tf.dispose(Object.values(of));
  return numbers;
}

Object.assign(globalThis, { trainEverything });
