import type * as tfjs from '@tensorflow/tfjs';
import { tf } from './backend';

type CompileArgs = Partial<tfjs.ModelCompileArgs>;

/** Numbers in [-1, 1) that look random and are the same at every call. */
export function numbers(count: number, seed = 1): number[] {
  return Array.from({ length: count }, (_, i) => (((i + 1) * 7919 + seed * 104729) % 2003) / 1001.5 - 1);
}

export const data = (shape: number[], seed = 1): tfjs.Tensor =>
  tf.tensor(
    numbers(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    shape,
  );

/** Gives every weight a value that is the same at every call. */
export function fillWeights<M extends tfjs.LayersModel>(model: M): M {
  const weights = model.getWeights().map((weight, index) => data(weight.shape, index + 3));
  model.setWeights(weights);
  tf.dispose(weights);
  return model;
}

/** 4 inputs, a hidden layer with L2 on its kernel, one output with L1 and L2 on its kernel and L1 on its bias. */
export function regressor(compile: CompileArgs = {}): tfjs.Sequential {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({
        name: 'hidden',
        units: 3,
        inputShape: [4],
        activation: 'tanh',
        kernelRegularizer: tf.regularizers.l2({ l2: 0.1 }),
      }),
      tf.layers.dense({
        name: 'out',
        units: 1,
        kernelRegularizer: tf.regularizers.l1l2({ l1: 0.02, l2: 0.3 }),
        biasRegularizer: tf.regularizers.l1({ l1: 0.4 }),
      }),
    ],
  });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1), ...compile });
  return fillWeights(model);
}

/** Two outputs of different kinds, `price` and `sold`, on one regularized trunk. */
export function twoOutputs(compile: CompileArgs = {}): tfjs.LayersModel {
  const inputs = tf.input({ shape: [4] });
  const trunk = tf.layers.dense({ name: 'trunk', units: 3, kernelRegularizer: tf.regularizers.l2({ l2: 0.1 }) });
  const h = trunk.apply(inputs);
  const outputs = [
    tf.layers.dense({ name: 'price', units: 1, kernelRegularizer: tf.regularizers.l1({ l1: 0.2 }) }).apply(h),
    tf.layers.dense({ name: 'sold', units: 1, activation: 'sigmoid' }).apply(h),
  ] as tfjs.SymbolicTensor[];
  const model = tf.model({ inputs, outputs });
  model.compile({ loss: ['meanSquaredError', 'binaryCrossentropy'], optimizer: tf.train.sgd(0.1), ...compile });
  return fillWeights(model);
}

/** Three classes, one-hot. */
export function classifier(compile: CompileArgs = {}): tfjs.Sequential {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({
        name: 'classes',
        units: 3,
        inputShape: [4],
        activation: 'softmax',
        kernelRegularizer: tf.regularizers.l2({ l2: 0.1 }),
      }),
    ],
  });
  model.compile({ loss: 'categoricalCrossentropy', optimizer: tf.train.sgd(0.1), ...compile });
  return fillWeights(model);
}

export const oneHot = (count: number): tfjs.Tensor =>
  tf.tensor2d(Array.from({ length: count }, (_, i) => [0, 1, 2].map((c) => (c === (i * i) % 3 ? 1 : 0))));

/** The weights and what the optimizer keeps, as plain arrays: equal means bit for bit equal. */
export async function state(model: tfjs.LayersModel): Promise<number[][]> {
  const kept = (await model.optimizer.getWeights()).map(({ tensor }) => Array.from(tensor.dataSync()));
  return [...model.getWeights().map((weight) => Array.from(weight.dataSync())), ...kept];
}

/** What a value of the host's logs is after training. */
export const numbersOf = (history: tfjs.History, key: string): number[] => history.history[key] as number[];

type Batch = [x: tfjs.Tensor, y: tfjs.Tensor | tfjs.Tensor[]];

/** A dataset of these batches; `fitDataset` disposes what it draws, so each draw is a copy. */
export function batches(...all: Batch[]): tfjs.data.Dataset<tfjs.TensorContainer> {
  return tf.data.generator(function* () {
    for (const [x, y] of all) yield { xs: x.clone(), ys: Array.isArray(y) ? y.map((one) => one.clone()) : y.clone() };
  });
}

/** A model `a` with a layer `b` in it, then a layer `a/b`: two layers of one path, each with a penalty of its own. */
export function samePaths(compile: CompileArgs = {}): tfjs.LayersModel {
  const dense = (name: string, l2: number, inputShape?: number[]) =>
    tf.layers.dense({
      name,
      units: 2,
      kernelRegularizer: tf.regularizers.l2({ l2 }),
      ...(inputShape && { inputShape }),
    });
  const inner = tf.sequential({ name: 'a', layers: [dense('b', 0.1, [4])] });
  const inputs = tf.input({ shape: [4] });
  const outputs = dense('a/b', 0.3).apply(inner.apply(inputs)) as tfjs.SymbolicTensor;
  const model = tf.model({ inputs, outputs });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1), ...compile });
  return fillWeights(model);
}
