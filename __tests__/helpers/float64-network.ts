import type * as tfjs from '@tensorflow/tfjs';
import { tf } from './backend';

/** Rows of numbers: a batch. */
export type Matrix = number[][];
type Activation = (value: number) => number;

export const relu: Activation = (value) => Math.max(0, value);
export const sigmoid: Activation = (value) => 1 / (1 + Math.exp(-value));
const linear: Activation = (value) => value;

/** The rows of a tensor, which is disposed if a function makes it. */
export const rows = (tensor: tfjs.Tensor | (() => tfjs.Tensor)): Matrix =>
  typeof tensor === 'function' ? tf.tidy(() => tensor().arraySync() as Matrix) : (tensor.arraySync() as Matrix);

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The mean over all entries of two batches. */
export const meanOver = (a: Matrix, b: Matrix, of: (a: number, b: number) => number): number =>
  mean(a.flatMap((row, i) => row.map((value, j) => of(value, b[i]![j]!))));

/** `mean((a - b)²)` over all entries. */
export const meanSquaredError = (a: Matrix, b: Matrix): number => meanOver(a, b, (x, y) => (x - y) ** 2);

/** The mean over all entries of the cross-entropy of probabilities. */
export const binaryCrossentropy = (targets: Matrix, probabilities: Matrix): number =>
  meanOver(targets, probabilities, (t, p) => -(t * Math.log(p) + (1 - t) * Math.log(1 - p)));

/** `activation(x · kernel + bias)` in float64, from the weights of a dense layer. */
export function dense(x: Matrix, layer: tfjs.layers.Layer, activation: Activation = linear): Matrix {
  const [kernel, bias] = layer.getWeights().map((weight) => weight.arraySync()) as [Matrix, number[]];
  return x.map((row) => bias.map((b, j) => activation(row.reduce((sum, value, i) => sum + value * kernel[i]![j]!, b))));
}

export const softmax = (logits: Matrix): Matrix =>
  logits.map((row) => {
    const exponentials = row.map(Math.exp);
    const sum = exponentials.reduce((a, b) => a + b, 0);
    return exponentials.map((value) => value / sum);
  });

/** A batch normalization in float64: with the statistics of the batch, as in training, or with those that it keeps. */
export function batchNormalization(x: Matrix, layer: tfjs.layers.Layer, training: boolean): Matrix {
  const [gamma, beta, ...kept] = layer.weights.map((weight) => Array.from(weight.read().dataSync()));
  const columns = gamma!.map((_, j) => x.map((row) => row[j]!));
  const means = training ? columns.map(mean) : kept[0]!;
  const variances = training ? columns.map((column, j) => mean(column.map((v) => (v - means[j]!) ** 2))) : kept[1]!;
  const epsilon = layer.getConfig()['epsilon'] as number;
  return x.map((row) =>
    row.map((value, j) => (gamma![j]! * (value - means[j]!)) / Math.sqrt(variances[j]! + epsilon) + beta![j]!),
  );
}
