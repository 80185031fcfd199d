import { serialization } from '@tensorflow/tfjs-core';
import { LayersModel, Sequential, initializers, layers, models, type LayerVariable } from '@tensorflow/tfjs-layers';
import type { Layer } from './model.js';
import { RANK, patch } from '../patch.js';
import { RegularizerBase, registeredClass } from './regularizers.js';

/**
 * What the host makes of a `class_name`: a model with a graph, a `Sequential`, a layer, a regularizer, or something else,
 * such as an initializer; `undefined` where nothing is registered under that name.
 */
export function savedKind(name: unknown): 'graph' | 'sequential' | 'layer' | 'regularizer' | 'other' | undefined {
  const type = typeof name === 'string' ? (registeredClass(name) as Class | undefined) : undefined;
  if (type === undefined) return undefined;
  if (isA(type, Sequential)) return 'sequential';
  if (isA(type, LayersModel)) return 'graph';
  if (isA(type, layers.Layer)) return 'layer';
  return isA(type, RegularizerBase) ? 'regularizer' : 'other';
}

interface Class {
  prototype: object;
}

const isA = (type: Class, base: Class): boolean =>
  type === base || Object.prototype.isPrototypeOf.call(base.prototype, type.prototype);

/** What the host threw while it made or called a layer; the `cause` is its own error. */
export class LayerFailure extends Error {
  constructor(
    /** The layer's name in the topology, whatever that is. */
    readonly layer: unknown,
    readonly className: string,
    cause: unknown,
  ) {
    super(`${String(layer)} (${className})`, { cause });
  }
}

/**
 * Makes a model of a saved topology, with the structure and the regularizers of that model and none of its weights: each
 * is one zero, so that a layer of a billion units costs as much as one of one.
 *
 * While it runs, the classes that the host makes of a topology are changed; it ends within the same turn of the event
 * loop in which it was called.
 *
 * @param topology - What `model.toJSON()` or Keras's `to_json()` gives, without a cycle in its graph.
 * @returns The model, a `Sequential` built, and how to free its weights.
 * @throws LayerFailure, or an error of the host's; nothing is left behind then.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L62-L103 | modelFromJSON}
 */
export async function modelWithoutWeights(topology: object): Promise<{ model: LayersModel; dispose: () => void }> {
  const made: LayerVariable[] = [];
  const dispose = (): void => made.splice(0).forEach((weight) => weight.dispose());
  const restore = [...watchLayerClasses(), watchCalls(), makeTinyWeights(made)];
  try {
    const model = await models.modelFromJSON({ modelTopology: topology as never });
    if (!(model instanceof LayersModel)) throw new Error('its outermost class is not a model');
    if (model instanceof Sequential) model.build();
    return { model, dispose };
  } catch (error) {
    dispose();
    throw error;
  } finally {
    restore.forEach((undo) => undo());
  }
}

/**
 * Names the layer that cannot be made, and keeps stateful ones from allocating their states.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/layers/recurrent.ts#L540-L542 | RNN.build}
 */
function watchLayerClasses(): Array<() => void> {
  const entries = Object.entries(serialization.SerializationMap.getMap().classNameMap);
  return entries
    .filter(([name]) => !['regularizer', 'other'].includes(savedKind(name)!))
    .map(([name, entry]) => {
      const [, fromConfig] = entry;
      entry[1] = (type, config, ...others) =>
        naming((config as { name?: unknown } | null)?.name, name, () => {
          const layer = fromConfig(type, config, ...others) as Layer & { resetStates?: () => void };
          layer.resetStates = () => {};
          return layer;
        });
      return () => void (entry[1] = fromConfig);
    });
}

/** Names the layer that cannot be called. */
const watchCalls = (): (() => void) =>
  patch(layers.Layer.prototype, 'apply', RANK.watch, function (apply, inputs, kwargs) {
    return naming(this.name, this.getClassName(), () => {
      if ([inputs].flat().includes(undefined as never)) {
        throw new Error('`inbound_nodes` names an output that the layer before it does not have');
      }
      return apply(inputs, kwargs);
    });
  });

/** @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/topology.ts#L1269 | Layer.addWeight} */
const makeTinyWeights = (made: LayerVariable[]): (() => void) =>
  patch(
    layers.Layer.prototype as unknown as HostWeights,
    'addWeight',
    RANK.watch,
    (addWeight, name, shape, _dtype, _initializer, regularizer, trainable, constraint) => {
      if (!shape.every((size) => Number.isSafeInteger(size) && size! >= 0)) {
        throw new Error(`its sizes and its input give the weight ${name} the shape [${shape.map(String).join(', ')}]`);
      }
      const tiny = shape.map(() => 1);
      const weight = addWeight(name, tiny, 'float32', initializers.zeros(), regularizer, trainable, constraint);
      made.push(weight);
      return weight;
    },
  );

/** Where a layer makes its weights, which is protected in the host's types. */
interface HostWeights {
  addWeight(
    name: string,
    shape: ReadonlyArray<number | null>,
    dtype: string | undefined,
    initializer: unknown,
    regularizer?: unknown,
    trainable?: boolean,
    constraint?: unknown,
  ): LayerVariable;
}

function naming<Result>(layer: unknown, className: string, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    throw error instanceof LayerFailure ? error : new LayerFailure(layer, className, error);
  }
}
