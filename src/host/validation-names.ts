import type { LayersModel } from '@tensorflow/tfjs-layers';
import { lossNames } from './model.js';

/**
 * What the host's own validation values are: with several outputs it puts one running sum an output before the rest, where
 * its labels speak of one loss, so that each value stands under the label of another.
 *
 * @returns For each key that the host writes into an epoch's log, the name that its value has in training; `undefined`
 *   for a sum of losses without the penalty, which training has not, and where the host lost values: for several outputs
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
