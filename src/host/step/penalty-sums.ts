import { cast, tidy, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { internals } from '../model/model.js';
import { RANK, isPatched, patch } from '../patch.js';
import { addsThoseOfLayers, appliedLosses } from '../penalties/penalties.js';
import { checkedPenalty } from '../penalties/penalty-value.js';
import { changes, isPenalty, penaltySumOf, type Penalty, type PenaltyChange } from '../penalties/penalty.js';
import { currentPass } from './loss-on-tape.js';

/**
 * The penalties of a trained model at its current weights, each asked for once. Those on activations are left out.
 *
 * @param isWanted - Leaves out others.
 * @returns New float32 scalars, which the caller disposes, also where a loss added by hand returns a tensor of the user's.
 */
export function currentPenalties(model: LayersModel, isWanted: (penalty: Penalty) => boolean): Scalar[] {
  return tidy(() => {
    const penalties = addsThoseOfLayers(model)
      ? addUp(
          model,
          appliedLosses(model).filter((penalty) => penalty.kind === 'penalty' && isWanted(penalty)),
        )
      : internals(model).calculateLosses();
    return penalties.map((penalty) =>
      cast(
        checkedPenalty(penalty, () => model.name),
        'float32',
      ),
    );
  });
}

/**
 * Changes what a model adds as its penalties, in its own training and where it is nested in another model.
 *
 * @returns Undoes the change.
 * @throws Error within a training step that is watched (a factor excepted), or if the model has a `calculateLosses` of its own;
 *   nothing is changed then.
 */
export function changePenalties(model: LayersModel, change: PenaltyChange): () => void {
  if (!addsThoseOfLayers(model)) throw computesByItself(model);
  const isFactor = change.rule === undefined && change.sum === undefined;
  if (!isFactor) checkNotInStep(model);
  const all = changes.get(model) ?? new Set<PenaltyChange>();
  changes.set(model, all.add(change));
  const release = patch(internals(model), 'calculateLosses', RANK.penalties, () =>
    tidy(() => addUp(model, appliedLosses(model))),
  );
  return () => {
    if (!isFactor) checkNotInStep(model);
    all.delete(change);
    release();
  };
}

const computesByItself = ({ name }: LayersModel): Error =>
  new Error(
    `Expected \`${name}\` to add its penalties as tf.LayersModel does, got one with a \`calculateLosses\` of its own. ` +
      'Leave that model as it is.',
  );

/** Computes some of what a model adds to the loss, those penalties as one that it has a sum of its own for. */
export function addUp(model: LayersModel, losses: readonly Penalty[]): Scalar[] {
  const sum = penaltySumOf(model);
  const summed = losses.filter(isPenalty);
  if (sum === undefined || summed.length === 0) return losses.map((loss) => loss.value());
  const pass = currentPass();
  const added = sum(summed, pass?.each ?? false);
  pass?.parts.set(added.sum.id, added.parts);
  return [added.sum, ...losses.filter((loss) => !isPenalty(loss)).map((term) => term.value())];
}

function checkNotInStep(model: LayersModel): void {
  if (!isPatched(internals(model).calculateLosses, RANK.watch)) return;
  throw new Error(
    `Expected the penalties of \`${model.name}\` to change between training steps, got a change within one. ` +
      'Make it before `fit`, or in `onEpochBegin` or `onEpochEnd`.',
  );
}
