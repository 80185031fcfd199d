import { arrayAt, isObject, objectAt, stringAt, type Json, type JsonObject } from './json.js';
import { upgradeModel } from './upgrade-model.js';
import type { WeightSlot } from './weight-names.js';

/** What `upgradeTopology` takes. */
export interface UpgradeTopologyArgs {
  /**
   * Whether the model will only predict. What TensorFlow.js trains otherwise than Keras is then no reason to refuse it:
   * constraints, frozen batch normalization, a masked loss. Default `false`.
   */
  predictOnly?: boolean | undefined;
}

/** A topology that TensorFlow.js reads, and the weights of the model that it makes of it. */
export interface UpgradedTopology {
  topology: JsonObject;
  /** `undefined` where the topology is not of Keras 3. */
  slots?: WeightSlot[];
}

/** Whether Keras 3 wrote a layer or something within it; Keras 2 has `batch_input_shape` and calls that are arrays. */
function isOfKeras3(layer: Json): boolean {
  if (!isObject(layer)) return false;
  const config = objectAt(layer, 'config');
  return (
    'batch_shape' in config ||
    arrayAt(layer, 'inbound_nodes').some(isObject) ||
    [config['layer'] ?? null, ...arrayAt(config, 'layers')].some(isOfKeras3)
  );
}

/**
 * The `modelTopology` of a model that Keras 3 saved, as TensorFlow.js reads it.
 *
 * @param modelTopology - What a `model.json` has under that name, or what `model.to_json()` gives. Only read.
 * @returns A topology of the same form. One that is not of Keras 3 is returned as it is.
 * @throws Error that names the layer, the field and the value, where TensorFlow.js would load another model.
 */
export const upgradeTopology = (modelTopology: object, args: UpgradeTopologyArgs = {}): JsonObject =>
  upgradedTopology(modelTopology, args).topology;

/** As `upgradeTopology`, with the weights. */
export function upgradedTopology(
  modelTopology: object,
  { predictOnly = false }: UpgradeTopologyArgs,
): UpgradedTopology {
  const topology = modelTopology as JsonObject;
  const model = isObject(topology['model_config']) ? topology['model_config'] : topology;
  const kerasVersion = stringAt(topology, 'keras_version');
  if (!/^[3-9]\./.test(kerasVersion) && !isOfKeras3(model)) return { topology };
  const slots: WeightSlot[] = [];
  const config = objectAt(model, 'config');
  const trainable = !('input_layers' in config && config['trainable'] === false);
  const scope = { path: [], archived: '', trainable, taken: new Set<string>(), slots, predictOnly, kerasVersion };
  const upgraded = upgradeModel(model, scope);
  // The order of h5 files.
  slots.sort(({ path: [, a = ''] }, { path: [, b = ''] }) => (a < b ? -1 : a > b ? 1 : 0));
  return { topology: model === topology ? upgraded : { ...topology, model_config: upgraded }, slots };
}
