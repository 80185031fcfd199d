/// <reference types="node" />
import { readFileSync, statSync } from 'node:fs';
import { printable } from '../audit/report.js';
import { isJsonObject, parseJson, type JsonObject } from './json.js';
import { UnusableInput, reason, shown } from './unusable.js';

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
