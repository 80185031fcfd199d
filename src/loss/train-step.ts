import { Tensor, dispose, mul, reshape, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { compiledModel } from '../host/model/trained-model.js';
import { restoringValues, statisticsOf } from '../host/model/weights.js';
import { runStep, standardizeBatch, type Batch, type Weighting } from '../host/step/batch.js';
import { disposeParts, foreignStep, keepParts, watchSteps, type StepLoss } from '../host/step/step.js';
import { warnOfDroppedRegularizers } from '../regularizers/dropped-regularizers.js';
import {
  ANYTHING,
  FLAG,
  checkData,
  checkOptions,
  describe,
  list,
  type ClassWeights,
  type NamedTensors,
} from '../util/arguments.js';
import { refuseTakenNames } from './loss-term.js';
import { lossParts, readStep, stepTensors, type DecomposedLoss, type LossParts } from './parts.js';

/** How much each class and each sample of a batch counts. */
export interface BatchWeights {
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

/** What `trainStep` takes in addition to the model and the batch. */
export interface TrainStepArgs extends BatchWeights {
  /** Whether to return tensors, from which nothing is read until `read()`. Default `false`: numbers. */
  returnTensors?: boolean | undefined;
  /**
   * Whether to warn, once a model, where it declares regularizers that training does not apply. Default `true`.
   */
  warn?: boolean | undefined;
}

/**
 * One optimizer step on one batch, like `model.trainOnBatch`, for loops that are written by hand.
 *
 * The host's own step does the work, so the weights move exactly as under `trainOnBatch`.
 *
 * @param model - A compiled model.
 * @param x - The batch's inputs, first dimension the batch. Not disposed.
 * @param y - The batch's targets. Not disposed.
 * @returns The loss in its parts at the weights before the step, read from the backend in one transfer. With `returnTensors`,
 *   `LossParts` with the metrics: tensors that the caller disposes.
 * @throws Error if the model is not compiled, or the batch is empty, or the weights do not fit it; the model is then
 *   as it was. Also, after the step, if it is not the one of tf.LayersModel.
 */
export async function trainStep(
  model: LayersModel,
  x: NamedTensors,
  y: NamedTensors,
  args: TrainStepArgs & { returnTensors: true },
): Promise<LossParts>;
export async function trainStep(
  model: LayersModel,
  x: NamedTensors,
  y: NamedTensors,
  args?: TrainStepArgs & { returnTensors?: false | undefined },
): Promise<DecomposedLoss>;
export async function trainStep(
  model: LayersModel,
  x: NamedTensors,
  y: NamedTensors,
  args: TrainStepArgs,
): Promise<DecomposedLoss | LossParts>;
export async function trainStep(
  model: LayersModel,
  x: NamedTensors,
  y: NamedTensors,
  args: TrainStepArgs = {},
): Promise<DecomposedLoss | LossParts> {
  const trained = compiledModel(model);
  refuseTakenNames(trained);
  checkData('trainStep', 'x', x);
  checkData('trainStep', 'y', y);
  checkOptions('trainStep', args, { classWeight: ANYTHING, sampleWeight: ANYTHING, returnTensors: FLAG, warn: FLAG });
  if (args.warn !== false) warnOfDroppedRegularizers(model);
  const batch = await standardizeBatch(trained, x, y, args.classWeight);
  const { values, step } = runWatched(trained, batch, args.sampleWeight);
  if (args.returnTensors) return lossParts(stepTensors(trained, values, step));
  try {
    return await readStep(trained, values, step);
  } finally {
    dispose(values);
    disposeParts(step);
  }
}

/** Runs the step, and disposes the batch; a step that throws leaves nothing behind. */
function runWatched(
  model: LayersModel,
  batch: Batch,
  sampleWeight: NamedTensors | undefined,
): { values: Scalar[]; step: StepLoss } {
  const watch = watchSteps(model, { take: keepParts, discard: disposeParts });
  let values: Scalar[] = [];
  try {
    const weighting = weightingBy(model, sampleWeight, batch);
    values = restoringValues(statisticsOf([model]), () => runStep(model, batch, weighting));
    const step = watch.of(values[0]);
    if (step === undefined) throw foreignStep(model, 'The step was made.');
    return { values, step };
  } catch (error) {
    dispose(values);
    throw error;
  } finally {
    watch.end();
    batch.dispose();
  }
}

/**
 * How to weight the loss of each output, as it comes from the loss function: one value a sample, or a sample and time step.
 *
 * @param sampleWeight - One tensor an output, each of shape `[batch]`, or `[batch, time]` for a loss that has one value a
 *   time step. For a model with one output the tensor itself will do. Only read.
 * @returns None where there are no weights. To be called within the step, where it throws if a weight does not fit the shape of its loss.
 * @throws Error if an output is unknown, or a weight is not of the batch's length.
 */
export function weightingBy(
  model: LayersModel,
  sampleWeight: NamedTensors | undefined,
  { inputs }: Batch,
): Weighting | undefined {
  if (sampleWeight === undefined) return undefined;
  const batchSize = inputs[0]!.shape[0];
  const names = model.outputNames;
  const weights = byOutput(names, sampleWeight);
  weights.forEach((weight, output) => weight && checkLength(weight, batchSize, names[output]!));
  return (loss, output) => {
    const weight = weights[output];
    return weight == null ? loss : mul(loss, fitToLoss(weight, loss, names[output]!));
  };
}

function byOutput(names: readonly string[], weights: NamedTensors): Array<Tensor | null> {
  const expected = `Expected \`sampleWeight\` to hold a tensor for each output (${list(names)}), got`;
  if (weights instanceof Tensor) {
    if (names.length === 1) return [weights];
    throw new Error(`${expected} one tensor. Pass an array of ${names.length} tensors, or an object with those names.`);
  }
  if (Array.isArray(weights)) {
    if (weights.length === names.length && weights.every((weight) => weight == null || weight instanceof Tensor)) {
      return weights.map((weight) => weight ?? null);
    }
    throw new Error(`${expected} ${describe(weights)}. Pass one tensor an output, in that order.`);
  }
  const entries = Object.entries(weights ?? {});
  if (entries.length === 0 || entries.some(([name, weight]) => !names.includes(name) || !(weight instanceof Tensor))) {
    throw new Error(`${expected} ${describe(weights)}. Pass tensors under the outputs' names.`);
  }
  return names.map((name) => weights[name] ?? null);
}

function checkLength({ shape, dtype }: Tensor, batchSize: number, output: string): void {
  if (shape[0] === batchSize && (dtype === 'float32' || dtype === 'int32')) return;
  throw new Error(
    `Expected \`sampleWeight\` of output \`${output}\` to have the shape [${batchSize}] and the type float32, got ` +
      `[${shape}] and ${dtype}. Pass one weight for each sample of the batch.`,
  );
}

/** The weight with as many axes as the loss has. */
function fitToLoss(weight: Tensor, loss: Tensor, output: string): Tensor {
  if (String(weight.shape) !== String(loss.shape.slice(0, weight.rank))) {
    throw new Error(
      `Expected \`sampleWeight\` of output \`${output}\` to have the shape of its loss, [${loss.shape}], or the first axes ` +
        `of it, got [${weight.shape}]. A loss function has to return one value a sample: the functions in \`tf.losses\` ` +
        "return their mean, their names ('meanSquaredError') stand for functions that do not.",
    );
  }
  return reshape(weight, [...weight.shape, ...Array<number>(loss.rank - weight.rank).fill(1)]);
}
