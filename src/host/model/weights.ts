import { dispose, type Variable } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { trainedModel, type Layer } from './model.js';

/**
 * Runs something, and where it throws, or always, gives variables the values back that they had: a forward pass moves the
 * statistics of a batch normalization. Their values are not copied.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/layers/normalization.ts#L390-L409 | updateMovingMeanAndVariance}
 */
export function restoringValues<T>(variables: readonly Variable[], run: () => T, always = false): T {
  const before = variables.map((variable) => ({ variable, value: variable.clone() }));
  let isKept = false;
  try {
    const result = run();
    isKept = !always;
    return result;
  } finally {
    if (!isKept) before.forEach(({ variable, value }) => variable.assign(value));
    dispose(before.map(({ value }) => value));
  }
}

/** The variables that some weights are. */
export const variablesOf = (weights: LayersModel['weights']): Variable[] =>
  weights.map((weight) => weight.read() as Variable);

/** Those of models that no optimizer moves, only forward passes do. */
export const statisticsOf = (models: readonly LayersModel[]): Variable[] =>
  variablesOf(models.flatMap((model) => (trainedModel(model) ? model.nonTrainableWeights : [])));

/**
 * The weights that training moves: those that were trainable at `compile` and are now. A weight that is frozen later stops
 * moving at once; one that is freed later moves only after the next `compile`.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1374-L1378 | the step},
 * which names the weights, and the optimizer's `computeGradients`, which leaves out those that are not trainable.
 */
export const movedWeights = (model: LayersModel): Set<Layer['weights'][number]> =>
  new Set((trainableAtCompile(model) ?? model.trainableWeights).filter(({ trainable }) => trainable));

/** The weights that were trainable when the model was compiled; `undefined` where it was not. */
export const trainableAtCompile = (model: LayersModel): Layer['weights'] | undefined =>
  (model as unknown as { collectedTrainableWeights?: Layer['weights'] }).collectedTrainableWeights;
