import { tidy, type Scalar } from '@tensorflow/tfjs-core';
import { LayersModel, layers } from '@tensorflow/tfjs-layers';
import { internals, trainedModel, type Layer } from '../model/model.js';
import { isRecurrent, layerCalls, placesIn, type Place } from '../model/walk.js';
import { shared, unpatched } from '../patch.js';
import { subjectOf } from './closures.js';
import { isPassLoss } from './pass-loss.js';
import {
  isPenalty,
  notePenalties,
  penaltyRule,
  scaled,
  withFactor,
  type DeclaredPenalty,
  type Penalty,
  type PenaltyRule,
} from './penalty.js';
import { checkedPenalty, penaltyValue } from './penalty-value.js';

/**
 * What a training step of a model adds to the loss of its outputs, in the order in which it adds it: layer by layer, once for each time
 * that the layer is called within the model.
 *
 * @param prefix - The path of the model itself, with `/`.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/container.ts#L1061-L1080 | Container.calculateLosses}
 */
export function appliedLosses(model: LayersModel, prefix = ''): Penalty[] {
  const rule = penaltyRule(model);
  const ofHost = lossesOfHost(model, prefix);
  const losses = rule ? chosen(rule, declaredPenalties(model, prefix), ofHost) : ofHost;
  return losses.map((loss) => (isPenalty(loss) ? scaled(model, loss) : loss));
}

/** What a rule makes of the penalties, with the terms that the host adds, each in its place. */
function chosen(rule: PenaltyRule, declared: readonly Penalty[], ofHost: readonly Penalty[]): Penalty[] {
  const choose = rule();
  const terms = ofHost.filter((loss) => !isPenalty(loss));
  return declared.flatMap((loss) => {
    const place = terms.findIndex(({ key }) => key === loss.key);
    return place === -1 ? (isPenalty(loss) ? (choose(loss) ?? []) : []) : terms.splice(place, 1);
  });
}

const lossesOfHost = (model: LayersModel, prefix: string): Penalty[] =>
  layerCalls(model, prefix).flatMap((call) =>
    isModelOfLayers(call.layer)
      ? nested(call.layer, appliedLosses(call.layer, `${call.path}/`))
      : penaltiesIn(call).filter(({ closure }) => closure === undefined || call.layer.losses.includes(closure)),
  );

/** The penalties among what a training step of a model adds. */
export const appliedPenalties = (model: LayersModel): Penalty[] => appliedLosses(model).filter(isPenalty);

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
    isModelOfLayers(call.layer)
      ? nested(call.layer, declaredPenalties(call.layer, `${call.path}/`))
      : penaltiesIn(call),
  );
}

/**
 * The host runs a nested model once for each of its outputs.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/executor.ts#L284-L326 | execute}
 */
const nested = ({ outputs }: LayersModel, losses: Penalty[]): Penalty[] =>
  outputs.length > 1 ? losses.map((loss) => ({ ...loss, isRepeated: true })) : losses;

/** The penalties of one call of a layer that is no model, and of what is inside of it. */
function penaltiesIn(call: Place): Penalty[] {
  const isClosed = ({ around }: Place): boolean => around.some(({ layer }) => computesItsOwn(layer));
  const open = [...placesIn({ ...call, around: [] }), { ...call, around: [] }].filter((place) => !isClosed(place));
  const owners = new Map<() => Scalar, Layer>();
  return open.flatMap((place) => {
    const { layer, path, around } = place;
    const isRepeated = around.length > 0;
    const plain = { kind: 'penalty', recurrent: false, added: false, kerasAbs: false } as const;
    const common = { ...plain, path, layer, outerLayer: call.layer, isRepeated };
    const whole = (one: DeclaredPenalty): Penalty => withFactor(one, () => 1);
    if (computesItsOwn(layer)) return computedPenalties(place).map((one) => whole({ ...common, ...one }));
    if (layer instanceof LayersModel) return [];
    // A wrapper has those of the layer in it.
    const own = layer.losses.filter((closure) => (owners.get(closure) ?? layer) === layer);
    own.forEach((closure) => owners.set(closure, layer));
    const recurrent = around.some((outer) => isRecurrent(outer.layer));
    return own.map((closure, index): Penalty => {
      const declared = (): Scalar => penaltyValue(closure, place);
      const own = { ...common, recurrent, closure, key: keyOf(layer, closure), declared, ...subjectOf(closure) };
      if (!isPassLoss(layer) || index > 0) return whole(own);
      return whole(layer.isTerm ? { ...own, kind: 'term' } : { ...own, kind: 'activity', kerasAbs: true });
    });
  });
}

const keys = shared('keys', () => new WeakMap<Layer, WeakMap<() => Scalar, object>>());

/** The same for the same two: one function may have been added to several layers, as a loss of each. */
function keyOf(layer: Layer, closure: () => Scalar): object {
  const ofLayer = keys.get(layer) ?? new WeakMap<() => Scalar, object>();
  keys.set(layer, ofLayer);
  const key = ofLayer.get(closure) ?? {};
  ofLayer.set(closure, key);
  return key;
}

/** Whether a layer has a way of its own to its penalties, of which no more can be said. */
const computesItsOwn = (layer: Layer): boolean =>
  layer instanceof LayersModel
    ? !isModelOfLayers(layer)
    : layer.calculateLosses !== layers.Layer.prototype.calculateLosses;

function computedPenalties({ layer, path }: Place): Array<Pick<Penalty, 'closure' | 'key' | 'declared'>> {
  const count = tidy(() => layer.calculateLosses().length);
  return Array.from({ length: count }, (_, index) => {
    const key = `${layer.id}#${index}`;
    const declared = (): Scalar => {
      const value = tidy(() => checkedPenalty(layer.calculateLosses()[index], () => path));
      notePenalties([key], value);
      return value;
    };
    return { closure: undefined, key, declared };
  });
}

/** Whether a model adds the penalties of its layers, and has no method of its own for it. */
export const addsThoseOfLayers = (model: LayersModel): boolean =>
  unpatched(internals(model).calculateLosses) === unpatched(internals(LayersModel.prototype).calculateLosses);

const isModelOfLayers = (layer: Layer): layer is LayersModel =>
  layer instanceof LayersModel && addsThoseOfLayers(layer);

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
