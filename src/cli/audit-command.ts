import { auditTopology } from '../audit/audit-regularizers.js';
import { printable, type RegularizationAudit } from '../audit/report.js';
import { registerOnce } from '../host/model/regularizers.js';
import { LayerFailure, modelWithoutWeights } from '../host/model/saved-topology.js';
import { upgradeTopology } from '../keras/upgrade-topology.js';
import { LossTerm } from '../loss/loss-term.js';
import { registerKerasClasses } from '../regularizers/keras-classes.js';
import { checkTopology } from './layers.js';
import { isJsonObject, readTopology, type JsonObject } from './model-json.js';
import { named, reason, shown, UnusableInput } from './unusable.js';

/**
 * Audits a saved model by its topology alone.
 *
 * @param file - The path of its model.json.
 * @throws UnusableInput with a plain sentence if there is no such model.
 */
export async function auditSavedModel(file: string): Promise<RegularizationAudit> {
  registerKerasClasses();
  registerOnce(LossTerm);
  const path = printable(file);
  const topology = asTensorFlowReads(path, normalizedObject(path, readTopology(file)));
  checkTopology(path, topology);
  const { model, dispose } = await load(path, topology);
  try {
    return auditTopology(model, topology);
  } finally {
    dispose();
  }
}

/** A model of Keras 3 as one that TensorFlow.js reads; what it would only train otherwise than Keras does not matter here. */
function asTensorFlowReads(path: string, topology: JsonObject): JsonObject {
  try {
    return upgradeTopology(topology, true).topology;
  } catch (error) {
    throw new UnusableInput(`Expected ${path} to be a model that TensorFlow.js can have. ${reason(error)}.`);
  }
}

async function load(path: string, topology: JsonObject): ReturnType<typeof modelWithoutWeights> {
  try {
    return await modelWithoutWeights(topology);
  } catch (error) {
    const what =
      error instanceof LayerFailure
        ? `${error.layer === undefined ? 'a layer without a name' : `layer ${named(error.layer)}`} (${error.className}) in ${path}`
        : `the model in ${path}`;
    const cause = error instanceof LayerFailure ? error.cause : error;
    throw new UnusableInput(
      `Expected ${what} to be one that TensorFlow.js can load, got this from it: ${reason(cause)}.`,
    );
  }
}

/** Keys that mean something to JavaScript itself; no layer has such an argument. */
const FORBIDDEN = ['__proto__', 'constructor', 'prototype'];
const LONGEST_KEY = 200;
/** The code of a Lambda layer takes some thousands. */
const LONGEST_TEXT = 50_000;

function normalized(path: string, value: unknown, key: string, layer: string | undefined): unknown {
  if (Array.isArray(value)) return value.map((inner) => normalized(path, inner, key, layer));
  if (typeof value === 'string' && value.length > LONGEST_TEXT) {
    throw new UnusableInput(
      `Expected \`${key}\`${ofLayer(layer)} in ${path} to be a text of at most ${LONGEST_TEXT} characters, got ` +
        `${value.length}: ${shown(value.slice(0, 80))}.`,
    );
  }
  return isJsonObject(value) ? normalizedObject(path, value, layer) : value;
}

/**
 * The topology with each key in the one spelling that Keras has: TensorFlow.js takes `inbound_nodes`, `inboundNodes` and
 * `inbound__nodes` for the same, and what is checked has to be what it reads.
 *
 * @throws UnusableInput if a key is there twice, reaches into JavaScript's own objects, or a text is beyond all bounds.
 */
function normalizedObject(path: string, object: JsonObject, around?: string): JsonObject {
  const layer = nameOf(object) ?? around;
  const copy: { [key: string]: unknown } = {};
  for (const [key, value] of Object.entries(object)) {
    if ([key, camelCase(key)].some((one) => FORBIDDEN.includes(one)) || key.length > LONGEST_KEY) {
      throw new UnusableInput(
        `Expected the keys${ofLayer(layer)} in ${path} to be those of a model, got ${named(key)}.`,
      );
    }
    const name = snakeCase(key);
    if (Object.hasOwn(copy, name)) {
      throw new UnusableInput(`Expected \`${name}\`${ofLayer(layer)} in ${path} once, got it again as ${named(key)}.`);
    }
    copy[name] = normalized(path, value, name, layer);
  }
  return copy;
}

const nameOf = ({ name, config }: JsonObject): string | undefined =>
  [name, isJsonObject(config) ? config['name'] : undefined].find((one) => typeof one === 'string');

const ofLayer = (layer: string | undefined): string => (layer === undefined ? '' : ` of layer ${named(layer)}`);

/** @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/utils/generic_utils.ts#L123-L133 | toCamelCase} */
const camelCase = (key: string): string =>
  key.length < 2 ? key : key.replace(/_+(\w|$)/g, (_, letter: string) => letter.toUpperCase());

const snakeCase = (key: string): string => camelCase(key).replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
