import { entryName, inputRank } from './graph.js';
import { isObject, stringAt, type JsonObject } from './json.js';
import type { Place } from './refuse.js';

/** A weight of the model that TensorFlow.js builds, and what files of Keras 3 call it. */
export interface WeightSlot {
  /** TensorFlow.js's name. */
  tfjs: string;
  /** `variable.path`, in pieces, with the names of all models around it; `*` is the name of a cell that the file does not tell. */
  path: string[];
  /** The name within a `.keras` file. */
  archived: string;
}

/** What a layer needs to know of what is around it. */
export interface Scope extends Pick<Place, 'predictOnly' | 'kerasVersion'> {
  /** Names of the models and wrappers around it. */
  path: readonly string[];
  /** Where a `.keras` file has its weights. */
  archived: string;
  /** Whether the outermost model trains: Keras ignores this field of those within it, and reads it layer by layer. */
  trainable: boolean;
  /** Names of layers in use, anywhere in the model: TensorFlow.js names weights after layers alone. */
  taken: Set<string>;
  /** Takes the weights, in the order of the layers. */
  slots: WeightSlot[];
}

export const isModel = ({ config }: JsonObject): boolean => isObject(config) && 'layers' in config;

export const isFunctional = (config: JsonObject): boolean => 'input_layers' in config;

const snakeCase = (className: string): string =>
  className
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();

/** The names of layers in a `.keras` file: their class, and a number from the second one on. */
export function archivedNames(layers: readonly JsonObject[]): string[] {
  const counts = new Map<string, number>();
  return layers.map((layer) => {
    const name = snakeCase(stringAt(layer, 'class_name'));
    const count = counts.get(name) ?? 0;
    counts.set(name, count + 1);
    return count === 0 ? name : `${name}_${count}`;
  });
}

/** A name that no layer has yet. */
export function freeName(name: string, taken: Set<string>): string {
  let free = name;
  for (let n = 1; taken.has(free); n++) free = `${name}_${n}`;
  taken.add(free);
  return free;
}

/** The layer as messages name it. */
export function placeOf(layer: JsonObject, { path, predictOnly, kerasVersion }: Scope): Place {
  const names = [...path.slice(1), entryName(layer)];
  return {
    path: names.join('/'),
    className: stringAt(layer, 'class_name'),
    rank: inputRank(layer),
    predictOnly,
    kerasVersion,
  };
}
