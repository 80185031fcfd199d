import { clone, mul, tidy, type Scalar } from '@tensorflow/tfjs-core';
import { LayersModel } from '@tensorflow/tfjs-layers';
import { buildModel, builtModel } from '../host/model/trained-model.js';
import type { PassLoss } from '../host/penalties/pass-loss.js';
import { appliedLosses } from '../host/penalties/penalties.js';
import { notePenalties, sourceOfNotes, type Penalty } from '../host/penalties/penalty.js';
import { addUp } from '../host/step/penalty-sums.js';
import { distinct } from '../regularizers/declared-regularizers.js';
import { warnOfDroppedRegularizers } from '../regularizers/dropped-regularizers.js';
import { FLAG, checkOptions, describe } from '../util/arguments.js';
import { asFloat, sumOf } from '../util/scalars.js';

/** What `regularizationLoss` takes in addition to the models. */
export interface RegularizationLossArgs {
  /** Whether to warn, once a model, where one declares regularizers that training does not apply. Default `true`. */
  warn?: boolean | undefined;
}

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
 * activations is the sum over the passes that the loss made, with `apply`. With `predict`, where a model with several outputs or
 * a shared TimeDistributed is nested, only `minimize` and the other functions that run the loss themselves know the passes.
 *
 * @param models - A model or an array of them, compiled or not. Only read, but for a `Sequential` that is not built yet.
 * @returns A scalar of the active tidy's, else the caller's; 0 where there is no penalty.
 * @throws Error if one of them is no `tf.LayersModel`, or an empty `Sequential`, or `args` is not understood.
 */
export function regularizationLoss(
  models: LayersModel | readonly LayersModel[],
  args: RegularizationLossArgs = {},
): Scalar {
  if (args instanceof LayersModel) {
    throw new Error(
      'Expected several models of `regularizationLoss` to be in an array, got them one after the other. Pass [encoder, decoder].',
    );
  }
  checkOptions('regularizationLoss', args, { warn: FLAG });
  const all = checkedModels('regularizationLoss', models).map(buildModel);
  if (args.warn !== false) all.forEach(warnOfDroppedRegularizers);
  return tidy(() => sumOfPenalties(lossesOf(all)));
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

/** A model with what its step would add. */
export interface ModelLosses {
  model: LayersModel;
  applied: readonly Penalty[];
}

/** @throws Error if one of the models is not built. */
export const lossesOf = (models: readonly LayersModel[]): ModelLosses[] =>
  models.map(builtModel).map((model) => ({ model, applied: appliedLosses(model) }));

/** A new scalar of the active scope. */
export function sumOfPenalties(models: readonly ModelLosses[]): Scalar {
  const counted = new Map<unknown, number>();
  const ofWeights = models.flatMap(({ model, applied }) => {
    const all = distinct(applied.filter(({ kind }) => kind === 'penalty'));
    const left = all.flatMap(({ penalty, calls }): Penalty[] => {
      const before = counted.get(penalty.key) ?? 0;
      counted.set(penalty.key, Math.max(before, calls));
      return Array.from({ length: Math.max(0, calls - before) }, () => penalty);
    });
    return addUp(model, left);
  });
  const sums = [
    ...ofWeights,
    ...passSums(models, 'activity').map(({ penalty, sum }) => scaledBy(penalty.factor(), sum)),
  ];
  const all = sums.map(asFloat);
  return all.length === 1 ? clone(all[0]!) : sumOf(all);
}

const scaledBy = (factor: number, sum: Scalar): Scalar => (factor === 1 ? sum : mul<Scalar>(sum, factor));

/** What a layer of some models adds to a custom loss. */
interface PassSum {
  penalty: Penalty;
  layer: PassLoss;
  /** Over all calls of the layer that the loss made, without factor and weight. */
  sum: Scalar;
}

/** What layers of models computed of what passed through them, each once, also where several of the models hold it. */
export function passSums(models: readonly ModelLosses[], kind: 'activity' | 'term'): PassSum[] {
  const found = new Map<unknown, { penalty: Penalty; calls: number }>();
  for (const { penalty, calls } of models.flatMap(({ applied }) =>
    distinct(applied.filter((loss) => loss.kind === kind)),
  )) {
    const known = found.get(penalty.key) ?? { penalty, calls };
    const isRepeated = known.penalty.isRepeated || penalty.isRepeated;
    found.set(penalty.key, { penalty: { ...known.penalty, isRepeated }, calls: Math.max(known.calls, calls) });
  }
  return [...found.values()].map(({ penalty, calls }) => {
    const layer = penalty.layer as PassLoss;
    const sum = layer.sum(penalty.isRepeated ? calls : undefined);
    notePenalties([sourceOfNotes(penalty)], sum);
    return { penalty, layer, sum };
  });
}
