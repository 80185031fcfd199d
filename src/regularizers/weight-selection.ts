import type { LayerVariable, LayersModel, layers } from '@tensorflow/tfjs-layers';
import { placesInModel } from '../host/model/walk.js';
import { describe, list } from '../util/arguments.js';
import { shortName } from './penalty-groups.js';

/**
 * What `include` and `exclude` take. A string is a layer's name, path or class (`'hidden'`, `'encoder/hidden'`, `'Dense'`) or a
 * weight's name or path (`'bias'`, `'encoder/hidden/bias'`). A RegExp is matched against the paths of layers, then of weights.
 * A predicate is called for every weight, with the layer that it belongs to.
 */
export type WeightSelector = string | RegExp | ((layer: layers.Layer, weight: LayerVariable) => boolean);

/** A weight and where it stands; a weight of a shared layer may stand in several places. */
export interface PlacedWeight {
  weight: LayerVariable;
  /** The layer that `path` names. */
  layer: layers.Layer;
  /** The names of the models and wrappers around the layer and its own, as in `regularizationTerms`. */
  path: string;
  /** Its paths in every place. */
  paths: string[];
  /** Every layer that it is in, from the outermost model to the cell, in every place. */
  around: Array<{ layer: layers.Layer; path: string }>;
}

/** The weights of a model at any depth, each once, in the order of the layers. */
export function placedWeights(model: LayersModel): PlacedWeight[] {
  const placed = new Map<LayerVariable, PlacedWeight & { owner: layers.Layer }>();
  for (const place of [...placesInModel(model), ...placesInModel(model, false)]) {
    const { layer: owner, path } = place;
    const around = [...place.around, place];
    // A cell that is alone goes by the name of the layer around it.
    const layer = around.find((one) => one.path === path)!.layer;
    for (const weight of owner.weights) {
      const placedOne = placed.get(weight) ?? { weight, layer, path, paths: [], around: [], owner };
      placed.set(weight, placedOne);
      // What is around a layer has its weights too.
      if (placedOne.owner !== owner || placedOne.paths.includes(path)) continue;
      placedOne.paths.push(path);
      placedOne.around.push(...around);
    }
  }
  return [...placed.values()];
}

/**
 * The weights that `include` names and `exclude` does not.
 *
 * An entry that names a layer stands, in `include`, for the layer's kernels and embeddings; one that names a weight, and
 * a predicate, for that weight whatever it is.
 *
 * @param include - `undefined` for the kernels and embeddings of all layers.
 * @throws Error if an entry is no selector or finds nothing, or if no weight is left.
 */
export function selectWeights(
  weights: readonly PlacedWeight[],
  include: WeightSelector | WeightSelector[] | undefined,
  exclude: WeightSelector | WeightSelector[] = [],
): PlacedWeight[] {
  const included = include === undefined ? new Set(weights.filter(isKernel)) : union(weights, 'include', include);
  const excluded = union(weights, 'exclude', exclude);
  const selected = weights.filter((weight) => included.has(weight) && !excluded.has(weight));
  if (selected.length === 0) {
    throw new Error(
      `Expected ${include === undefined ? 'the model to have a kernel' : '`include` to name a weight'} that ` +
        `\`exclude\` leaves, got none. ${inventory(weights)}`,
    );
  }
  return selected;
}

/** Whether a weight is a kernel of some kind: what weight decay is for by default. */
export const isKernel = ({ weight }: PlacedWeight): boolean => /^(.*_)?kernel$|^embeddings$/.test(shortName(weight));

type Found = 'layer' | 'weight' | undefined;

function union(
  weights: readonly PlacedWeight[],
  argument: 'include' | 'exclude',
  selectors: WeightSelector | WeightSelector[],
): Set<PlacedWeight> {
  const isTaken = (weight: PlacedWeight, found: Found): boolean =>
    found === 'weight' || (found === 'layer' && (argument === 'exclude' || isKernel(weight)));
  const entries = Array.isArray(selectors) ? selectors : [selectors];
  const taken = entries.map((entry) => {
    const found = weights.filter((weight) => isTaken(weight, find(entry, weight, argument)));
    if (found.length > 0) return found;
    throw new Error(
      `Expected each entry of \`${argument}\` to find a weight${argument === 'include' ? ' (a layer: its kernels)' : ''}, ` +
        `got ${entry instanceof RegExp ? String(entry) : describe(entry)}, which finds none. ${inventory(weights)}`,
    );
  });
  return new Set(taken.flat());
}

function find(entry: WeightSelector, placed: PlacedWeight, argument: string): Found {
  const { weight, layer, paths, around } = placed;
  const weightPaths = paths.map((path) => `${path}/${shortName(weight)}`);
  if (typeof entry === 'function') return entry(layer, weight) ? 'weight' : undefined;
  if (typeof entry === 'string') {
    if ([shortName(weight), ...weightPaths, weight.originalName, weight.name].includes(entry)) return 'weight';
    return around.some((one) => [one.layer.name, one.path, one.layer.getClassName()].includes(entry))
      ? 'layer'
      : undefined;
  }
  if (entry instanceof RegExp) {
    if (around.some((one) => one.path.search(entry) !== -1)) return 'layer';
    return weightPaths.some((path) => path.search(entry) !== -1) ? 'weight' : undefined;
  }
  throw new Error(
    `Expected \`${argument}\` to be strings, regular expressions or predicates, got ${describe(entry)}. ` +
      "Pass 'hidden', /^encoder/ or (layer, weight) => …, or an array of such.",
  );
}

/** What there is to name: `hidden` (Dense: `kernel`, `bias`). */
function inventory(weights: readonly PlacedWeight[]): string {
  const layerNames = new Map(weights.map(({ path, layer }) => [path, layer.getClassName()]));
  const lines = [...layerNames].map(([path, type]) => {
    const names = weights.filter((weight) => weight.path === path).map(({ weight }) => shortName(weight));
    return `\`${path}\` (${type}: ${list(names)})`;
  });
  return `There are ${lines.join('; ') || 'no weights'}.`;
}
