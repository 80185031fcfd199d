import { layers } from '@tensorflow/tfjs-layers';
import type { Layer } from './model.js';

/**
 * Refuses to make more weights than that, in all layers together, until released; those that are made are zeros. To be
 * used around the loading of a model from a file: the topology may name any size, and the host makes weights of it before anything
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
