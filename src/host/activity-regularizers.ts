import type { LayersModel } from '@tensorflow/tfjs-layers';
import { list } from '../util/describe.js';
import { layersWithin } from './declared.js';

/**
 * Refuses models with a layer whose own `activityRegularizer` is set: TensorFlow.js throws when such a layer is applied,
 * and ignores it silently where the layer is wrapped, in a TimeDistributed, say.
 *
 * @throws Error that names the layers.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/topology.ts#L1030-L1034 | Layer.apply}
 */
export function refuseActivityRegularizers(model: LayersModel): void {
  const found = layersWithin(model).filter(({ activityRegularizer }) => activityRegularizer != null);
  if (found.length === 0) return;
  throw new Error(
    'Expected no layer to have an `activityRegularizer`, which TensorFlow.js does not support, got ' +
      `${list(new Set(found.map(({ name }) => name)))}. Leave it out, and put \`activityRegularization({l1, l2})\` of ` +
      'tfjs-decomposed-loss behind the layer.',
  );
}
