import type { Scalar } from '@tensorflow/tfjs-core';
import { LayersModel, layers } from '@tensorflow/tfjs-layers';
import type { Layer } from './model.js';
import { layerCalls, subjects, type Subject } from './penalties.js';

/**
 * The layers that a training step asks for penalties and that answer with what `addPenalty` gave them, and how often it
 * asks: a wrapper and the layer in it have one list of penalties, so both count for both.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/topology.ts#L659-L665 | Layer.calculateLosses}
 */
export function askedLayers(model: LayersModel): Map<Layer, number> {
  const asked = leafCalls(model).filter((layer) => layer.calculateLosses === layers.Layer.prototype.calculateLosses);
  return new Map(asked.map((layer) => [layer, asked.filter(({ losses }) => losses === layer.losses).length]));
}

const leafCalls = (model: LayersModel): Layer[] =>
  layerCalls(model, '').flatMap(({ layer }) => (layer instanceof LayersModel ? leafCalls(layer) : [layer]));

let added = 0;

/**
 * Adds a penalty to those that a layer answers with.
 *
 * @param subject - The layer whose weight it penalises, and that layer's path.
 * @returns How to ask whether it is still there, and how to take it away.
 */
export function addPenalty(
  asked: Layer,
  penalty: () => Scalar,
  subject: Omit<Subject, 'index'>,
): { isThere(): boolean; remove(): void } {
  // Below zero, because the layer that it is about counts its own from there.
  subjects.set(penalty, { ...subject, index: -++added });
  asked.addLoss(penalty);
  const place = () => asked.losses.indexOf(penalty);
  return { isThere: () => place() !== -1, remove: () => void asked.losses.splice(place(), 1) };
}
