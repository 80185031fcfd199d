import { dispose, keep, tidy, zerosLike } from '@tensorflow/tfjs-core';
import type { NamedTensorMap, Scalar, Variable } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { gradientsOnTape, onTape, unrecorded } from '../host/gradients.js';
import { compiledModel } from '../host/model/trained-model.js';
import { observeLoss, type LossOnTape } from '../host/step/loss-on-tape.js';
import { disposeParts, foreignStep, keepParts, type StepLoss } from '../host/step/step.js';
import { readStep, type DecomposedLoss } from '../loss/parts.js';
import type { BatchWeights } from '../loss/train-step.js';
import type { NamedTensors } from '../util/arguments.js';
import { sumOf } from '../util/scalars.js';
import { gradientPass } from './gradient-pass.js';

/** A loss in its parts, and the gradient of each. */
export interface LossAndGradients {
  /** The loss at the current weights, as `trainStep` returns it. */
  loss: DecomposedLoss;
  /**
   * The gradient of the data loss, one tensor of the weight's shape for every weight that training moves, by the weight's
   * name and in the order of the host's step; zeros where the data loss does not depend on it.
   */
  data: NamedTensorMap;
  /** The gradient of the regularization loss, under the same names; zeros for a weight without a penalty. */
  penalty: NamedTensorMap;
  /** Disposes the tensors in `data` and `penalty`, which are the caller's. */
  dispose(): void;
}

/**
 * Separate gradients of data loss and regularization loss, on one batch and without an update.
 *
 * Both come from one forward pass of the host's own training step, in training mode: with dropout, with the batch's own
 * statistics in a batch normalization, and with penalties on its activations. For each weight they sum to the gradient that
 * the host's optimizer would get, to float32 rounding. The model stays as it is: the moving statistics of a batch
 * normalization are restored. (A stateful recurrent layer goes on to its next state, as in `predict`.)
 *
 * To make an update from them, pass tensors with their names to `model.optimizer.applyGradients`.
 *
 * @param model - A compiled model.
 * @param x - The batch's inputs, first dimension the batch. Not disposed.
 * @param y - The batch's targets. Not disposed.
 * @returns A promise, because the host computes class weights asynchronously, and so that reading the loss does not block.
 * @throws Error if the model is not compiled or every weight is frozen, or the batch is empty, or the weights of its
 *   samples do not fit it; the model is then as it was.
 */
export async function lossAndGradients(
  model: LayersModel,
  x: NamedTensors,
  y: NamedTensors,
  args: BatchWeights = {},
): Promise<LossAndGradients> {
  const trained = compiledModel(model);
  const { values, result } = await gradientPass('lossAndGradients', trained, x, y, args, {
    take: (loss, variables) => {
      const moved = variables.filter(({ trainable }) => trainable);
      if (moved.length === 0) throw allFrozen(model);
      const splits: SplitLoss[] = [];
      const take = (parts: LossOnTape): unknown => splits.push(splitLoss(parts, moved));
      const total = onTape(() => keep(observeLoss(trained, loss, take)));
      const [result] = splits;
      if (result === undefined) {
        total.dispose();
        throw foreignStep(trained, 'No step was made.');
      }
      return { total, result };
    },
    disposeResult,
    restoresWeights: true,
  });
  try {
    const { data, penalty, step } = result;
    return {
      loss: await readStep(trained, values, step),
      data,
      penalty,
      dispose: () => dispose([data, penalty]),
    };
  } catch (error) {
    dispose([result.data, result.penalty]);
    throw error;
  } finally {
    dispose(values);
    disposeParts(result.step);
  }
}

/** The parts of a loss and their gradients, kept. */
interface SplitLoss extends Pick<LossAndGradients, 'data' | 'penalty'> {
  step: StepLoss;
}

function disposeResult({ data, penalty, step }: SplitLoss): void {
  dispose([data, penalty]);
  disposeParts(step);
}

function splitLoss(loss: LossOnTape, variables: readonly Variable[]): SplitLoss {
  const regularization = sumOf(loss.penalties);
  const gradientOf = (part: Scalar): NamedTensorMap => {
    const gradients = gradientsOnTape(part, variables);
    return Object.fromEntries(variables.map((one, index) => [one.name, keep(gradients[index] ?? zerosLike(one))]));
  };
  const gradients = unrecorded(() =>
    tidy(() => ({ data: gradientOf(loss.data), penalty: gradientOf(regularization) })),
  );
  return { ...gradients, step: keepParts(loss) };
}

const allFrozen = ({ name }: LayersModel): Error =>
  new Error(
    `Expected \`model\` to have a weight that training moves, got \`${name}\`, in which every weight is frozen. ` +
      'Set `trainable` of a layer to true, and compile again.',
  );
