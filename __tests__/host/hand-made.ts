/** Models so small that every loss of theirs can be worked out by hand, and what the host keeps private of them. */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../helpers/backend';

type DenseArgs = Parameters<typeof tf.layers.dense>[0];

/** Members of a `LayersModel` that are protected or private in the host's types. */
export interface Internals {
  isTraining: boolean;
  lossFunctions: Array<(yTrue: tfjs.Tensor, yPred: tfjs.Tensor) => tfjs.Tensor>;
  /** The hidden model of a `Sequential`. */
  model?: tfjs.LayersModel;
  calculateLosses(): tfjs.Scalar[];
  getDedupedMetricsNames(): string[];
  makeTrainFunction(): (data: Array<tfjs.Tensor | null>) => tfjs.Scalar[];
  standardizeUserData(
    x: tfjs.Tensor | tfjs.NamedTensorMap,
    y: tfjs.Tensor | tfjs.NamedTensorMap,
    sampleWeight?: tfjs.Tensor,
    classWeight?: object,
  ): Promise<[tfjs.Tensor[], tfjs.Tensor[], Array<tfjs.Tensor | null> | null]>;
}

export const internals = (model: tfjs.LayersModel): Internals => model as unknown as Internals;

/** A dense layer whose output is the sum of its inputs: its kernel is ones, and it has no bias. */
export const sum = (name: string, args: Partial<DenseArgs> = {}): tfjs.layers.Layer =>
  tf.layers.dense({ units: 1, useBias: false, kernelInitializer: 'ones', name, ...args });

/** Half the sum of the squares: 0.5 for each weight that is one. */
export const half = () => tf.regularizers.l2({ l2: 0.5 });

/** The functional model of some layers, one after the other. */
export function chain(inputShape: number[], ...chained: tfjs.layers.Layer[]): tfjs.LayersModel {
  const inputs = tf.input({ shape: inputShape });
  const outputs = chained.reduce((x, layer) => layer.apply(x) as tfjs.SymbolicTensor, inputs);
  return tf.model({ inputs, outputs });
}

/** The model, with a squared error and an optimizer that leaves the weights alone unless a rate is given. */
export function compiled<Model extends tfjs.LayersModel>(
  model: Model,
  { learningRate = 0, ...args }: Partial<tfjs.ModelCompileArgs> & { learningRate?: number } = {},
): Model {
  model.compile({ optimizer: tf.train.sgd(learningRate), loss: 'meanSquaredError', ...args });
  return model;
}

/** A dataset of one batch; several outputs have one list of targets each. */
export const dataset = (x: number[][], ...y: number[][][]) =>
  tf.data.generator(function* () {
    const ys = y.map((targets) => tf.tensor2d(targets));
    yield { xs: tf.tensor2d(x), ys: ys.length === 1 ? ys[0]! : ys };
  });

export const numbers = (scalars: tfjs.Scalar | tfjs.Scalar[]): number[] =>
  [scalars].flat().map((scalar) => scalar.dataSync()[0]!);

/** What `calculateLosses` returns. */
export const penalties = (model: tfjs.LayersModel): number[] => numbers(internals(model).calculateLosses());

/** The first epoch's entry of each key of a training's history. */
export async function firstEpoch(training: Promise<tfjs.History>): Promise<Record<string, unknown>> {
  const { history } = await training;
  return Object.fromEntries(Object.entries(history).map(([key, [first]]) => [key, first]));
}
