import type { LayersModel } from '@tensorflow/tfjs-layers';
import { lossNames } from '../model/model.js';

/**
 * The place of the true data loss among the values of the host's evaluation. The host returns one running sum an output
 * where its labels name one loss, so all after the first are shifted against their names.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1405-L1424 | makeTestFunction}
 */
export const evaluatedDataIndex = (model: LayersModel): number => model.outputs.length - 1;

/**
 * The data loss, then of several outputs the loss of each, from all that the host's evaluation returns: that of each output
 * follows the running sums, and the host's logs leave out as many values at the end as there are sums too many.
 *
 * @returns Nothing of an evaluation without a sample.
 */
export function evaluatedLosses<T>(model: LayersModel, values: readonly T[]): T[] {
  const count = model.outputs.length;
  return values.slice(count - 1, count === 1 ? 1 : 2 * count);
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
