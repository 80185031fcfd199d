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

/**
 * Refuses to make more weights than that, in all layers together, until released; those that are made are zeros. To be
 * used around the loading of a model from a file: the topology may ask for any size, and is obeyed before anything
 * compares it with the weights in the file.
 *
 * @param limit - How many values.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/topology.ts#L1271 | Layer.addWeight}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L312-L321 | fastWeightInit}
 */
export function limitNewWeights(limit: number): () => void {
  const prototype = layers.Layer.prototype as unknown as HostWeights;
  const addWeight = prototype.addWeight;
  let made = 0;
  prototype.addWeight = function (name, shape, ...others) {
    made += shape.reduce<number>((size, length) => size * Math.abs(Number(length)), 1);
    if (!(made <= limit)) throw new Error(`the topology asks for more weights than the file has (${limit} values)`);
    this.setFastWeightInitDuringBuild(true);
    return addWeight.call(this, name, shape, ...others);
  };
  return () => void (prototype.addWeight = addWeight);
}

/** Where a layer makes its weights, which is protected in the host's types. */
interface HostWeights {
  setFastWeightInitDuringBuild(value: boolean): void;
  addWeight(name: string, shape: ReadonlyArray<number | null>, ...others: unknown[]): Layer['weights'][number];
}
