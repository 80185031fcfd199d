import { savedKind } from '../host/model/saved-topology.js';
import { isJsonObject, type JsonObject } from './json.js';
import { UnusableInput, shown } from './unusable.js';

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
export function checkFields(path: string, what: string, config: JsonObject): void {
  for (const [field, value] of Object.entries(config)) {
    const kind = KINDS.find(([pattern]) => pattern.test(field));
    if (value === null || kind === undefined || kind[2](value)) continue;
    throw new UnusableInput(`Expected \`${field}\` of ${what} in ${path} to be ${kind[1]}, got ${shown(value)}.`);
  }
}
