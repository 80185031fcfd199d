/// <reference types="node" />
import { UnusableInput, reason } from './unusable.js';

/** What `JSON.parse` gives for `{…}`. */
export interface JsonObject {
  readonly [key: string]: unknown;
}

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A model within a model within … takes four levels of JSON each. */
const DEEPEST = 200;
/** About 150 a layer. */
const MOST_VALUES = 500_000;

/**
 * Parses JSON that costs no more than any model needs.
 *
 * @throws UnusableInput
 */
export function parseJson(path: string, content: Buffer): unknown {
  checkSize(path, content);
  try {
    return JSON.parse(content.toString('utf8').replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new UnusableInput(
      `Expected ${path} to be a model.json, got no JSON: ${reason(error)}. Is it complete, and is it the right file?`,
    );
  }
}

const [QUOTE, BACKSLASH, COMMA, OPENING_LIST, OPENING_OBJECT, CLOSING_LIST, CLOSING_OBJECT] = Buffer.from('"\\,[{]}');

/** All bytes of structure are ASCII, and in UTF-8 no part of another character is. */
function checkSize(path: string, content: Buffer): void {
  let [depth, values, isText] = [0, 1, false];
  for (let index = 0; index < content.length; index += 1) {
    const byte = content[index]!;
    if (isText) {
      if (byte === BACKSLASH) index += 1;
      else if (byte === QUOTE) isText = false;
    } else if (byte === QUOTE) isText = true;
    else if (byte === CLOSING_LIST || byte === CLOSING_OBJECT) depth -= 1;
    else if (byte === COMMA) values += 1;
    else if (byte === OPENING_LIST || byte === OPENING_OBJECT) {
      depth += 1;
      values += 1;
      if (depth > DEEPEST) throw new UnusableInput(`Expected ${path} to be nested at most ${DEEPEST} deep, got more.`);
    }
  }
  if (values > MOST_VALUES) {
    throw new UnusableInput(`Expected ${path} to have at most ${MOST_VALUES} values, got ${values}.`);
  }
}
