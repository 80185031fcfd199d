import { LayersModel, layers } from '@tensorflow/tfjs-layers';
import { isActivityLayer } from './activity.js';
import { trainedModel, type Layer } from './model.js';
import { isModelOfLayers, layerCalls, layerPenalties, subjects, type PenaltyCall } from './penalties.js';

/** One call of a penalty that is declared somewhere in a model, whether or not the host's training adds it. */
export interface DeclaredCall extends PenaltyCall {
  /** The layer or cell that the penalty was declared on, and whose weight it penalises. */
  layer: Layer;
  /** The layer that the host asks for the penalties of this one: itself, or the outermost one around it. */
  asked: Layer;
  /** Whether a recurrent layer stands between the two; the host does not ask its cells. */
  recurrent: boolean;
}

/**
 * What `penaltyCalls` would be if the host forwarded every layer's penalties: those of cells, of both directions of a
 * Bidirectional, of a model within a TimeDistributed, and of a Sequential within a Sequential, which the host flattens
 * in the model that it trains but looks for in vain in the outer one when that is nested.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/layers/recurrent.ts#L2108 | StackedRNNCells}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/layers/wrappers.ts#L103-L105 | Wrapper.losses}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L504-L506 | Sequential.add}
 */
export function declaredCalls(model: LayersModel, prefix = ''): DeclaredCall[] {
  return layerCalls(trainedModel(model) ?? model, prefix).flatMap(({ layer, path }) => declaredIn(layer, path, layer));
}

function declaredIn(layer: Layer, path: string, asked: Layer): DeclaredCall[] {
  if (isModelOfLayers(layer)) {
    const calls = declaredCalls(layer, `${path}/`);
    return asked === layer ? calls : calls.map((call) => ({ ...call, asked }));
  }
  if (layer.calculateLosses !== layers.Layer.prototype.calculateLosses) {
    return layerPenalties(layer, path).map((call) => ({ ...call, asked, recurrent: false }));
  }
  const { within, recurrent } = innerLayers(layer);
  const inner = within.flatMap((one) => declaredIn(one.layer, one.name === '' ? path : `${path}/${one.name}`, asked));
  const known = new Set(inner.map(({ loss }) => loss));
  const own = layer.losses.filter((loss) => !known.has(loss));
  return [
    ...(recurrent ? inner.map((call, index) => ({ ...call, index, recurrent })) : inner),
    ...own.map((loss, index) => {
      const call = { path, index: inner.length + index, layer, penalty: () => loss(), loss, ...subjects.get(loss) };
      const activity = isActivityLayer(layer) && index === 0 ? { activity: layer } : {};
      return { ...call, ...activity, asked, recurrent: false };
    }),
  ];
}

/** The layers that a layer is made of, each with what tells it from the others: a cell that is alone has no name. */
export function innerLayers(layer: Layer): { within: Array<{ layer: Layer; name: string }>; recurrent: boolean } {
  const parts = layer as {
    layer?: unknown;
    forwardLayer?: unknown;
    backwardLayer?: unknown;
    cell?: unknown;
    cells?: unknown;
  };
  const { layer: wrapped, forwardLayer, backwardLayer, cell, cells } = parts;
  const isLayer = (value: unknown): value is Layer => value instanceof layers.Layer;
  const named = (inner: unknown[]) => inner.filter(isLayer).map((one) => ({ layer: one, name: one.name }));
  if (isLayer(forwardLayer)) return { within: named([forwardLayer, backwardLayer]), recurrent: true };
  if (isLayer(cell)) return { within: [{ layer: cell, name: '' }], recurrent: true };
  if (Array.isArray(cells)) return { within: named(cells), recurrent: true };
  return { within: named([wrapped]), recurrent: false };
}

/** Every layer and cell within a model, at any depth. */
export function layersWithin(layer: Layer): Layer[] {
  const within = layer instanceof LayersModel ? layer.layers : innerLayers(layer).within.map((inner) => inner.layer);
  return within.flatMap((inner) => [inner, ...layersWithin(inner)]);
}
