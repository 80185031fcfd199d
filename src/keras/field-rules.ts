import { registeredClass } from '../host/model/regularizers.js';
import { asString, isObject, isSame, objectAt, stringAt, without, type Json, type JsonObject } from './json.js';
import { refuse, type Place } from './refuse.js';

/** What TensorFlow.js reads in place of a field's value; `undefined` leaves the field out. */
export type Rule = (value: Json, place: Place, field: string) => Json | undefined;

const CHANGE_IN_KERAS = 'TensorFlow.js computes nothing else: change the layer in Keras, and save the model again.';
const TRAINS_OTHERWISE =
  'TensorFlow.js would not train it as Keras does: change the layer in Keras, or pass `{predictOnly: true}` to `fromKeras3` for ' +
  'a model that only predicts.';

const where =
  (isAllowed: (value: Json, place: Place) => boolean, expected: string, remedy = CHANGE_IN_KERAS): Rule =>
  (value, place, field) =>
    isAllowed(value, place) ? value : refuse(place, field, value, expected, remedy);

const isOne = (value: Json): boolean => [value].flat().every((one) => one === 1);

/** Takes every value. */
export const same: Rule = (value) => value;

/** Leaves out what has no influence on what the layer computes. */
export const unused: Rule = () => undefined;

/** Takes these values. */
export const only = (...allowed: Json[]): Rule =>
  where((value) => allowed.some((one) => isSame(one, value)), allowed.map((one) => JSON.stringify(one)).join(' or '));

/** Takes every value to predict with, and one to train with. */
export const toTrain = (allowed: Json): Rule =>
  where((value, { predictOnly }) => predictOnly || isSame(value, allowed), JSON.stringify(allowed), TRAINS_OTHERWISE);

/** Takes no constraint to train with; the host would apply one to the weights that it loads. */
export const noConstraint: Rule = (value, place, field) =>
  toTrain(null)(place.predictOnly ? null : value, place, field);

/** Takes a dilation of 1, however written. */
export const undilated = where(isOne, '1');

/** Takes every dilation to predict with. */
export const undilatedToTrain = where((value, { predictOnly }) => predictOnly || isOne(value), '1', TRAINS_OTHERWISE);

/** Takes the last axis, however written. */
export const lastAxis = where((value, { rank }) => value === -1 || value === (rank ?? NaN) - 1, '-1, the last one');

/** Takes a rate of dropout; TensorFlow.js drops nothing at 1. */
export const rate = where((value) => typeof value === 'number' && value < 1, 'less than 1');

/** Takes no regularizer of activations. */
export const noActivityRegularizer = where(
  (value) => value === null,
  'null',
  'Put an `ActivityRegularization` layer after it in Keras, and save the model again.',
);

/** Takes the only kind of GRU that TensorFlow.js has. */
export const noResetAfter = where(
  (value) => value === false,
  'false',
  'TensorFlow.js has no other: train the model with `GRU(..., reset_after=False)` in Keras.',
);

/** From 3.14 on, Keras divides the penalty on activations by the batch size, as the layer of this library does. */
export const activityPenalty = where(
  (value, { predictOnly, kerasVersion }) =>
    value === 0 || predictOnly || Number(/^3\.(\d+)/.exec(kerasVersion)?.[1] ?? 0) >= 14,
  '0 in a model of Keras before 3.14, which adds up what later versions average over the batch, or of an unknown version',
  'Load it in Keras 3.14 or later, and save it again, with `keras_version` in its topology.',
);

/** A type of integers in place of all. */
export const inputType: Rule = (value, place, field) =>
  /^u?int\d+$/.test(asString(value)) ? 'int32' : only('float32', 'bool')(value, place, field);

/** The name of a policy. */
export const dtype: Rule = (value, place, field) =>
  only('float32')(isObject(value) ? (objectAt(value, 'config')['name'] ?? null) : value, place, field);

const named = (names: string): Array<[string, string]> => names.split(' ').map((name) => [name, name]);

const ACTIVATIONS = new Map([
  ...named('elu gelu linear mish relu relu6 selu sigmoid softmax softplus softsign tanh'),
  ['log_softmax', 'logSoftmax'],
  ['silu', 'swish'],
]);

const REGULARIZERS = new Map(named('L1 L2 L1L2'));

const INITIALIZERS = new Map([
  ...named(
    'Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity Ones Orthogonal RandomNormal RandomUniform',
  ),
  ...named('TruncatedNormal VarianceScaling Zeros'),
  ['IdentityInitializer', 'Identity'],
  ['LecunNormal', 'LeCunNormal'],
  ['LecunUniform', 'LeCunUniform'],
  ['OrthogonalInitializer', 'Orthogonal'],
]);

const known = (names: ReadonlyMap<string, string>, name: string, value: Json, place: Place, field: string): string =>
  names.get(name) ?? refuse(place, field, value, `one of ${[...names.keys()].join(', ')}`, CHANGE_IN_KERAS);

/** TensorFlow.js's name of an activation, of those that its version has. */
export const activation: Rule = (value, place, field) => {
  const registered = new Map([...ACTIVATIONS].filter(([, name]) => registeredClass(name) !== undefined));
  return known(registered, asString(value), value, place, field);
};

const configured = (names: ReadonlyMap<string, string>, rest: (config: JsonObject) => JsonObject): Rule => {
  return (value, place, field) => {
    const object = isObject(value) ? value : {};
    const className = known(names, stringAt(object, 'class_name'), value, place, field);
    return { class_name: className, config: rest(objectAt(object, 'config')) };
  };
};

const configuredRegularizer = configured(REGULARIZERS, (config) => config);

/** A regularizer that adds one term to the loss. */
export const regularizer: Rule = (value, place, field) =>
  value === null ? null : configuredRegularizer(value, place, field);

/** An initializer, whose values the weights of the file replace. */
export const initializer = configured(INITIALIZERS, (config) =>
  without(config, ['input_axes', 'output_axes', ...(typeof config['seed'] === 'number' ? [] : ['seed'])]),
);
