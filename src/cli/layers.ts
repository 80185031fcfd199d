import { savedKind } from '../host/model/saved-topology.js';
import { checkGraph } from './graph.js';
import { isJsonObject, type JsonObject } from './model-json.js';
import { named, shown, UnusableInput } from './unusable.js';

const isSize = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0;

const isLength = (value: unknown): boolean => value === null || Number.isSafeInteger(value);

/** What Keras writes for a number of numpy's counts as one. */
const isNumber = (value: unknown): boolean =>
  typeof value === 'number' || (isJsonObject(value) && value['type'] === 'ndarray' && isNumber(value['value']));

/**
 * A name, or a class with its arguments. TensorFlow.js makes whatever is named: a layer in the place of a regularizer would
 * be built with each penalty.
 */
const isObjectOfKeras =
  (kind: 'regularizer' | 'other') =>
  (value: unknown): boolean => {
    const type = isJsonObject(value) ? value['class_name'] : value;
    const made = savedKind(type);
    const isAllowed = typeof type === 'string' && !(type in Object.prototype) && (made === undefined || made === kind);
    return isAllowed && (!isJsonObject(value) || areArguments(value['config']));
  };

const areArguments = (config: unknown): boolean =>
  isJsonObject(config) && ['l1', 'l2'].every((name) => config[name] == null || isNumber(config[name]));

/** What the fields of layers have to be, where they are there and not null; of all others nothing depends on the kind. */
const KINDS: ReadonlyArray<readonly [field: RegExp, expected: string, is: (value: unknown) => boolean]> = [
  [/^(units|filters|input_dim|output_dim|n|depth_multiplier)$/, 'a whole number above 0', isSize],
  [
    /^(kernel_size|pool_size|strides|dilation_rate|dims|target_shape|(batch_)?(input_)?shape)$/,
    'a whole number or a list of such',
    (value) => (Array.isArray(value) ? value.every(isLength) : isLength(value)),
  ],
  [/_regularizer$/, 'L1, L2 or L1L2 with a `config` of numbers', isObjectOfKeras('regularizer')],
  [/_(initializer|constraint)$|^activation$/, 'a name, or a `class_name` with its `config`', isObjectOfKeras('other')],
];

/**
 * Refuses a layer whose arguments TensorFlow.js would trip over without a word about which.
 *
 * @throws UnusableInput that names the field and the layer.
 */
function checkFields(path: string, what: string, config: JsonObject): void {
  for (const [field, value] of Object.entries(config)) {
    const kind = KINDS.find(([pattern]) => pattern.test(field));
    if (value === null || kind === undefined || kind[2](value)) continue;
    throw new UnusableInput(`Expected \`${field}\` of ${what} in ${path} to be ${kind[1]}, got ${shown(value)}.`);
  }
}

const LONGEST_NAME = 200;
/**
 * Calls of layers, and inputs of calls; those within models and wrappers as often as what is around them. That is a chain of
 * 2,500 layers; the largest models in Keras's collection have about a thousand. What TensorFlow.js does with them takes
 * time that grows with the square, and a stack that grows with the depth.
 */
const MOST_CALLS = 5000;
/** The field without which a wrapper is none. */
const PARTS: { [className: string]: string } = {
  RNN: 'cell',
  StackedRNNCells: 'cells',
  TimeDistributed: 'layer',
  Bidirectional: 'layer',
};

/**
 * Refuses a topology whose classes TensorFlow.js does not have, whose graph it would never finish, or that is beyond all
 * bounds: ten models within each other, called ten times each, are 10,000,000,000 calls.
 *
 * @param topology - Normalized.
 * @throws UnusableInput that names the field and the layer.
 */
export function checkTopology(path: string, topology: JsonObject): void {
  if (!isModel(topology)) {
    throw new UnusableInput(
      `Expected \`class_name\` of the model in ${path} to be Sequential, Functional or Model, got ` +
        `${shown(topology['class_name'])}.`,
    );
  }
  const calls = countCalls(topology);
  if (!(calls <= MOST_CALLS)) {
    throw new UnusableInput(
      `Expected the \`layers\` of ${title(topology) ?? 'the model'} in ${path} to have at most ${MOST_CALLS} calls and inputs ` +
        `in all, got ${calls}.`,
    );
  }
  checkWithin(path, topology, 'the model', '');
}

const isModel = ({ class_name: type }: JsonObject): boolean => ['graph', 'sequential'].includes(savedKind(type)!);

const isLayer = (value: unknown): value is JsonObject =>
  isJsonObject(value) && (isModel(value) || savedKind(value['class_name']) === 'layer');

/** `layer \`hidden\``, or `model \`encoder\``; `undefined` where there is no name. */
function title(layer: JsonObject): string | undefined {
  const { config } = layer;
  const name = isJsonObject(config) ? config['name'] : undefined;
  return typeof name === 'string' ? `${isModel(layer) ? 'model' : 'layer'} ${named(name)}` : undefined;
}

/**
 * Checks all layers in a value, wherever they are: TensorFlow.js makes a layer of any object that names one.
 *
 * @param where - What the value is, for sentences.
 * @param owner - The layer that has it.
 */
function checkWithin(path: string, value: unknown, where: string, owner: string): void {
  if (Array.isArray(value)) {
    value.forEach((inner, index) => checkWithin(path, inner, element(where, index), owner));
  } else if (isJsonObject(value)) {
    const own = isLayer(value) ? (title(value) ?? where) : owner;
    if (isLayer(value)) checkLayer(path, value, where, own);
    Object.entries(value).forEach(([key, inner]) => checkWithin(path, inner, `\`${key}\` of ${own}`, own));
  }
}

/** `\`layers[1]\` of …` for the second of `\`layers\` of …`. */
const element = (where: string, index: number): string => where.replace('` of', `[${index}]\` of`);

function checkLayer(path: string, layer: JsonObject, where: string, what: string): void {
  const { class_name: type, config } = layer;
  if (savedKind(type) === 'sequential' && Array.isArray(config)) {
    checkParts(path, config, `\`config\` of ${what}`);
    return;
  }
  if (!isJsonObject(config)) {
    throw new UnusableInput(`Expected \`config\` of ${what} in ${path} to be an object, got ${shown(config)}.`);
  }
  const { name, layers } = config;
  if (name != null && (typeof name !== 'string' || name.length > LONGEST_NAME)) {
    throw new UnusableInput(
      `Expected \`name\` of ${where} in ${path} to be a text of at most ${LONGEST_NAME} characters, got ${shown(name)}.`,
    );
  }
  checkFields(path, what, config);
  if (isModel(layer)) {
    checkParts(path, layers, `\`layers\` of ${what}`);
    if (savedKind(type) === 'graph') checkGraph(path, config);
  }
  for (const part of new Set(Object.values(PARTS))) {
    if (config[part] == null && PARTS[type as string] !== part) continue;
    if (part === 'cells') checkParts(path, config[part], `\`cells\` of ${what}`);
    else checkPart(path, config[part], `\`${part}\` of ${what}`);
  }
}

function checkParts(path: string, layers: unknown, where: string): void {
  if (!Array.isArray(layers)) {
    throw new UnusableInput(`Expected ${where} in ${path} to be a list, got ${shown(layers)}.`);
  }
  layers.forEach((layer, index) => checkPart(path, layer, element(where, index)));
}

function checkPart(path: string, layer: unknown, where: string): void {
  if (isLayer(layer)) return;
  if (!isJsonObject(layer)) {
    throw new UnusableInput(`Expected ${where} in ${path} to be a layer, got ${shown(layer)}.`);
  }
  throw new UnusableInput(
    `Expected \`class_name\` of ${title(layer) ?? where} in ${path} to be a layer of TensorFlow.js, got ` +
      `${shown(layer['class_name'])}. ` +
      'Where it is a class of your own, call `auditRegularizers(model)` in a program that registers it.',
  );
}

function countCalls(value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, inner) => sum + countCalls(inner), 0);
  if (!isJsonObject(value)) return 0;
  const within = countCalls(Object.values(value));
  if (!isLayer(value)) return within;
  const { class_name: type, inbound_nodes: nodes } = value;
  const calls = Array.isArray(nodes) ? nodes : [];
  const twice = type === 'Bidirectional' ? 2 : 1;
  return (1 + within) * Math.max(calls.length, 1) * twice + Math.max(calls.flat().length, 1);
}
