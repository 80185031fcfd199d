import { dispose, type Scalar, type Variable } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { withoutUpdate } from '../host/gradients.js';
import { restoringValues, variablesOf } from '../host/model/weights.js';
import { runStep, standardizeBatch } from '../host/step/batch.js';
import { foreignStep } from '../host/step/step.js';
import { refuseTakenNames } from '../loss/loss-term.js';
import { weightingBy, type BatchWeights } from '../loss/train-step.js';
import { checkArguments, checkData, type NamedTensors } from '../util/arguments.js';

/** A forward pass in training, and what came of it. */
export interface GradientPass<T> {
  /** The total loss, then the values of `lossNames(model)` after it; the caller disposes them. */
  values: Scalar[];
  /** What was made of the loss. */
  result: T;
  /** How many samples the batch has. */
  samples: number;
}

/** How gradients are taken within the host's step. */
export interface GradientTaker<T> {
  /** Takes the loss, to be called once, and the weights that were trainable at `compile`. What it makes, it keeps. */
  take: (loss: () => Scalar, variables: Variable[]) => { total: Scalar; result: T };
  /** Disposes what was taken, where the step throws after that. */
  disposeResult: (result: T) => void;
  /** Whether the weights that a forward pass itself moves, the statistics of a batch normalization, go back. */
  restoresWeights: boolean;
}

/**
 * Runs the host's training step on a batch up to the update.
 *
 * @param caller - The public function whose arguments they are.
 * @param model - A trained model. Where the step throws, it is as it was.
 * @throws Error if the batch or the weights of its samples do not fit.
 */
export async function gradientPass<T>(
  caller: string,
  model: LayersModel,
  x: NamedTensors,
  y: NamedTensors,
  args: BatchWeights,
  { take, disposeResult, restoresWeights }: GradientTaker<T>,
): Promise<GradientPass<T>> {
  refuseTakenNames(model);
  checkData(caller, 'x', x);
  checkData(caller, 'y', y);
  checkArguments(caller, args, ['classWeight', 'sampleWeight']);
  const batch = await standardizeBatch(model, x, y, args.classWeight);
  const taken: T[] = [];
  const instead = (loss: () => Scalar, variables: Variable[]): Scalar => {
    const { total, result } = take(loss, variables);
    taken.push(result);
    return total;
  };
  const pass = (): GradientPass<T> => {
    const weighting = weightingBy(model, args.sampleWeight, batch);
    const values = withoutUpdate(model, instead, () => runStep(model, batch, weighting));
    if (taken.length > 0) return { values, result: taken[0]!, samples: batch.inputs[0]!.shape[0] };
    dispose(values);
    throw foreignStep(model, 'No step was made.');
  };
  try {
    return restoringValues(variablesOf(model.weights), pass, restoresWeights);
  } catch (error) {
    taken.forEach(disposeResult);
    throw error;
  } finally {
    batch.dispose();
  }
}
