import type { LogKeys } from '../logs/log-keys.js';
import {
  DATA,
  OTHERS,
  PARTS,
  REGULARIZATION,
  TOTAL,
  type Chart,
  type Look,
  type Series,
  type Values,
} from './chart.js';
import type { LossTable } from './loss-table.js';

/** The chart of the losses: total, data and regularization, and the parts of the data loss, in training and validation. */
export function lossChart(table: LossTable, keys: LogKeys): Chart {
  const { columns, unit } = table;
  // With `loss: 'data'` the host's key holds the data loss.
  const total = columns.has('total_loss') ? 'total_loss' : 'loss';
  const parts = partsOf(table, keys.dataLoss, keys.valDataLoss);
  const shown = greatest(parts, PARTS.length);
  const left = parts.length - shown.length;
  const pairs = [
    ...pair(table, 'total loss', TOTAL, 5, total, keys.valTotalLoss),
    ...pair(table, 'data loss', DATA, 3, keys.dataLoss, keys.valDataLoss),
    ...pair(table, 'regularization loss', REGULARIZATION, 1.75, keys.regularizationLoss, keys.valRegularizationLoss),
    ...shown.flatMap(({ name }, index) =>
      pair(table, `data loss: ${name}`, PARTS[index]!, 1.5, `${keys.dataLoss}/${name}`, `${keys.valDataLoss}/${name}`),
    ),
  ];
  const note = left > 0 ? `${left} other part${left > 1 ? 's' : ''} of the data loss not shown` : '';
  return { ...chart(table, `Loss by ${unit}`, 'loss', pairs), note };
}

/** The chart of the regularization loss by layer or weight, on one another; none where it was not broken down. */
export function partsChart(table: LossTable, { regularizationLoss }: LogKeys): Chart | undefined {
  const parts = partsOf(table, regularizationLoss);
  if (parts.length === 0) return undefined;
  const kept = greatest(parts, parts.length > PARTS.length + 1 ? PARTS.length : PARTS.length + 1);
  const others = parts.filter((part) => !kept.includes(part));
  const sum = table.rows.map((_, row) => others.reduce((total, { values }) => total + values[row]!, 0));
  const all = others.length > 0 ? [...kept, { name: `${others.length} others`, values: sum }] : kept;
  const series = all.map(({ name, values }, index): Series => ({
    name,
    values,
    width: 0,
    isValidation: false,
    look: PARTS[index] ?? OTHERS,
  }));
  return { ...chart(table, 'Regularization loss in parts', 'regularization loss', series), kind: 'stack' };
}

/** The chart of one metric; none where no log has it. */
export function metricChart(table: LossTable, metric: string): Chart | undefined {
  const series = pair(table, metric, TOTAL, 2.5, metric, `val_${metric}`);
  return series.length > 0 ? chart(table, `${metric} by ${table.unit}`, metric, series) : undefined;
}

const chart = ({ unit, rows }: LossTable, title: string, quantity: string, series: readonly Series[]): Chart => ({
  ...{ title, kind: 'lines', unit, rows, quantity, series, note: '', marks: [] },
});

/** A quantity in training and validation, as far as the logs have them. */
function pair(
  { columns, rows }: LossTable,
  name: string,
  look: Look,
  width: number,
  training: string,
  validation: string,
): Series[] {
  return [training, validation].flatMap((key, index) => {
    const values = columns.get(key);
    const all = rows.map((_, row) => values?.[row]);
    return values === undefined ? [] : [{ name, look, width, isValidation: index === 1, values: all }];
  });
}

interface Part {
  name: string;
  values: Values;
}

/**
 * What is under `<key>/` in the logs, in the order in which it first came. A part that came later was 0 before; a history
 * has its values from then on only.
 */
function partsOf({ columns, rows }: LossTable, ...keys: string[]): Part[] {
  const names = new Map<string, Values>();
  for (const [column, values] of columns) {
    const key = keys.find((one) => column.startsWith(`${one}/`));
    if (key !== undefined && !names.has(column.slice(key.length + 1))) names.set(column.slice(key.length + 1), values);
  }
  return Array.from(names, ([name, values]) => ({
    name,
    values: rows.map((_, row) => values.at(row - rows.length) ?? 0),
  }));
}

/** At most so many parts, those with the greatest values, in the order in which they are. */
function greatest(parts: readonly Part[], limit: number): Part[] {
  const size = ({ values }: Part) => values.reduce<number>((sum, value) => sum + (Math.abs(value!) || 0), 0);
  const kept = new Set([...parts].sort((a, b) => size(b) - size(a)).slice(0, limit));
  return parts.filter((part) => kept.has(part));
}
