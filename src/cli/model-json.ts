/// <reference types="node" />
import { readFileSync, statSync } from 'node:fs';
import { checkCalls, checkText, isJsonObject, type JsonObject } from './json-limits.js';
import { UnusableInput, reason, shown } from './unusable.js';

/** Topologies of a thousand layers take about a megabyte. */
const LARGEST = 32 * 2 ** 20;

/** What a `model.json` of a layers model holds, as far as the audit needs it. */
export interface ModelJson {
  modelTopology: JsonObject;
  weightsManifest: unknown[];
}

/**
 * Reads a `model.json`.
 *
 * @throws UnusableInput with a plain sentence if it is anything else than a layers model with a manifest of weights.
 */
export function readModelJson(path: string): ModelJson {
  const content = readFile(path);
  const magic = content.toString('latin1', 0, 8);
  if (magic.startsWith('\x89HDF')) throw notTfjs(path, "Keras's HDF5 file (.h5)", 'keras');
  if (magic.startsWith('PK\x03\x04')) throw notTfjs(path, 'a zip archive, such as a .keras file', 'keras');
  const text = content.toString('utf8').replace(/^\uFEFF/, '');
  if (text.trim() === '') throw new UnusableInput(`Expected ${path} to be a model.json, got an empty file.`);
  const json = parse(path, text);
  if (!isJsonObject(json)) {
    throw new UnusableInput(`Expected ${path} to hold a model, got JSON that is no object: ${shown(json)}.`);
  }
  return layersModel(path, json);
}

/** Reads a regular file of bounded size. */
function readFile(path: string): Buffer {
  try {
    const stats = statSync(path);
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
    return readFileSync(path);
  } catch (error) {
    if (error instanceof UnusableInput) throw error;
    throw new UnusableInput(`Expected ${path} to be a model.json that can be read: ${reason(error)}.`);
  }
}

function parse(path: string, text: string): unknown {
  checkText(path, text);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UnusableInput(
      `Expected ${path} to be a model.json, got no JSON: ${reason(error)}. Is it complete, and is it the right file?`,
    );
  }
}

function layersModel(path: string, json: JsonObject): ModelJson {
  const { format, modelTopology, weightsManifest } = json;
  if (format === 'graph-model' || (isJsonObject(modelTopology) && 'node' in modelTopology)) {
    throw notTfjs(path, 'a GraphModel, which cannot be trained and has no regularizers', 'the original');
  }
  if ('class_name' in json || 'model_config' in json) {
    throw new UnusableInput(
      `Expected ${path} to hold a model with its weights, got a topology alone. Save the model with ` +
        "`model.save('file://…')`, or convert it with `tensorflowjs_converter`.",
    );
  }
  if (!isJsonObject(modelTopology)) {
    throw new UnusableInput(
      `Expected ${path} to have a \`modelTopology\`, got ${shown(modelTopology)}. ` +
        "It should be what `model.save('file://…')` or `tensorflowjs_converter` wrote.",
    );
  }
  if (!Array.isArray(weightsManifest)) {
    throw new UnusableInput(
      `Expected ${path} to have a \`weightsManifest\`, got ${shown(weightsManifest)}. Save the model with its weights.`,
    );
  }
  checkCalls(path, modelTopology);
  return { modelTopology, weightsManifest };
}

const notTfjs = (path: string, got: string, source: string): UnusableInput =>
  new UnusableInput(
    `Expected ${path} to be the model.json of a TensorFlow.js layers model, got ${got}. ` +
      `Convert ${source === 'keras' ? 'it' : source} with \`tensorflowjs_converter --output_format=tfjs_layers_model\`.`,
  );
