import { arrayAt, isObject, objectAt, stringAt, type Json, type JsonObject } from './json.js';
import { upgradeModel } from './upgrade-model.js';
import type { WeightSlot } from './scope.js';

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
 * @param predictOnly - Whether what TensorFlow.js trains otherwise than Keras is no reason to refuse it.
 * @returns A topology of the same form, and the weights of the model that TensorFlow.js makes of it. One that is not of Keras 3 is
 *   returned as it is, without them.
 * @throws Error that names the layer, the field and the value, where TensorFlow.js would load another model.
 */
export function upgradeTopology(
  modelTopology: object,
  predictOnly: boolean,
): { topology: JsonObject; slots?: WeightSlot[] } {
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
