import { Tensor, dispose, type Scalar } from '@tensorflow/tfjs-core';
import type { Breakdown } from '../regularizers/penalty-groups.js';
import { describe, list } from '../util/arguments.js';
import { readNumbers } from '../util/scalars.js';

/** The host's logs: those that nobody has read yet are scalars, which the host disposes. It takes nothing else. */
export interface Logs {
  [key: string]: number | Scalar;
}

/**
 * Reads the host's logs, in one transfer from the backend. The scalars stay where they are.
 *
 * @returns The same keys in the same order.
 */
export async function readLogs(logs: Logs): Promise<Map<string, number>> {
  const entries = Object.entries(logs);
  const numbers = await readNumbers(entries.map(([, value]) => value).filter((value) => value instanceof Tensor));
  return new Map(entries.map(([key, value]) => [key, typeof value === 'number' ? value : numbers.shift()!]));
}

/** The names of the values in the logs and in `history.history`. */
export interface LogKeys {
  /** The data loss in training. Default `'data_loss'`. */
  dataLoss: string;
  /** The regularization loss in training, and what comes before `/<layer>` in a breakdown. Default `'regularization_loss'`. */
  regularizationLoss: string;
  /** The data loss in validation. Default `'val_'` and the name of `dataLoss`. */
  valDataLoss: string;
  /** The regularization loss at the validated weights. Default `'val_'` and the name of `regularizationLoss`. */
  valRegularizationLoss: string;
  /** The sum of the two in validation; TensorFlow.js's own `val_loss` leaves the penalty out. Default `'val_total_loss'`. */
  valTotalLoss: string;
}

/** Other names for some of the values. */
export type LogKeyArgs = { [Value in keyof LogKeys]?: LogKeys[Value] | undefined };

const NAMES = ['dataLoss', 'regularizationLoss', 'valDataLoss', 'valRegularizationLoss', 'valTotalLoss'] as const;

/** What the host itself writes into a batch's log beside the losses and metrics. */
const HOST_KEYS = ['batch', 'size'];

/**
 * Fills in the default names.
 *
 * @param caller - The public function whose argument they are.
 * @throws Error if an entry is unknown or not a name, or if two values would have one name.
 */
export function resolveLogKeys(caller: string, args: LogKeyArgs = {}): LogKeys {
  if (typeof args !== 'object' || args === null || Array.isArray(args)) {
    throw new Error(
      `Expected \`logKeys\` of \`${caller}\` to be an object of names, got ${describe(args)}. Pass {dataLoss: 'my_name'}.`,
    );
  }
  for (const [entry, name] of Object.entries(args)) {
    if (!NAMES.includes(entry as keyof LogKeys)) {
      throw new Error(
        `Expected \`logKeys\` of \`${caller}\` to rename ${list(NAMES)}, got \`${entry}\`. Use one of those entries.`,
      );
    }
    // The host keeps its sums in plain objects, where such a name has a meaning of its own.
    if (name !== undefined && (typeof name !== 'string' || name === '' || name in Object.prototype)) {
      throw new Error(
        `Expected \`logKeys.${entry}\` to be a name, got ${describe(name)}. Pass a string that is not empty, nor the name ` +
          'of a member of every object.',
      );
    }
  }
  const dataLoss = args.dataLoss ?? 'data_loss';
  const regularizationLoss = args.regularizationLoss ?? 'regularization_loss';
  const keys: LogKeys = {
    dataLoss,
    regularizationLoss,
    valDataLoss: args.valDataLoss ?? `val_${dataLoss}`,
    valRegularizationLoss: args.valRegularizationLoss ?? `val_${regularizationLoss}`,
    valTotalLoss: args.valTotalLoss ?? 'val_total_loss',
  };
  NAMES.forEach((name, index) => {
    const twin = NAMES.slice(0, index).find((other) => keys[other] === keys[name]);
    if (twin !== undefined) {
      throw new Error(
        `Expected \`logKeys.${twin}\` and \`logKeys.${name}\` to differ, got '${keys[name]}' for both. Rename one of them.`,
      );
    }
  });
  return keys;
}

/**
 * Checks the names that a run will write against those that are there.
 *
 * @param announced - The names of a run before ours, `params.metrics`: the model's own loss and metrics, and what other
 *   callbacks announced.
 * @throws Error if one of ours is among them, or reads as a part of the breakdown.
 */
export function checkAgainstMetrics(keys: Partial<LogKeys>, announced: readonly string[], breakdown: Breakdown): void {
  const names = new Set([...HOST_KEYS, ...announced]);
  for (const [name, key] of Object.entries(keys)) {
    if (names.has(key)) throw taken(name, key, names);
  }
  if (breakdown === 'none') return;
  const prefix = `${keys.regularizationLoss}/`;
  const part = [...names, ...Object.values(keys)].find((key) => key.startsWith(prefix));
  if (part !== undefined) {
    throw new Error(
      `Expected no name to begin with '${prefix}', as the parts of the breakdown do, got '${part}'. Choose another name ` +
        'in `logKeys`, or for the metric.',
    );
  }
}

/**
 * Moves what is in a log under the default names to other ones, in place.
 *
 * @throws Error if something else is there.
 */
export function renameKeys(logs: { [key: string]: unknown }, keys: LogKeys): void {
  const defaults = resolveLogKeys('decomposedLoss');
  const moved = NAMES.filter((name) => defaults[name] !== keys[name]).flatMap((name) => {
    const before = defaults[name];
    return Object.keys(logs)
      .filter((key) => key === before || key.startsWith(`${before}/`))
      .map((key) => ({ name, key, to: keys[name] + key.slice(before.length), value: logs[key] }));
  });
  moved.forEach(({ key }) => Reflect.deleteProperty(logs, key));
  for (const { name, to, value } of moved) {
    if (to in logs) throw taken(name, to, Object.keys(logs));
    logs[to] = value;
  }
}

const taken = (name: string, key: string, names: Iterable<string>): Error =>
  new Error(
    `Expected \`logKeys.${name}\` to be a name of its own, got '${key}', which is there already: the host, the model's ` +
      `own loss, a metric or another callback has it (${list(names)}). Choose another name in \`logKeys\`.`,
  );

/** The key of the total loss where the data loss has the host's. */
export const TOTAL_LOSS = 'total_loss';

/** Puts the data loss under the key of the total, and the total under `TOTAL_LOSS`. */
export function moveTotal(logs: Logs, data: number | Scalar): void {
  if (TOTAL_LOSS in logs) {
    throw new Error(
      `Expected \`${TOTAL_LOSS}\` in the logs to be the total loss, where \`loss: 'data'\` of \`decomposedLoss\` puts it, got ` +
        'another value under that name. Give it another name in `endEpoch`.',
    );
  }
  if (logs['loss'] !== undefined) logs[TOTAL_LOSS] = logs['loss'];
  logs['loss'] = data;
}

/**
 * Puts the data loss of the validation under `val_loss`. The host disposes what is in the logs, so what is replaced is disposed here. Where the data loss cannot be told, there is none.
 *
 * @param isOwn - Whether a `val_loss` without a data loss is the user's, and not the host's.
 */
export function showValidation(logs: Logs, data: number | Scalar | undefined, isOwn: boolean): void {
  if (data === undefined && isOwn) return;
  if (typeof logs['val_loss'] === 'object') dispose(logs['val_loss']);
  if (data !== undefined) logs['val_loss'] = data;
  else delete logs['val_loss'];
}
