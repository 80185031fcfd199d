import type { History } from '@tensorflow/tfjs-layers';
import type { LogKeys } from '../logs/log-keys.js';
import { describe, list } from '../util/arguments.js';
import type { Chart, Values } from './chart.js';
import { readLog, type UnknownLogs } from './read-log.js';

/** The logs of a training, a row an epoch or a batch. */
export interface LossTable {
  unit: Chart['unit'];
  /** The number of each row, from 1. */
  rows: readonly number[];
  /** By name; as long as `rows`, or shorter where the host itself does not say which rows lack a value. */
  columns: ReadonlyMap<string, Values>;
}

/** What a training has written into its logs, in any of the forms that it comes in. */
export type LossSource = History | { readonly [key: string]: readonly unknown[] } | readonly object[] | string;

/**
 * Reads what `fit` returned, logs by epoch or batch, or the text of a log.
 *
 * @throws Error if it is none of those, is empty, or has no data loss.
 */
export function lossTable(source: unknown, keys: LogKeys): LossTable {
  const isRead = typeof source === 'string' || (Array.isArray(source) && source.length > 0);
  const isDrawn = drawnNames(keys);
  const table = isRead
    ? tableOfRows(typeof source === 'string' ? readLog(source) : source.map(checkedRow), isDrawn)
    : tableOfHistory(source, isDrawn);
  const isEmpty = table?.rows.length === 0 && (isRead || table.columns.has(keys.dataLoss));
  if (isEmpty) {
    throw new Error('Expected `history` to hold at least one epoch, got none. Train for an epoch, then plot.');
  }
  if (table?.columns.has(keys.dataLoss) === true) return table;
  const { history = source } = (source ?? {}) as { history?: unknown };
  throw new Error(
    `Expected \`history\` of \`plotLosses\` to be what \`fit\` returned, logs, or the text of a log, with ${list([keys.dataLoss])}, got ` +
      `${isRead ? `logs with ${list(table!.columns.keys())}` : describe(history)}. Train with \`decomposedLoss()\` in ` +
      '`callbacks`, and give its `logKeys` here too.',
  );
}

/**
 * A table of logs. They are counted from 1, or by the `epoch` in them, which the host counts from 0, where it ascends; with
 * a `batch` in them each is a batch.
 */
export function tableOfRows(logs: readonly UnknownLogs[], isDrawn: IsDrawn): LossTable {
  const names = new Set(logs.flatMap((log) => Object.keys(log)));
  const columns = new Map(Array.from(names, (name) => [name, logs.map((log) => numberOf(name, log[name], isDrawn))]));
  const unit = columns.has('batch') ? 'batch' : 'epoch';
  const epochs = unit === 'epoch' ? (columns.get('epoch') ?? []) : [];
  const ascends = epochs.every(
    (epoch, index) => Number.isFinite(epoch) && (index === 0 || epoch! > epochs[index - 1]!),
  );
  const isCounted = ascends && epochs.length > 0;
  return { unit, rows: logs.map((_, index) => (isCounted ? epochs[index]! : index) + 1), columns };
}

function tableOfHistory(source: unknown, isDrawn: IsDrawn): LossTable | undefined {
  if (typeof source !== 'object' || source === null) return undefined;
  const { history, epoch } = source as Partial<History>;
  const values = (history !== undefined && !Array.isArray(history) ? history : source) as UnknownLogs;
  const lists = Object.entries(values).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]));
  const columns = new Map(lists.map(([name, all]) => [name, all.map((value) => numberOf(name, value, isDrawn))]));
  const count = Math.max(0, ...[...columns.values()].map(({ length }) => length));
  const first = Array.isArray(epoch) && epoch.length === count ? epoch : Array.from({ length: count }, (_, i) => i);
  return { unit: 'epoch', rows: first.map((index) => index + 1), columns };
}

function checkedRow(row: unknown, index: number): UnknownLogs {
  if (typeof row === 'object' && row !== null) return row as UnknownLogs;
  throw new Error(
    `Expected \`history\` of \`plotLosses\` to be an array of logs, got ${describe(row)} at index ${index}. Pass objects.`,
  );
}

/** Whether charts draw what has that name in the logs. */
export type IsDrawn = (name: string) => boolean;

/** The losses and their parts, and the metrics that are given. */
export function drawnNames(keys: LogKeys, metrics: readonly string[] = []): IsDrawn {
  const losses = ['loss', 'total_loss', ...Object.values<string>({ ...keys })];
  const named = new Set([...losses, ...metrics.flatMap((metric) => [metric, `val_${metric}`])]);
  return (name) => named.has(name) || losses.some((loss) => name.startsWith(`${loss}/`));
}

/**
 * A value of a log; `null` is what JSON has for numbers that are not finite.
 *
 * @throws Error if it is no number, but would be drawn.
 */
export function numberOf(name: string, value: unknown, isDrawn: IsDrawn): number | undefined {
  if (value === null) return NaN;
  if (value === undefined || typeof value === 'number') return value;
  if (['NaN', 'Infinity', '-Infinity'].includes(value as string)) return Number(value);
  if (!isDrawn(name)) return undefined;
  throw new Error(
    `Expected numbers in the logs, got ${describe(value)} for \`${name}\`. Read tensors first, with \`await tensor.data()\`.`,
  );
}
