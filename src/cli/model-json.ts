/// <reference types="node" />
import { readFileSync, statSync } from 'node:fs';
import { printable } from '../audit/report.js';
import { UnusableInput, reason, shown } from './unusable.js';

/** What `JSON.parse` gives for `{…}`. */
export interface JsonObject {
  readonly [key: string]: unknown;
}

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Topologies of a thousand layers take about a megabyte. */
const LARGEST = 32 * 2 ** 20;

/**
 * The topology in a `model.json`, or in what Keras's `model.to_json()` gives. The weights are left where they are.
 *
 * @throws UnusableInput with a plain sentence if the file holds anything else than a layers model.
 */
export function readTopology(file: string): JsonObject {
  const path = printable(file);
  const content = readFile(file, path);
  const magic = content.toString('latin1', 0, 8);
  if (magic.startsWith('\x89HDF')) throw notConverted(path, "Keras's HDF5 file (.h5)", 'keras', path);
  if (magic.startsWith('PK\x03\x04')) {
    // The converter refuses any other ending.
    const renamed = path.endsWith('.keras') ? path : `${path}.keras`;
    const got = `a zip archive, such as a .keras file${renamed === path ? '' : ' without that ending'}`;
    throw notConverted(path, got, 'keras_keras', renamed);
  }
  if (content.toString('utf8').trim() === '') {
    throw new UnusableInput(`Expected ${path} to be a model.json, got an empty file.`);
  }
  const json = parseJson(path, content);
  if (!isJsonObject(json)) {
    throw new UnusableInput(`Expected ${path} to hold a model, got JSON that is no object: ${shown(json)}.`);
  }
  return topologyIn(path, json);
}

/** Reads a regular file of bounded size. */
function readFile(file: string, path: string): Buffer {
  try {
    const stats = statSync(file);
    if (stats.isDirectory()) {
      throw new UnusableInput(`Expected ${path} to be a model.json, got a folder. Name the model.json in it.`);
    }
    if (!stats.isFile()) throw new UnusableInput(`Expected ${path} to be a model.json, got something that is no file.`);
    if (stats.size > LARGEST) {
      throw new UnusableInput(
        `Expected ${path} to be a model.json of at most ${LARGEST / 2 ** 20} MiB, got ${stats.size} bytes. ` +
          'The weights belong in files of their own.',
      );
    }
    return readFileSync(file);
  } catch (error) {
    if (error instanceof UnusableInput) throw error;
    throw new UnusableInput(`Expected ${path} to be a model.json that can be read: ${reason(error)}.`);
  }
}

function topologyIn(path: string, json: JsonObject): JsonObject {
  const topology = 'class_name' in json || 'model_config' in json ? json : json['modelTopology'];
  if (json['format'] === 'graph-model' || (isJsonObject(topology) && 'node' in topology)) {
    throw notConverted(
      path,
      'a GraphModel, which cannot be trained and has no regularizers',
      'keras_saved_model',
      'path/to/saved_model',
    );
  }
  const model = isJsonObject(topology) ? (topology['model_config'] ?? topology) : topology;
  if (isJsonObject(model)) return model;
  throw new UnusableInput(
    `Expected ${path} to have a \`modelTopology\`, got ${shown(model)}. ` +
      "It should be what `model.save('file://…')` or `tensorflowjs_converter` wrote.",
  );
}

/** @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-converter/python/tensorflowjs/converters/converter.py | converter.py} */
const notConverted = (path: string, got: string, format: string, file: string): UnusableInput =>
  new UnusableInput(
    `Expected ${path} to be the model.json of a TensorFlow.js layers model, got ${got}. Convert the original (` +
      '`pip install tensorflowjs`): `tensorflowjs_converter ' +
      `--input_format=${format} --output_format=tfjs_layers_model ${quoted(file)} converted\`, ` +
      'and audit converted/model.json.',
  );

/** As a shell takes it for one argument. */
const quoted = (file: string): string =>
  /^[\w./@%+:,][\w./@%+:,=-]*$/.test(file) ? file : `'${file.replaceAll("'", "'\\''")}'`;

/** A model within a model within … takes four levels of JSON each. */
const DEEPEST = 200;
/** About 150 a layer. */
const MOST_VALUES = 500_000;

/**
 * Parses JSON that costs no more than any model needs.
 *
 * @throws UnusableInput
 */
function parseJson(path: string, content: Buffer): unknown {
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
