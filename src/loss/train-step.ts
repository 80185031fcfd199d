import { dispose, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { checkArguments, checkData } from '../util/arguments.js';
import { readStep, type DecomposedLoss } from './parts.js';
import { notWatchable, watchSteps, type ObservedStep } from '../host/step-watch.js';
import { runStep, standardizeBatch, type Batch, type Weighting } from '../host/batch.js';
import { weightingBy } from './sample-weights.js';
import { compiledModel } from '../host/trained-model.js';
import type { ClassWeights, NamedTensors } from '../util/types.js';

/** What `trainStep` takes beside the model and the batch. */
export interface TrainStepArgs {
  /** The weight of each class in the loss, as in `model.fit`. Default: all count the same. */
  classWeight?: ClassWeights | undefined;
  /**
   * The weight of each sample in the loss: a tensor of shape `[batch]`, or `[batch, time]` for a loss that has a value for
   * each time step; for several outputs an array of them, or an object by the outputs' names. The loss is the mean of
   * weight times loss over the batch, as in Keras, so the loss function has to return one value a sample, as those that
   * TensorFlow.js has by name do. TensorFlow.js's own `fit` does not take sample weights. Default: all count the same.
   */
  sampleWeight?: NamedTensors | undefined;
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
 *   as it was. Also, after the step, if it is not the one of tf.LayersModel.
 */
export async function trainStep(
  model: LayersModel,
  x: NamedTensors,
  y: NamedTensors,
  args: TrainStepArgs = {},
): Promise<DecomposedLoss> {
  const trained = compiledModel(model);
  checkData('x', x);
  checkData('y', y);
  checkArguments(args, ['classWeight', 'sampleWeight']);
  const batch = await standardizeBatch(trained, x, y, args.classWeight);
  const { values, step } = runWatched(trained, batch, args.sampleWeight);
  try {
    return await readStep(trained, values, step);
  } finally {
    dispose([values, step.data, step.penalties]);
  }
}

/** Runs the step, and disposes the batch; a step that throws leaves nothing behind. */
function runWatched(
  model: LayersModel,
  batch: Batch,
  sampleWeight: NamedTensors | undefined,
): { values: Scalar[]; step: ObservedStep } {
  const steps: ObservedStep[] = [];
  const release = watchSteps(model, (step) => steps.push(step));
  let values: Scalar[] = [];
  try {
    const weighting: Weighting | undefined =
      sampleWeight === undefined ? undefined : weightingBy(model, sampleWeight, batch.inputs[0]!.shape[0]);
    values = runStep(model, batch, weighting);
    const [step] = steps;
    if (step === undefined) throw notWatchable(model);
    return { values, step };
  } catch (error) {
    dispose([values, steps.map(({ data, penalties }) => [data, ...penalties])]);
    throw error;
  } finally {
    release();
    batch.dispose();
  }
}
