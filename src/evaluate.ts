import { dispose, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { asArray, nameValues, type DecomposedLoss } from './decomposed-loss.js';
import { EvaluatedActivity } from './evaluated-activity.js';
import { evaluatedDataIndex } from './host.js';
import { currentPenalties, readNumbers, sumOfNumbers } from './scalars.js';
import { compiledModel } from './trained-model.js';

/** What `evaluate` takes beside the model and the data. */
export interface EvaluateArgs {
  /** Samples a batch. Default 32. */
  batchSize?: number;
}

/** What `evaluateDataset` takes beside the model and the dataset. */
export interface EvaluateDatasetArgs {
  /** How many batches to draw. Default: all. */
  batches?: number;
}

/** A `tf.data.Dataset` of batches `{xs, ys}`, by what is needed of it. */
export interface EvaluationDataset {
  /** Draws the batches anew. */
  iterator(): Promise<unknown>;
}

type HostDataset = Parameters<LayersModel['evaluateDataset']>[0];

/**
 * The loss of a model on data, in its parts, without training: as `model.evaluate`, which leaves the penalty out.
 *
 * @param model - A compiled model. Only read.
 * @param x - Inputs, first dimension the samples; an array where there are several inputs. Not disposed.
 * @param y - Targets, likewise.
 * @returns The mean over all samples, batch by batch, and the penalty at the current weights and on the activations that
 *   the data has; `total` is their sum.
 * @throws Error if the model is not compiled, or there is no sample.
 */
export async function evaluate(
  model: LayersModel,
  x: Tensor | Tensor[],
  y: Tensor | Tensor[],
  args: EvaluateArgs = {},
): Promise<DecomposedLoss> {
  const trained = compiledModel(model);
  const first = Array.isArray(x) ? x[0] : x;
  if (first?.shape[0] === 0) throw noSamples('x', `an empty batch of shape [${first.shape}]`);
  return listening(trained, async (activity) => decompose(trained, asArray(trained.evaluate(x, y, args)), activity));
}

/**
 * As `evaluate`, on the batches of a `tf.data.Dataset`.
 *
 * @param model - A compiled model. Only read.
 * @param dataset - Yields `{xs, ys}`, as for `model.fitDataset`.
 * @throws Error if the model is not compiled, or the dataset has no batch.
 */
export async function evaluateDataset(
  model: LayersModel,
  dataset: EvaluationDataset,
  args: EvaluateDatasetArgs = {},
): Promise<DecomposedLoss> {
  const trained = compiledModel(model);
  return listening(trained, async (activity) => {
    const values = asArray(await trained.evaluateDataset(dataset as unknown as HostDataset, args));
    if (values.length === 0) throw noSamples('dataset', 'no batch');
    return decompose(trained, values, activity);
  });
}

const noSamples = (argument: string, got: string): Error =>
  new Error(`Expected \`${argument}\` to hold at least one sample, got ${got}. Check where the data comes from.`);

async function listening<T>(model: LayersModel, run: (activity: EvaluatedActivity) => Promise<T>): Promise<T> {
  const activity = new EvaluatedActivity(model);
  try {
    return await run(activity);
  } finally {
    activity.dispose();
  }
}

/** Consumes the host's values. */
async function decompose(model: LayersModel, values: Scalar[], activity: EvaluatedActivity): Promise<DecomposedLoss> {
  const penalties = [...currentPenalties(model), ...activity.means()];
  try {
    const numbers = await readNumbers([...values, ...penalties]);
    const dataIndex = evaluatedDataIndex(model);
    const data = numbers[dataIndex]!;
    const regularization = sumOfNumbers(numbers.slice(values.length));
    return {
      total: data + regularization,
      data,
      regularization,
      ...nameValues(model, data, numbers.slice(dataIndex + 1, values.length)),
    };
  } finally {
    dispose([...values, ...penalties]);
  }
}
