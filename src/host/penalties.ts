import { cast, mul, tidy, type Scalar } from '@tensorflow/tfjs-core';
import { LayersModel, layers } from '@tensorflow/tfjs-layers';
import { subjectOf } from './added-penalties.js';
import { isPassLoss } from './pass-loss.js';
import { internals, trainedModel, type Layer } from './model.js';
import { RANK, isPatched, patch, shared, unpatched } from './patch.js';
import { currentPass } from './loss-on-tape.js';
import { isRecurrent, layerCalls, placesIn, type Place } from './walk.js';

/** One call of one penalty: on a weight, on activations, or a loss that was added by hand. */
export interface Penalty {
  /** A `term` belongs to the data loss; it is here because the host adds it in the same way. */
  kind: 'penalty' | 'activity' | 'term';
  /** Names of the nested models, wrappers and the layer, joined by `/`. */
  path: string;
  /** The layer or cell whose weight or activations are penalised. */
  layer: Layer;
  /** The layer of the model that it is in: itself, or the outermost one around it. */
  outerLayer: Layer;
  /** Whether the layer is the cell or a direction of a recurrent one. */
  recurrent: boolean;
  /** Whether a wrapper, or a model with several outputs, may call the layer several times for one call of the model. */
  isRepeated: boolean;
  /** Whether it was added to a built model. */
  added: boolean;
  /** The host's own function; none where a layer computes its penalties by a method of its own. */
  closure: (() => Scalar) | undefined;
  /** Equal for the calls of one penalty only; a layer that is called k times has k calls with the same key. */
  key: unknown;
  /** Whether the derivative of `abs` at 0 is Keras's 0 for it, and not the host's -1. */
  kerasAbs: boolean;
  /** What it is multiplied by, read when it is computed: 1 where nothing changes that. */
  factor(): number;
  /** The penalty as it is declared, at the current weights, without the factor: a scalar of the active scope. */
  declared(): Scalar;
  /** The penalty at the current weights, coefficient and factor included: a scalar of the active scope. */
  value(): Scalar;
}

/** Whether something that the host adds belongs to the penalties, and not to the data loss. */
export const isPenalty = ({ kind }: Penalty): boolean => kind !== 'term';

/** How a model adds its penalties up, where that is changed. */
export const penaltySumOf = (model: LayersModel): PenaltySum | undefined => inForce(model, 'sum');

/** What is to be said of a penalty before its factor is known. */
type DeclaredPenalty = Omit<Penalty, 'factor' | 'value'>;

/** The penalties of a model instead of the host's, from all that its layers declare. */
export type PenaltyRule = (declared: Penalty[]) => Penalty[];

/** Adds penalties up: one scalar that carries the gradients of all; `parts`, kept, are the penalties by themselves. */
export type PenaltySum = (penalties: readonly Penalty[], each: boolean) => { sum: Scalar; parts: Scalar[] };

/** What a model adds as its penalties, instead of what the host adds. The last rule and sum act, and all factors. */
export interface PenaltyChange {
  rule?: PenaltyRule;
  sum?: PenaltySum;
  /** What each penalty is multiplied by, read when it is computed. */
  factor?: () => number;
}

const changes = shared('changes', () => new WeakMap<LayersModel, Set<PenaltyChange>>());

/** The last change of a kind that is in force. */
const inForce = <K extends 'rule' | 'sum'>(model: LayersModel, kind: K): PenaltyChange[K] =>
  [...(changes.get(model) ?? [])].filter((change) => change[kind] !== undefined).at(-1)?.[kind];

/** The rule that chooses the penalties of a model; `undefined` where the host's own choice is in force. */
export const penaltyRule = (model: LayersModel): PenaltyRule | undefined => inForce(model, 'rule');

const factorOf = (model: LayersModel): number =>
  [...(changes.get(model) ?? [])].reduce((product, { factor }) => product * (factor?.() ?? 1), 1);

/** A penalty with the factor of a model that adds it, times those of the models within that. */
function scaled(model: LayersModel, penalty: Penalty): Penalty {
  const factor = (): number => penalty.factor() * factorOf(model);
  return withFactor(penalty, factor);
}

function withFactor(penalty: DeclaredPenalty, factor: () => number): Penalty {
  const value = (): Scalar => {
    const now = factor();
    return now === 1 ? penalty.declared() : tidy(() => mul(penalty.declared(), now));
  };
  return { ...penalty, factor, value };
}

/**
 * What a training step of a model adds to the loss of its outputs, in the order in which it adds it: layer by layer, once for each time
 * that the layer is called within the model.
 *
 * @param prefix - The path of the model itself, with `/`.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/container.ts#L1061-L1080 | Container.calculateLosses}
 */
export function appliedLosses(model: LayersModel, prefix = ''): Penalty[] {
  const rule = penaltyRule(model);
  const losses = rule ? rule(declaredPenalties(model, prefix)) : lossesOfHost(model, prefix);
  return losses.map((loss) => (isPenalty(loss) ? scaled(model, loss) : loss));
}

const lossesOfHost = (model: LayersModel, prefix: string): Penalty[] =>
  layerCalls(model, prefix).flatMap((call) =>
    isModelOfLayers(call.layer)
      ? appliedLosses(call.layer, `${call.path}/`)
      : penaltiesIn(call).filter(({ closure }) => closure === undefined || call.layer.losses.includes(closure)),
  );

/** The penalties among what a training step of a model adds. */
export const appliedPenalties = (model: LayersModel): Penalty[] => appliedLosses(model).filter(isPenalty);

/**
 * The penalties of a trained model at its current weights.
 *
 * @returns New float32 scalars, which the caller disposes, also where a loss added by hand returns a tensor of the user's.
 */
export function currentPenalties(model: LayersModel): Scalar[] {
  return tidy(() => model.calculateLosses().map((penalty) => cast(penalty, 'float32')));
}

/**
 * What `appliedLosses` would be if the host forwarded every layer's: those of cells, of both directions of a
 * Bidirectional, of a model within a TimeDistributed, and of a Sequential within a Sequential, which the host flattens in the
 * model that it trains but does not find in the outer one when that is nested.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/layers/recurrent.ts#L2108 | StackedRNNCells}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/layers/wrappers.ts#L103-L105 | Wrapper.losses}
 */
export function declaredPenalties(model: LayersModel, prefix = ''): Penalty[] {
  return layerCalls(trainedModel(model) ?? model, prefix).flatMap((call) =>
    isModelOfLayers(call.layer) ? declaredPenalties(call.layer, `${call.path}/`) : penaltiesIn(call),
  );
}

/** The penalties of one call of a layer that is no model, and of what is inside of it. */
function penaltiesIn(call: Place): Penalty[] {
  const isClosed = ({ around }: Place): boolean => around.some(({ layer }) => computesItsOwn(layer));
  const open = [...placesIn({ ...call, around: [] }), { ...call, around: [] }].filter((place) => !isClosed(place));
  const found = new Set<() => Scalar>();
  return open.flatMap((place) => {
    const { layer, path, around } = place;
    const isRepeated = around.length > 0 || call.path !== call.layer.name;
    const plain = { kind: 'penalty', recurrent: false, added: false, kerasAbs: false } as const;
    const common = { ...plain, path, layer, outerLayer: call.layer, isRepeated };
    const whole = (one: DeclaredPenalty): Penalty => withFactor(one, () => 1);
    if (computesItsOwn(layer)) return computedPenalties(layer).map((one) => whole({ ...common, ...one }));
    if (layer instanceof LayersModel) return [];
    const own = layer.losses.filter((closure) => !found.has(closure));
    own.forEach((closure) => found.add(closure));
    const recurrent = around.some((outer) => isRecurrent(outer.layer));
    return own.map((closure, index): Penalty => {
      const own = { ...common, recurrent, closure, key: closure, declared: () => closure(), ...subjectOf(closure) };
      if (!isPassLoss(layer) || index > 0) return whole(own);
      return whole(layer.isTerm ? { ...own, kind: 'term' } : { ...own, kind: 'activity', kerasAbs: true });
    });
  });
}

/** Whether a layer has a way of its own to its penalties, of which no more can be said. */
const computesItsOwn = (layer: Layer): boolean =>
  layer instanceof LayersModel
    ? !isModelOfLayers(layer)
    : layer.calculateLosses !== layers.Layer.prototype.calculateLosses;

function computedPenalties(layer: Layer): Array<Pick<Penalty, 'closure' | 'key' | 'declared'>> {
  const count = tidy(() => layer.calculateLosses().length);
  return Array.from({ length: count }, (_, index) => ({
    closure: undefined,
    key: `${layer.id}#${index}`,
    declared: () => tidy(() => layer.calculateLosses()[index]!),
  }));
}

/** Whether a model adds the penalties of its layers, and has no method of its own for it. */
export const addsThoseOfLayers = (model: LayersModel): boolean =>
  unpatched(internals(model).calculateLosses) === internals(LayersModel.prototype).calculateLosses;

const isModelOfLayers = (layer: Layer): layer is LayersModel =>
  layer instanceof LayersModel && addsThoseOfLayers(layer);

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
  const release = patch(internals(model), 'calculateLosses', RANK.penalties, () => () => computed(model));
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

/** What `calculateLosses` of a changed model returns. */
function computed(model: LayersModel): Scalar[] {
  return tidy(() => {
    const penalties = appliedLosses(model);
    const sum = penaltySumOf(model);
    const summed = sum === undefined ? [] : penalties.filter(isPenalty);
    if (sum === undefined || summed.length === 0) return penalties.map((penalty) => penalty.value());
    const pass = currentPass();
    const added = sum(summed, pass?.each ?? false);
    pass?.parts.set(added.sum.id, added.parts);
    return [added.sum, ...penalties.filter((penalty) => !isPenalty(penalty)).map((term) => term.value())];
  });
}

function checkNotInStep(model: LayersModel): void {
  if (!isPatched(internals(model).calculateLosses, RANK.watch)) return;
  throw new Error(
    `Expected the penalties of \`${model.name}\` to change between training steps, got a change within one. ` +
      'Make it before `fit`, or in `onEpochBegin` or `onEpochEnd`.',
  );
}

/**
 * The layers whose list of penalties a training step adds, and how often it does: a wrapper and the layer in it have one list,
 * so the calls of both count for both.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/topology.ts#L659-L665 | Layer.calculateLosses}
 */
export function layersWithPenalties(model: LayersModel): Map<Layer, number> {
  const calls = (one: LayersModel): Layer[] =>
    layerCalls(one).flatMap(({ layer }) => (layer instanceof LayersModel ? calls(layer) : [layer]));
  const all = calls(model).filter((layer) => !computesItsOwn(layer));
  return new Map(all.map((layer) => [layer, all.filter(({ losses }) => losses === layer.losses).length]));
}
