import { UnusableInput, shown } from './unusable.js';

/** What `JSON.parse` gives for `{…}`. */
export interface JsonObject {
  readonly [key: string]: unknown;
}

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A model within a model within … takes four levels of JSON each. */
const DEEPEST = 200;
/** About thirty a layer. */
const MOST_VALUES = 500_000;
const MOST_CALLS = 100_000;

/** Keys that mean something to JavaScript itself; no layer has such an argument. */
const FORBIDDEN = ['__proto__', 'constructor', 'prototype'];

/**
 * Refuses text that would cost more to parse than any model needs, before it is parsed.
 *
 * @throws UnusableInput
 */
export function checkText(path: string, text: string): void {
  let [depth, count] = [0, 0];
  // A string, or one character of structure.
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/gs)) {
    if (token === '[' || token === '{') {
      depth += 1;
      count += 1;
      if (depth > DEEPEST) throw new UnusableInput(`Expected ${path} to be nested at most ${DEEPEST} deep, got more.`);
      if (count > MOST_VALUES) {
        throw new UnusableInput(`Expected ${path} to have at most ${MOST_VALUES} lists and objects, got more.`);
      }
    } else if (token === ']' || token === '}') depth -= 1;
  }
}

/**
 * Refuses topologies whose keys reach into JavaScript's own objects, whose layers have no proper names, or where nested
 * models are called so often that nobody could train them: ten models within each other, called ten times each, are
 * 10,000,000,000 calls.
 *
 * @throws UnusableInput
 */
export function checkCalls(path: string, topology: JsonObject): void {
  if (calls(path, topology) > MOST_CALLS) {
    throw new UnusableInput(`Expected the layers in ${path} to be called at most ${MOST_CALLS} times, got more.`);
  }
}

function calls(path: string, value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, inner) => sum + calls(path, inner), 0);
  if (!isJsonObject(value)) return 0;
  const forbidden = Object.keys(value).find((key) => FORBIDDEN.includes(key));
  if (forbidden !== undefined) {
    throw new UnusableInput(`Expected the keys in ${path} to be those of a model, got \`${forbidden}\`.`);
  }
  const within = Object.values(value).reduce<number>((sum, inner) => sum + calls(path, inner), 0);
  const { class_name: type, config, inbound_nodes: nodes } = value;
  if (typeof type !== 'string') return within;
  if (isJsonObject(config) && 'name' in config && typeof config['name'] !== 'string') {
    throw new UnusableInput(`Expected a text as the name of each layer in ${path}, got ${shown(config['name'])}.`);
  }
  const own = Array.isArray(nodes) && nodes.length > 1 ? nodes.length : 1;
  return (1 + within) * own * (type === 'Bidirectional' ? 2 : 1);
}
