import { LayersModel, layers } from '@tensorflow/tfjs-layers';
import { internals, numberThings, trainedModel, type Layer } from './model.js';

/** One call of a layer or cell, at any depth of a model. */
export interface Place {
  layer: Layer;
  /** The names of the models, wrappers and directions around it, and its own; a cell that is alone has the name of its layer. */
  path: string;
  /** What it is in, from the outermost model, wrapper or recurrent layer to the innermost. */
  around: readonly Place[];
}

/** The layers of a model, each as often as it is called within the model. */
export function layerCalls(model: LayersModel, prefix = '', around: readonly Place[] = []): Place[] {
  const { containerNodes } = internals(model);
  return model.layers.flatMap((layer) => {
    const calls = layer.inboundNodes.filter((_, node) => containerNodes.has(`${layer.name}_ib-${node}`));
    return calls.map(() => ({ layer, path: prefix + layer.name, around }));
  });
}

/**
 * Everything within a model or layer: layers, wrappers, cells and inner models, once for each call, what is inside before
 * what is around it.
 *
 * @param flatten - Whether to look into models as they are trained, where a `Sequential` within a `Sequential` is flattened, or
 *   as they were put together.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L504-L506 | Sequential.add}
 */
export function placesIn({ layer, path, around }: Place, flatten = true): Place[] {
  const here = path === '' ? [] : [...around, { layer, path, around }];
  const prefix = path === '' ? '' : `${path}/`;
  const named = (inner: { layer: Layer; name: string }): Place => ({
    layer: inner.layer,
    path: inner.name === '' ? path : prefix + inner.name,
    around: here,
  });
  const isFlattened = flatten && layer instanceof LayersModel;
  const within = isFlattened ? layerCalls(trainedModel(layer) ?? layer, prefix, here) : innerLayers(layer).map(named);
  return within.flatMap((place) => [...placesIn(place, flatten), place]);
}

/** Everything within a model. */
export const placesInModel = (model: LayersModel, flatten = true): Place[] =>
  placesIn({ layer: model, path: '', around: [] }, flatten);

/**
 * How the layers and cells of a model are named in logs and findings: by their paths, and numbered where several have one path, because a
 * name may have a `/` in it.
 */
export function layerNames(model: LayersModel): (place: Pick<Place, 'layer' | 'path'>) => string {
  const places = placesInModel(model);
  const named = places.map(({ layer, path, around }) => around.find((outer) => outer.path === path)?.layer ?? layer);
  const paths = places.map(({ path }) => path);
  const numbered = numberThings(paths, named);
  const names = new Map<Layer, Map<string, string>>();
  places.forEach(({ layer, path }, index) => {
    names.set(layer, (names.get(layer) ?? new Map<string, string>()).set(path, numbered[index]!));
  });
  return ({ layer, path }) => names.get(layer)?.get(path) ?? path;
}

/** The layers that are called on what layers of a model give, however far from it, and that no output of the model depends on. */
export function layersBeside(model: LayersModel): Layer[] {
  const within = new Set(placesInModel(model).map(({ layer }) => layer));
  const found = new Set(within);
  for (const { outboundNodes } of found) outboundNodes.forEach(({ outboundLayer }) => found.add(outboundLayer));
  return [...found].filter((layer) => !within.has(layer));
}

/** The layers that a layer is made of, each with its name within the layer: a cell that is alone has none. */
function innerLayers(layer: Layer): Array<{ layer: Layer; name: string }> {
  if (layer instanceof LayersModel) return layer.layers.map((one) => ({ layer: one, name: one.name }));
  const { layer: wrapped, forwardLayer, backwardLayer, cell, cells } = layer as Parts;
  const named = (inner: readonly unknown[]) => inner.filter(isLayer).map((one) => ({ layer: one, name: one.name }));
  if (isLayer(forwardLayer)) return named([forwardLayer, backwardLayer]);
  if (isLayer(cell)) return [{ layer: cell, name: '' }];
  return named(Array.isArray(cells) ? cells : [wrapped]);
}

/** Whether what is inside of a layer are the cells or directions of a recurrent one. */
export function isRecurrent(layer: Layer): boolean {
  const { forwardLayer, cell, cells } = layer as Parts;
  return isLayer(forwardLayer) || isLayer(cell) || Array.isArray(cells);
}

interface Parts {
  layer?: unknown;
  forwardLayer?: unknown;
  backwardLayer?: unknown;
  cell?: unknown;
  cells?: unknown;
}

const isLayer = (value: unknown): value is Layer => value instanceof layers.Layer;
