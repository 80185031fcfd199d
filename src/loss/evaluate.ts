import { dispose, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { evaluatedValues } from '../host/model/model.js';
import { compiledModel } from '../host/model/trained-model.js';
import { evaluateBatches, type EvaluationDataset } from '../host/run/evaluation.js';
import { checkArguments, checkData, describe, type NamedTensors } from '../util/arguments.js';
import { readNumbers, sumOfNumbers } from '../util/scalars.js';
import { EvaluatedLoss } from './evaluated-loss.js';
import { nameValues, type DecomposedLoss } from './parts.js';

/** What `evaluate` takes beside the model and the data. */
export interface EvaluateArgs {
  /** Samples a batch. Default 32. */
  batchSize?: number | undefined;
}

/** What `evaluateDataset` takes beside the model and the dataset. */
export interface EvaluateDatasetArgs {
  /** How many batches to draw. Default: all. */
  batches?: number | undefined;
}

/**
 * The loss of a model on data, in its parts, without training: as `model.evaluate`, which leaves the penalty out.
 *
 * @param model - A compiled model. Only read; a stateful recurrent layer goes on to its next state, as in `model.evaluate`.
 * @param x - Inputs, first dimension the samples; where there are several inputs an array, or an object by
 *   their names. Not disposed.
 * @param y - Targets, likewise.
 * @returns The mean over all samples, batch by batch, and the penalty at the current weights and on the activations that
 *   the data has; `total` is their sum.
 * @throws Error if the model is not compiled, or an argument is not understood, or there is no sample.
 */
export async function evaluate(
  model: LayersModel,
  x: NamedTensors,
  y: NamedTensors,
  args: EvaluateArgs = {},
): Promise<DecomposedLoss> {
  const trained = compiledModel(model);
  checkData('evaluate', 'x', x);
  checkData('evaluate', 'y', y);
  checkArguments('evaluate', args, ['batchSize']);
  // The host's types leave out objects by name, which it takes.
  return watching(trained, () => trained.evaluate(x as Tensor[], y as Tensor[], args));
}

/**
 * As `evaluate`, on the batches of a `tf.data.Dataset`.
 *
 * @param model - A compiled model. Only read.
 * @param dataset - Yields `{xs, ys}`, as for `model.fitDataset`.
 * @throws Error if the model is not compiled, or an argument is not understood, or the dataset has no batch.
 */
export async function evaluateDataset(
  model: LayersModel,
  dataset: EvaluationDataset,
  args: EvaluateDatasetArgs = {},
): Promise<DecomposedLoss> {
  const trained = compiledModel(model);
  checkDataset(dataset);
  checkArguments('evaluateDataset', args, ['batches']);
  return watching(trained, () => evaluateBatches(trained, dataset, args));
}

function checkDataset(dataset: unknown): void {
  const isDrawable = typeof dataset === 'object' && dataset !== null && ('iterator' in dataset || 'next' in dataset);
  if (isDrawable) return;
  throw new Error(
    `Expected \`dataset\` of \`evaluateDataset\` to be a tf.data.Dataset or its iterator, got ${describe(dataset)}. Pass tensors to \`evaluate\`.`,
  );
}

/** @param evaluate - The host's evaluation. */
async function watching(
  model: LayersModel,
  evaluate: () => Scalar | Scalar[] | Promise<Scalar | Scalar[]>,
): Promise<DecomposedLoss> {
  const evaluated = new EvaluatedLoss(model);
  try {
    evaluated.open();
    const evaluating = evaluate();
    evaluated.close();
    const values = [await evaluating].flat();
    if (values.length === 0) {
      throw new Error('Expected `dataset` to hold at least one sample, got no batch. Check where the data comes from.');
    }
    return await decompose(model, values, evaluated);
  } finally {
    evaluated.dispose();
  }
}

/** Consumes the host's values. */
async function decompose(model: LayersModel, values: Scalar[], evaluated: EvaluatedLoss): Promise<DecomposedLoss> {
  const penalties: Scalar[] = [];
  const taken = evaluated.take(values);
  try {
    penalties.push(...evaluated.penalties());
    const numbers = await readNumbers([...values, ...penalties, ...taken]);
    const first = values.length + penalties.length;
    const penalty = sumOfNumbers(numbers.slice(values.length, first));
    const { total, data, regularization, ofOutputs, terms } = evaluated.result(penalty, numbers.slice(first));
    const [, ...others] = evaluatedValues(model, numbers);
    return { total, data, regularization, ...nameValues(model, ofOutputs, others, terms, sumOfNumbers) };
  } finally {
    dispose([...values, ...penalties, ...taken]);
  }
}
