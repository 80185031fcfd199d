import { tidy } from '@tensorflow/tfjs-core';
import type { LayerVariable, layers } from '@tensorflow/tfjs-layers';
import { heldRegularizer, type Regularizer } from '../host/model/regularizers.js';
import { regularizerText } from '../regularizers/declared-regularizers.js';
import { shortName } from '../regularizers/penalty-groups.js';
import { groupBy } from '../util/group-by.js';
import { readNumbersSync } from '../util/scalars.js';
import { times, type AuditedModel, type AuditedTerm } from './audited-model.js';
import type { RegularizationFinding } from './report.js';

/** The weights that are not named as the argument which regularizes them. */
const WEIGHT_NAMES: { [argument: string]: string } = {
  depthwiseRegularizer: 'depthwise_kernel',
  pointwiseRegularizer: 'pointwise_kernel',
  recurrentRegularizer: 'recurrent_kernel',
};

/** The weight that an argument such as `kernelRegularizer` is for. */
const weightOf = (argument: string): string => WEIGHT_NAMES[argument] ?? argument.replace(/Regularizer$/, '');

/** Regularizers that a layer holds but that no penalty comes from. */
export function argumentFindings(audited: AuditedModel): RegularizationFinding[] {
  return audited.layers
    .filter(({ layer }) => !audited.opaque.has(layer))
    .flatMap(({ layer, path }) =>
      Object.entries(layer).flatMap(([member, value]: [string, unknown]) =>
        member.endsWith('Regularizer') && isRegularizer(value) ? about(audited, layer, path, member, value) : [],
      ),
    );
}

const isRegularizer = (value: unknown): value is Regularizer =>
  typeof value === 'object' && value !== null && typeof (value as Partial<Regularizer>).apply === 'function';

function about(
  audited: AuditedModel,
  layer: layers.Layer,
  path: string,
  member: string,
  regularizer: Regularizer,
): RegularizationFinding[] {
  const { termsOn, hasValues } = audited;
  const declared = `${member}: ${regularizerText(regularizer)}`;
  if (member === 'activityRegularizer') return [activityFinding(audited, path, declared)];
  const weightName = weightOf(member);
  const weights = layer.weights.filter((weight) => shortName(weight) === weightName);
  if (weights.length === 0) return [ignoredArgument(layer, path, member, declared)];
  const present = weights.flatMap((weight) => termsOn.get(weight) ?? []);
  if (present.some((term) => term.regularizer === regularizer)) return [];
  return [assigned(path, weights[0]!, declared, hasValues ? regularizer : null, present)];
}

function assigned(
  path: string,
  weight: LayerVariable,
  declared: string,
  regularizer: Regularizer | null,
  present: readonly AuditedTerm[],
): RegularizationFinding {
  const instead = present.map(({ text, applied }) => `${text} ${times(applied)}`).join(', ');
  return {
    code: 'assigned-after-build',
    severity: 'warning',
    layer: path,
    weight: shortName(weight),
    declared,
    applied: instead === '' ? 'nothing' : `nothing of it, but ${instead}`,
    remedy:
      'Regularizers are bound when the weights are made. Call `addWeightDecay(model, {l1, l2, include: …})`, or give the ' +
      'regularizer to the layer when you make it.',
    penalty: regularizer && {
      declared: tidy(() => readNumbersSync([regularizer.apply(weight.read())])[0]!),
      applied: present.reduce((sum, term) => sum + (term.applied === 0 ? 0 : term.applied * term.value!), 0),
    },
  };
}

/** An argument that names a weight which the layer does not have. */
function ignoredArgument(layer: layers.Layer, path: string, argument: string, declared: string): RegularizationFinding {
  const names = layer.weights.map(shortName);
  const kernel = names.find((name) => name.endsWith('kernel'));
  const meant = Object.keys(WEIGHT_NAMES).find((name) => kernel !== undefined && weightOf(name) === kernel);
  const remedy =
    argument === 'kernelRegularizer' && meant !== undefined
      ? `A ${layer.getClassName()} takes \`${meant}\`. For the built model, call ` +
        "`addWeightDecay(model, {l2: …, include: '" +
        `${path}'})\`.`
      : `The layer has no \`${weightOf(argument)}\` (it has ${names.join(', ')}): leave the argument out.`;
  return {
    code: 'ignored-argument',
    severity: kernel !== undefined && argument === 'kernelRegularizer' ? 'warning' : 'information',
    layer: path,
    weight: null,
    declared,
    applied: 'nothing',
    remedy,
    penalty: null,
  };
}

/** A layer whose own activations are to be penalised. */
function activityFinding({ layers: all }: AuditedModel, path: string, declared: string): RegularizationFinding {
  const isDistributed = all.some(
    (around) => around.layer.getClassName() === 'TimeDistributed' && path.startsWith(`${around.path}/`),
  );
  const instead = isDistributed
    ? '`tf.layers.timeDistributed({layer: activityRegularization({l1, l2})})` after the TimeDistributed, which takes the mean ' +
      'over the time steps, as Keras 2 does'
    : '`activityRegularization({l1, l2})` after the layer';
  return {
    code: 'activity-regularizer-ignored',
    severity: 'warning',
    layer: path,
    weight: null,
    declared,
    applied: 'nothing: TensorFlow.js does not support it',
    remedy: `Leave it out, and put ${instead}; \`activityRegularization\` is of tfjs-decomposed-loss/regularizers.`,
    penalty: null,
  };
}

interface Json {
  readonly [key: string]: unknown;
}

/**
 * Regularizers that stand in the saved form of a model and that the layer made from it does not even hold.
 *
 * @param topology - The `modelTopology` of a saved model, with Keras's names (`class_name`, `kernel_regularizer`).
 */
export function topologyFindings(audited: AuditedModel, topology: unknown): RegularizationFinding[] {
  const byName = groupBy<unknown, AuditedModel['layers'][number]>(audited.layers, ({ layer }) => layer.name);
  return objectsIn(topology).flatMap(({ class_name, config }) => {
    if (!isObject(config)) return [];
    const declared = Object.entries(config).filter(([key, value]) => key.endsWith('_regularizer') && value != null);
    const places = (byName.get(config['name']) ?? []).filter(({ layer }) => layer.getClassName() === class_name);
    return places.flatMap(({ layer, path }) =>
      declared.flatMap(([key, value]) => ignored(audited, layer, path, camelCase(key), value)),
    );
  });
}

function ignored(
  audited: AuditedModel,
  layer: layers.Layer,
  path: string,
  argument: string,
  value: unknown,
): RegularizationFinding[] {
  if (heldRegularizer(layer, argument) != null) return [];
  const declared = `${argument}: ${savedText(value)}`;
  if (argument === 'activityRegularizer') return [activityFinding(audited, path, declared)];
  const weights = layer.weights.filter((weight) => shortName(weight) === weightOf(argument));
  if (weights.some((weight) => audited.termsOn.has(weight))) return [];
  return [ignoredArgument(layer, path, argument, declared)];
}

/** `L2 {"l2":0.1}` */
function savedText(value: unknown): string {
  if (!isObject(value)) return JSON.stringify(value).slice(0, 80);
  const { class_name: name, config } = value;
  return `${typeof name === 'string' ? name : 'a regularizer'} ${JSON.stringify(config ?? {})}`.slice(0, 80);
}

const camelCase = (key: string): string => key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

/** Every object within a value, itself first, each once. */
function objectsIn(value: unknown): Json[] {
  const found = new Set<Json>(isObject(value) ? [value] : []);
  for (const object of found) {
    Object.values(object)
      .filter(isObject)
      .forEach((inner) => found.add(inner));
  }
  return [...found];
}
