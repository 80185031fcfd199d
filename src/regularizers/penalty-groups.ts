import type { LayersModel } from '@tensorflow/tfjs-layers';
import { numberThings } from '../host/model/model.js';
import { layerNames } from '../host/model/walk.js';
import { appliedPenalties } from '../host/penalties/penalties.js';
import { weightOf, type PenaltySource } from '../host/penalties/penalty-sources.js';
import type { Penalty } from '../host/penalties/penalty.js';
import { oneOf } from '../util/arguments.js';

/** How finely the regularization loss is split: not at all, by layer, or by weight. */
export type Breakdown = 'none' | 'layer' | 'weight';

export const BREAKDOWN = oneOf('none', 'layer', 'weight');

/** The last part of a weight's name, for example `kernel`; the host puts the layer's name and scopes before it. */
export const shortName = (weight: { originalName: string }): string => weight.originalName.split('/').pop()!;

/** The name that a loss added with `layer.addLoss` gets in place of a weight's name. */
const ADDED = 'added_loss';

/** The name that a penalty on activations gets there. */
const ACTIVITY = 'activity';

/**
 * To which layer, or weight, each value that `calculateLosses` returns belongs.
 *
 * @param model - A trained model. Only read.
 * @returns One name a value, in their order: `<layer>` or `<layer>/<weight>`, numbered where several have one name.
 */
export function penaltyNames(model: LayersModel, breakdown: 'layer' | 'weight'): string[] {
  const penalties = appliedPenalties(model);
  const ofLayers = penalties.map(layerNames(model));
  if (breakdown === 'layer') return ofLayers;
  const weights = penalties.map(namedBy);
  const names = weights.map((weight) => (typeof weight === 'string' ? weight : shortName(weight)));
  return numberThings(
    ofLayers.map((layer, index) => `${layer}/${names[index]!}`),
    weights,
  );
}

const namedBy = (penalty: Penalty): PenaltySource['weight'] | string =>
  penalty.kind === 'activity' ? ACTIVITY : (weightOf(penalty) ?? ADDED);
