import { isObject, stringAt, type Json } from './json.js';

/** The layer that a message is about. */
export interface Place {
  /** Names of the models around the layer, and its own. */
  path: string;
  className: string;
  /** The number of dimensions of its input, with that of the batch, where the file tells it. */
  rank?: number | undefined;
  /** Whether only predictions have to be Keras's. */
  predictOnly: boolean;
  /** The version of Keras that saved the model, where the file says it. */
  kerasVersion: string;
}

/**
 * Refuses a layer that TensorFlow.js would load as another one.
 *
 * @throws Error that names the layer, the field and the value.
 */
export function refuse(place: Place, field: string, value: Json | undefined, expected: string, remedy: string): never {
  throw new Error(
    `Expected \`${field}\` of the ${place.className} layer \`${place.path}\` to be ${expected}, got ${shown(value)}. ${remedy}`,
  );
}

const shown = (value: Json | undefined): string =>
  isObject(value) && 'class_name' in value
    ? `${stringAt(value, 'class_name')} ${JSON.stringify(value['config'])}`
    : (JSON.stringify(value) ?? 'nothing');
