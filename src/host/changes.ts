import { tidy, type Scalar } from '@tensorflow/tfjs-core';
import { LayersModel, Sequential, layers } from '@tensorflow/tfjs-layers';
import { internals, putBack, type Layer } from './model.js';
import { layerCalls, replacements, subjects, type PenaltyCall, type Subject } from './penalties.js';
import { isWatched } from './step-watch.js';

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
 * Has a trained model add other penalties than the host's, in its own training and where it is nested in another model.
 *
 * @param calls - The penalties, asked for at each step; `prefix` is what stands before their paths.
 * @returns Puts the model back as it was.
 * @throws Error within a training step that is watched; the model is then as it was.
 */
export function replacePenalties(model: LayersModel, calls: (prefix: string) => PenaltyCall[]): () => void {
  const host = internals(model);
  checkNotInStep(model);
  const before = Object.getOwnPropertyDescriptor(host, 'calculateLosses');
  host.calculateLosses = () => tidy(() => calls('').map(({ penalty }) => penalty()));
  replacements.set(model, calls);
  return () => {
    checkNotInStep(model);
    putBack(host, 'calculateLosses', before);
    replacements.delete(model);
  };
}

function checkNotInStep(model: LayersModel): void {
  if (!isWatched(model)) return;
  throw new Error(
    `Expected the penalties of \`${model.name}\` to change between training steps, got a change within one. ` +
      'Make it before `fit`, or in `onEpochBegin` or `onEpochEnd`.',
  );
}

/**
 * Tells of each model that a `Sequential` builds from now on in place of the one that it trains, until released: every
 * `compile` builds one.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L813-L815 | Sequential.compile}
 */
export function whenRebuilt(model: LayersModel, heard: (trained: LayersModel) => void): () => void {
  if (!(model instanceof Sequential)) return () => {};
  let trained = (model as unknown as { model: LayersModel }).model;
  const property = { configurable: true, enumerable: true };
  Object.defineProperty(model, 'model', {
    ...property,
    get: () => trained,
    set: (rebuilt: LayersModel) => {
      trained = rebuilt;
      heard(rebuilt);
    },
  });
  return () => void Object.defineProperty(model, 'model', { ...property, writable: true, value: trained });
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
