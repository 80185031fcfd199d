import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import { LayersModel, Sequential, type layers } from '@tensorflow/tfjs-layers';
import type { ClassWeights, NamedTensors } from '../util/types.js';

export type Layer = layers.Layer;

/** The members of a `LayersModel` that are protected or private in the host's types. */
interface HostModel {
  isTraining: boolean;
  containerNodes: Set<string>;
  lossFunctions: Array<(yTrue: Tensor, yPred: Tensor) => Tensor>;
  calculateLosses(): Scalar[];
  makeTestFunction(): void;
  getDedupedMetricsNames(): string[];
  makeTrainFunction(): (data: Array<Tensor | null>) => Scalar[];
  standardizeUserData(
    x: NamedTensors,
    y: NamedTensors,
    sampleWeight: undefined,
    classWeight: ClassWeights | undefined,
  ): Promise<[Tensor[], Tensor[], Array<Tensor | null> | null]>;
}

/** A model with the members that its type hides. */
export const internals = (model: LayersModel): HostModel => model as unknown as HostModel;

/**
 * The model whose weights the optimizer moves: a `Sequential` trains a `LayersModel` that it builds and hides.
 *
 * @returns `undefined` where a `Sequential` is not built, or was changed since.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L600 | Sequential.build}
 */
export function trainedModel(model: LayersModel): LayersModel | undefined {
  if (!(model instanceof Sequential)) return model;
  return model.built ? hidden(model).model : undefined;
}

/**
 * A `Sequential` with the model that it trains; every `compile` builds one.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L813-L815 | Sequential.compile}
 */
export const hidden = (model: Sequential): { model: LayersModel } => model as unknown as { model: LayersModel };

/** Whether a value is a layers model of another copy of tfjs-layers than the one that this library imports. */
export function isForeignLayersModel(value: object): boolean {
  return !(value instanceof LayersModel) && 'makeTrainFunction' in value && 'calculateLosses' in value;
}

/** The labels of a step's values: `loss`, then each output's loss where there are several outputs, then the metrics. */
export const lossNames = (model: LayersModel): string[] => internals(model).getDedupedMetricsNames();

/** The names of the parts of the data loss: those of the outputs, numbered where several have one name, as the host does. */
export function partNames({ outputNames }: LayersModel): string[] {
  return outputNames.map((name, index) => {
    const before = outputNames.slice(0, index).filter((other) => other === name).length;
    return before === 0 ? name : `${name}_${before}`;
  });
}

/**
 * The place of the true data loss among the values of the host's evaluation. The host returns one running sum an output
 * where its labels name one loss, so all after the first are shifted against their names.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1405-L1424 | makeTestFunction}
 */
export const evaluatedDataIndex = (model: LayersModel): number => model.outputs.length - 1;

/**
 * The key of the true data loss among an epoch's validation values.
 *
 * @returns `undefined` where the host itself lost the value: for several outputs of one name, `fitDataset` writes all
 *   under one key.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training_dataset.ts#L472-L474 | fitDataset}
 */
export function validationDataKey(model: LayersModel, by: 'fit' | 'fitDataset'): string | undefined {
  const names = by === 'fit' ? lossNames(model) : model.metricsNames;
  return new Set(names).size === names.length ? `val_${names[evaluatedDataIndex(model)]}` : undefined;
}

/**
 * What the host's own validation values are: with several outputs it puts one running sum an output before the rest, where
 * its labels name one loss, so that each value is under the label of another.
 *
 * @returns For each key that the host writes into an epoch's log, the name that its value has in training; `undefined`
 *   for a sum of losses without the penalty, which training does not have, and where the host lost values: for several outputs
 *   of one name, `fitDataset` writes all under one key.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1405-L1434 | makeTestFunction}
 */
export function validationNames(model: LayersModel, by: 'fit' | 'fitDataset'): Map<string, string | undefined> {
  const names = lossNames(model);
  const labels = by === 'fit' ? names : model.metricsNames;
  const sums = model.outputs.length;
  const isLost = new Set(labels).size < labels.length;
  return new Map(
    labels.map((label, index) => [`val_${label}`, isLost || index < sums ? undefined : names[index - sums + 1]]),
  );
}

/**
 * The weights that training moves: those that were trainable at `compile` and are now. A weight that is frozen later stops
 * moving at once; one that is freed later moves only after the next `compile`.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1374-L1378 | the step},
 * which names the weights, and the optimizer's `computeGradients`, which leaves out those that are not trainable.
 */
export function movedWeights(model: LayersModel): Set<Layer['weights'][number]> {
  const { collectedTrainableWeights } = model as unknown as { collectedTrainableWeights?: Layer['weights'] };
  return new Set((collectedTrainableWeights ?? model.trainableWeights).filter(({ trainable }) => trainable));
}
