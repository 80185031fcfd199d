import type { layers } from '@tensorflow/tfjs-layers';
import { heldRegularizer } from '../host/regularizers.js';
import { shortName } from '../regularizers/penalty-groups.js';
import { groupBy } from '../util/group-by.js';
import { activityFinding, ignoredArgument, weightOf } from './arguments.js';
import type { AuditedModel } from './audited-model.js';
import type { RegularizationFinding } from './finding.js';

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
  { termsOn }: AuditedModel,
  layer: layers.Layer,
  path: string,
  argument: string,
  value: unknown,
): RegularizationFinding[] {
  if (heldRegularizer(layer, argument) != null) return [];
  const declared = `${argument}: ${savedText(value)}`;
  if (argument === 'activityRegularizer') return [activityFinding(path, declared)];
  const weights = layer.weights.filter((weight) => shortName(weight) === weightOf(argument));
  if (weights.some((weight) => termsOn.has(weight))) return [];
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
