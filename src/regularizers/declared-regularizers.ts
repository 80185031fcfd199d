import type { LayersModel, layers } from '@tensorflow/tfjs-layers';
import { className, coefficients, type Regularizer } from '../host/model/regularizers.js';
import { builtModel } from '../host/model/trained-model.js';
import { movedWeights } from '../host/model/weights.js';
import { appliedPenalties, declaredPenalties } from '../host/penalties/penalties.js';
import { sourceOf, type PenaltySource } from '../host/penalties/penalty-sources.js';
import type { Penalty } from '../host/penalties/penalty.js';
import { groupBy } from '../util/group-by.js';
import { isOrthogonal } from './orthogonal.js';

/** A regularizer that a layer or a cell declares on one of its weights, whether or not training adds its penalty. */
export interface DeclaredRegularizer extends PenaltySource {
  /** As training adds it, or as it is declared where training does not. */
  penalty: Penalty;
  /** Names of the models, wrappers and directions around it, and of the layer; of a cell only where it is one of several. */
  path: string;
  /** The layer or cell that the weight belongs to. */
  owner: layers.Layer;
  /** How often the owner is called within the model: more than once where a layer or a model is shared. */
  calls: number;
  /** How often a training step adds the penalty: `calls`, or 0 where the host loses it. */
  applied: number;
  /** Whether the owner is the cell of a recurrent layer, or within one. */
  recurrent: boolean;
  /** Whether training leaves the weight as it is. */
  frozen: boolean;
}

/**
 * Every regularizer that is declared on a weight of a model, at any depth.
 *
 * The declaration is what the layer was built with: the host binds the regularizer to the weight when it makes the
 * weight, and a member that is assigned later binds nothing.
 *
 * @param model - A built model. Only read.
 * @returns One entry a regularizer and weight, in the order of the layers; losses added by hand are left out.
 * @throws Error if `model` is not a built `tf.LayersModel`.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/topology.ts#L1293-L1295 | Layer.addWeight}
 */
export function declaredRegularizers(model: LayersModel): DeclaredRegularizer[] {
  const trained = builtModel(model);
  const applied = new Map(distinct(appliedPenalties(trained)).map((one) => [one.penalty.key, one]));
  const moved = movedWeights(trained);
  return distinct(declaredPenalties(trained)).flatMap(({ penalty: declared, calls }) => {
    const source = sourceOf(declared);
    if (source === null) return [];
    const { path, layer: owner, recurrent } = declared;
    const added = applied.get(declared.key);
    const penalty = added?.penalty ?? declared;
    const frozen = !moved.has(source.weight);
    return [{ ...source, penalty, path, owner, calls, applied: added?.calls ?? 0, recurrent, frozen }];
  });
}

/** Each of some penalties once, and how often it is among them. */
export const distinct = (penalties: readonly Penalty[]): Array<{ penalty: Penalty; calls: number }> =>
  [...groupBy(penalties, ({ key }) => key).values()].map((all) => ({ penalty: all[0]!, calls: all.length }));

/** `l2(0.1)`, `l1l2(l1 = 0.1, l2 = 0.2)`, `orthogonal(0.1, 'rows')`, or the name of another class. */
export function regularizerText(regularizer: Regularizer): string {
  const known = coefficients(regularizer);
  if (isOrthogonal(regularizer)) return `orthogonal(${regularizer.factor}, '${regularizer.mode}')`;
  if (known === undefined) return className(regularizer);
  const { l1, l2 } = known;
  if (l1 !== 0 && l2 !== 0) return `l1l2(l1 = ${l1}, l2 = ${l2})`;
  if (l1 !== 0) return `l1(${l1})`;
  return l2 === 0 ? 'l1l2(0, 0)' : `l2(${l2})`;
}

/** Whether a regularizer is known to do nothing: its coefficients are 0. */
export function isIdle(regularizer: Regularizer): boolean {
  if (isOrthogonal(regularizer)) return regularizer.factor === 0;
  const known = coefficients(regularizer);
  return known?.l1 === 0 && known.l2 === 0;
}
