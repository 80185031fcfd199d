/** What JSON can hold. */
export type Json = null | boolean | number | string | Json[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  [key: string]: Json;
}

/** Whether a value is a JSON object, not an array or `null`. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether two values have the same JSON. */
export const isSame = (a: Json | undefined, b: Json | undefined): boolean => JSON.stringify(a) === JSON.stringify(b);

/** An object's value under a key, as an object; empty where there is none. */
export const objectAt = (object: JsonObject, key: string): JsonObject => {
  const value = object[key];
  return isObject(value) ? value : {};
};

/** An object's value under a key, as an array; empty where there is none. */
export const arrayAt = (object: JsonObject, key: string): Json[] => {
  const value = object[key];
  return Array.isArray(value) ? value : [];
};

/** The objects of an array under a key; empty ones for what is none. */
export const objectsAt = (object: JsonObject, key: string): JsonObject[] =>
  arrayAt(object, key).map((value) => (isObject(value) ? value : {}));

/** An object's value under a key, as a string; empty where there is none. */
export const stringAt = (object: JsonObject, key: string): string => asString(object[key]);

/** A string as it is, and nothing for other values. */
export const asString = (value: Json | undefined): string => (typeof value === 'string' ? value : '');

/** An object without some of its keys. */
export const without = (object: JsonObject, keys: readonly string[]): JsonObject =>
  Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
