import { dispose, type Variable } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { trainedModel, type Layer } from './model.js';
import { layerNames, placesInModel } from './walk.js';

/**
 * Remembers the values of a model's weights, without a copy of them.
 *
 * @returns `restore` writes back what has another value since (a forward pass moves the statistics of a batch
 *   normalization); both dispose what is remembered.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/layers/normalization.ts#L390-L409 | updateMovingMeanAndVariance}
 */
export const rememberWeights = (model: LayersModel): RememberedWeights => remember(model.weights);

/** The same of any variables. */
export function rememberVariables(variables: readonly Variable[]): RememberedWeights {
  const remembered = variables.map((variable) => ({ variable, value: variable.clone() }));
  const forget = () => dispose(remembered.map(({ value }) => value));
  return {
    forget,
    restore: () => {
      remembered.forEach(({ variable, value }) => {
        if (variable.dataId !== value.dataId) variable.assign(value);
      });
      forget();
    },
  };
}

/** The same of the weights that no optimizer moves, only forward passes do. */
export const rememberStatistics = (models: readonly LayersModel[]): RememberedWeights =>
  remember(models.flatMap((model) => (trainedModel(model) ? model.nonTrainableWeights : [])));

/** Weights that can have their values again. */
export interface RememberedWeights {
  restore(): void;
  forget(): void;
}

const remember = (weights: LayersModel['weights']): RememberedWeights =>
  rememberVariables(weights.map((weight) => weight.read() as Variable));

/** Of each weight, by the name that optimizers know it under, the name of the layer that it is in. */
export function layersOfWeights(model: LayersModel): Map<string, string> {
  const nameOf = layerNames(model);
  const names = new Map<string, string>();
  for (const place of placesInModel(model)) {
    place.layer.weights.filter(({ name }) => !names.has(name)).forEach(({ name }) => names.set(name, nameOf(place)));
  }
  return names;
}

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
