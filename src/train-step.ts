import { Tensor, dispose, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { nameValues, type DecomposedLoss } from './decomposed-loss.js';
import { runStep, standardizeBatch, watchSteps, type Batch, type ObservedStep } from './host.js';
import { multiplyWeights, standardizeSampleWeight } from './sample-weights.js';
import { readNumbers, sumOfNumbers } from './scalars.js';
import { compiledModel } from './trained-model.js';
import type { ClassWeights, NamedTensors } from './types.js';

/** What `trainStep` takes beside the model and the batch. */
export interface TrainStepArgs {
  /** The weight of each class in the loss, as in `model.fit`. Default: all count the same. */
  classWeight?: ClassWeights;
  /**
   * The weight of each sample in the loss: a tensor of shape `[batch]` (or `[batch, time]` for sequences); for several
   * outputs an array of them, or an object by the outputs' names. The loss is the mean of weight times loss over the
   * batch, as in Keras. TensorFlow.js's own `fit` does not take sample weights. Default: all count the same.
   */
  sampleWeight?: NamedTensors;
}

/**
 * One optimizer step on one batch, like `model.trainOnBatch`, for loops that are written by hand.
 *
 * The host's own step does the work, so the weights move exactly as under `trainOnBatch`.
 *
 * @param model - A compiled model.
 * @param x - The batch's inputs, first dimension the batch. Not disposed.
 * @param y - The batch's targets. Not disposed.
 * @returns The loss in its parts at the weights before the step, read from the backend in one transfer.
 * @throws Error if the model is not compiled, or the batch is empty, or the weights do not fit it; the model is then
 *   as it was.
 */
export async function trainStep(
  model: LayersModel,
  x: NamedTensors,
  y: NamedTensors,
  args: TrainStepArgs = {},
): Promise<DecomposedLoss> {
  const trained = compiledModel(model);
  const batch = await weightedBatch(trained, x, y, args);
  const { values, step } = runWatched(trained, batch);
  try {
    const numbers = await readNumbers([...values, step.data, ...step.penalties]);
    const behind = numbers.slice(1, values.length);
    const [data, ...penalties] = numbers.slice(values.length);
    return {
      total: numbers[0]!,
      data: data!,
      regularization: sumOfNumbers(penalties),
      ...nameValues(trained, data!, behind),
    };
  } finally {
    dispose([...values, step.data, ...step.penalties]);
  }
}

/** A batch in the host's form, class and sample weights in one. */
async function weightedBatch(
  model: LayersModel,
  x: NamedTensors,
  y: NamedTensors,
  { classWeight, sampleWeight }: TrainStepArgs,
): Promise<Batch> {
  checkNotEmpty(x);
  const batch = await standardizeBatch(model, x, y, classWeight);
  try {
    if (sampleWeight === undefined) return batch;
    const weights = standardizeSampleWeight(model, sampleWeight, batch.targets);
    batch.weights = weights.map((weight, output) => multiplyWeights(weight, batch.weights[output] ?? null));
    return batch;
  } catch (error) {
    batch.dispose();
    throw error;
  }
}

function checkNotEmpty(x: NamedTensors): void {
  const first = x instanceof Tensor ? x : Object.values(x)[0];
  if (first?.shape[0] === 0) {
    throw new Error(
      `Expected \`x\` to hold at least one sample, got an empty batch of shape [${first.shape}]. Skip empty batches.`,
    );
  }
}

/** Runs the step; a step that throws leaves nothing behind. */
function runWatched(model: LayersModel, batch: Batch): { values: Scalar[]; step: ObservedStep } {
  let step: ObservedStep | undefined;
  const release = watchSteps(model, (observed) => (step = observed));
  try {
    const values = runStep(model, batch);
    return { values, step: step! };
  } catch (error) {
    if (step) dispose([step.data, ...step.penalties]);
    throw error;
  } finally {
    release();
    batch.dispose();
  }
}
