import { tidy } from '@tensorflow/tfjs-core';
import type { LayersModel, layers } from '@tensorflow/tfjs-layers';
import { declaredCalls } from '../host/declared.js';
import { inspectPenalty, type PenaltySource } from '../host/regularizers.js';
import { movedWeights } from '../host/model.js';
import { penaltyCalls, type PenaltyCall } from '../host/penalties.js';
import { builtModel } from '../host/trained-model.js';

/** A regularizer that a layer or a cell declares on one of its weights, whether or not training adds its penalty. */
export interface DeclaredRegularizer extends PenaltySource {
  /** Names of the models, wrappers and directions around it, and of the layer; of a cell only where it is one of several. */
  path: string;
  /** The layer or cell that the weight belongs to. */
  owner: layers.Layer;
  /** The layer that the host asks for the owner's penalties: the owner itself, or the outermost one around it. */
  layer: layers.Layer;
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
  const calls = declaredCalls(trained);
  const applied = count(penaltyCalls(trained).map(({ loss }) => loss));
  const called = count(calls.map(({ loss }) => loss));
  const moved = movedWeights(trained);
  return [...called].flatMap(([loss, times]) => {
    const call = calls.find((one) => one.loss === loss)!;
    const source = penaltySource(call);
    if (source === null) return [];
    const { path, layer: owner, asked: layer, recurrent } = call;
    const frozen = !moved.has(source.weight);
    return [{ ...source, path, owner, layer, calls: times, applied: applied.get(loss) ?? 0, recurrent, frozen }];
  });
}

const count = <T>(values: readonly T[]): Map<T, number> =>
  values.reduce((counts, value) => counts.set(value, (counts.get(value) ?? 0) + 1), new Map<T, number>());

const sources = new WeakMap<() => unknown, PenaltySource | null>();

/**
 * The regularizer and the weight behind a penalty; `null` for one on activations or a loss that was added by hand. The
 * penalty is computed once in its life for that.
 */
export function penaltySource(call: PenaltyCall): PenaltySource | null {
  if (call.loss === undefined) return null;
  const known = sources.get(call.loss);
  if (known !== undefined) return known;
  let source: PenaltySource | null = null;
  tidy(() => {
    source = inspectPenalty(call).source ?? null;
  });
  sources.set(call.loss, source);
  return source;
}
