import { tidy, type Scalar } from '@tensorflow/tfjs-core';
import { LayersModel, layers } from '@tensorflow/tfjs-layers';
import { isActivityLayer, type ActivityLayer } from './activity.js';
import { internals, type Layer } from './model.js';

/** One call that a training step makes of one penalty. */
export interface PenaltyCall {
  /** Names of the nested models, the layer and, of a wrapper, the wrapped layer, joined by `/`. */
  path: string;
  /** Which penalty of the layer: a layer that is called k times has k calls with the same path and index. */
  index: number;
  layer: Layer;
  /** The penalty at the current weights, coefficient included: a new scalar, which the caller disposes. */
  penalty: () => Scalar;
  /** The host's own function behind `penalty`, by which to know a penalty again; none where a layer computes its own. */
  loss?: () => Scalar;
  /** The layer whose activations are penalised, where they are and not a weight. Each of its calls has its own value. */
  activity?: ActivityLayer;
}

/**
 * The penalties in the order in which `calculateLosses` of a trained model returns them: layer by layer, once for each
 * time that the layer is called within the model.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/container.ts#L1061-L1080 | Container.calculateLosses}
 */
export function penaltyCalls(model: LayersModel, prefix = ''): PenaltyCall[] {
  const replacement = replacements.get(model);
  if (replacement !== undefined) return replacement(prefix);
  return layerCalls(model, prefix).flatMap(({ layer, path }) =>
    isModelOfLayers(layer) ? penaltyCalls(layer, `${path}/`) : layerPenalties(layer, path),
  );
}

/** The functions that this library puts in the place of a model's `calculateLosses`, and that add those of its layers still. */
export const ownCalculations = new WeakSet();

/** Whether a `calculateLosses` is that of a model which adds the penalties of its layers. */
export const isHostCalculation = (calculateLosses: () => Scalar[]): boolean =>
  calculateLosses === internals(LayersModel.prototype).calculateLosses || ownCalculations.has(calculateLosses);

/** Whether a layer is a model that adds the penalties of its layers, and not one with a method of its own. */
export const isModelOfLayers = (layer: Layer): layer is LayersModel =>
  layer instanceof LayersModel && isHostCalculation(internals(layer).calculateLosses);

/** The layers of a model, each as often as it is called within the model. */
export function layerCalls(model: LayersModel, prefix: string): Array<{ layer: Layer; path: string }> {
  const { containerNodes } = internals(model);
  return model.layers.flatMap((layer) => {
    const calls = layer.inboundNodes.filter((_, node) => containerNodes.has(`${layer.name}_ib-${node}`));
    return calls.map(() => ({ layer, path: prefix + layer.name }));
  });
}

export function layerPenalties(layer: Layer, prefix: string): PenaltyCall[] {
  const wrapped = (layer as { layer?: unknown }).layer;
  const path = wrapped instanceof layers.Layer ? `${prefix}/${wrapped.name}` : prefix;
  if (layer.calculateLosses !== layers.Layer.prototype.calculateLosses) {
    return overriddenLosses(layer).map((penalty, index) => ({ path, index, layer, penalty }));
  }
  const activity = [layer, wrapped].find(isActivityLayer);
  return layer.losses.map((loss, index) => {
    const call: PenaltyCall = { path, index, layer, penalty: () => loss(), loss, ...subjects.get(loss) };
    return activity && index === 0 ? { ...call, activity } : call;
  });
}

function overriddenLosses(layer: Layer): Array<() => Scalar> {
  const count = tidy(() => layer.calculateLosses().length);
  return Array.from({ length: count }, (_, index) => () => tidy(() => layer.calculateLosses()[index]!));
}

export type Subject = Pick<PenaltyCall, 'path' | 'index' | 'layer'>;

/** What a penalty is about that may stand on another layer than the one whose weight it penalises. */
export const subjects = new WeakMap<() => unknown, Subject>();

/** What `calculateLosses` of a model returns instead of the host's penalties. */
export const replacements = new WeakMap<LayersModel, (prefix: string) => PenaltyCall[]>();
