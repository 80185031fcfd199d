import { addN, cast, clone, mul, scalar, tidy, type Scalar } from '@tensorflow/tfjs-core';
import { LayersModel } from '@tensorflow/tfjs-layers';
import { notePenalties } from '../host/loss-on-tape.js';
import { isPassLoss } from '../host/pass-loss.js';
import { appliedPenalties } from '../host/penalties.js';
import { penaltySumOf, type Penalty } from '../host/penalty.js';
import { builtModel } from '../host/trained-model.js';
import { distinct } from '../regularizers/declared-regularizers.js';
import { describe } from '../util/arguments.js';

/**
 * The regularization loss of models, to be added to a loss of your own: the sum of all penalties at the current weights, and on
 * the activations of the forward passes that the loss has made so far. Call it after them.
 *
 * ```js
 * optimizer.minimize(() => loss().add(regularizationLoss(model)), true);
 * ```
 *
 * It can be differentiated, by the optimizer and by `tf.grads`, `tf.variableGrads` and `tf.valueAndGrad`. Penalties count as in
 * `fit`, once for each time that a layer is called within its model: enforced, fused and added ones too. One that several of the
 * models hold, as those of an encoder within an autoencoder, counts as often as in the model that calls it most. The penalty on
 * activations is the sum over the calls that the loss made.
 *
 * @param models - A built model or several, compiled or not. Only read.
 * @returns A scalar of the active tidy's, else the caller's; 0 where there is no penalty.
 * @throws Error if one of them is not a built `tf.LayersModel`.
 */
export function regularizationLoss(models: LayersModel | readonly LayersModel[]): Scalar {
  const all = checkedModels('regularizationLoss', models);
  return tidy(() => {
    const sum = sumOfPenalties(all);
    notePenalties(all, [sum]);
    return sum;
  });
}

/**
 * The models that an argument names.
 *
 * @throws Error if it is no model, nor an array of some.
 */
export function checkedModels(caller: string, models: LayersModel | readonly LayersModel[] | undefined): LayersModel[] {
  const all: readonly unknown[] = models === undefined ? [] : Array.isArray(models) ? models : [models];
  const wrong = all.find((one) => !(one instanceof LayersModel));
  if (wrong === undefined && !all.includes(undefined)) return [...new Set(all as LayersModel[])];
  throw new Error(
    `Expected \`models\` of \`${caller}\` to be a tf.LayersModel or an array of them, got ${describe(wrong)}. Pass what ` +
      '`tf.model`, `tf.sequential` or `tf.loadLayersModel` gave.',
  );
}

/** A new scalar of the active scope. */
export function sumOfPenalties(models: readonly LayersModel[]): Scalar {
  const counted = new Map<unknown, number>();
  const sums = models.map(builtModel).flatMap((model) => {
    const left = distinct(appliedPenalties(model)).flatMap(({ penalty, calls }): Penalty[] => {
      const before = counted.get(penalty.key) ?? 0;
      counted.set(penalty.key, Math.max(before, calls));
      return Array.from({ length: Math.max(0, calls - before) }, () => penalty);
    });
    return [
      ...weightPenalties(
        model,
        left.filter(({ kind }) => kind !== 'activity'),
      ),
      ...activityPenalties(left),
    ];
  });
  if (sums.length === 0) return scalar(0);
  const all = sums.map((sum) => cast<Scalar>(sum, 'float32'));
  return all.length === 1 ? clone(all[0]!) : addN(all);
}

function weightPenalties(model: LayersModel, penalties: readonly Penalty[]): Scalar[] {
  const sum = penaltySumOf(model);
  if (sum === undefined || penalties.length === 0) return penalties.map((penalty) => penalty.value());
  return [sum(penalties, false).sum];
}

const activityPenalties = (penalties: readonly Penalty[]): Scalar[] =>
  distinct(penalties.filter(({ kind }) => kind === 'activity')).map(({ penalty, calls }) => passSum(penalty, calls));

/**
 * What a layer computed of what passed through it, summed over the calls that a loss made. The host asks once for each call of
 * the layer within its model, whatever the loss called.
 */
export function passSum({ layer, isRepeated }: Penalty, calls: number): Scalar {
  if (!isPassLoss(layer)) return scalar(0);
  return isRepeated ? mul<Scalar>(layer.mean(), calls) : layer.sum();
}
