import type { LogKeys } from '../log-keys.js';

/** Values by epoch or batch, one number each. */
export interface Series {
  name: string;
  values: number[];
}

/** What one line chart shows: training, and validation where there is any. */
export interface LineChart {
  title: string;
  series: Series[];
}

/** What a training has written into its logs so far, arranged by chart. */
export class LossHistory {
  readonly #keys: LogKeys;
  readonly #metrics: readonly string[];
  readonly #epochs: Array<Record<string, number>> = [];
  readonly #batches: Array<Record<string, number>> = [];

  constructor(keys: LogKeys, metrics: readonly string[]) {
    this.#keys = keys;
    this.#metrics = metrics;
  }

  addEpoch(logs: Record<string, number>): void {
    this.#epochs.push({ ...logs });
  }

  addBatch(logs: Record<string, number>): void {
    this.#batches.push({ ...logs });
  }

  /** Total, data and regularization loss, then the metrics that are there: each with training beside validation. */
  byEpoch(): LineChart[] {
    const { dataLoss, valDataLoss, regularizationLoss, valRegularizationLoss, valTotalLoss } = this.#keys;
    const charts: Array<[string, string, string]> = [
      ['Total loss by epoch', 'loss', valTotalLoss],
      ['Data loss by epoch', dataLoss, valDataLoss],
      ['Regularization loss by epoch', regularizationLoss, valRegularizationLoss],
      ...this.#metrics.map((metric): [string, string, string] => [`${metric} by epoch`, metric, `val_${metric}`]),
    ];
    return charts.map(([title, training, validation]) => ({
      title,
      series: [...seriesOf(this.#epochs, training, 'training'), ...seriesOf(this.#epochs, validation, 'validation')],
    }));
  }

  /** The parts of the loss of each batch, in one chart. */
  byBatch(): LineChart {
    const keys: Array<[string, string]> = [
      ['loss', 'total'],
      [this.#keys.dataLoss, 'data'],
      [this.#keys.regularizationLoss, 'regularization'],
    ];
    return { title: 'Loss by batch', series: keys.flatMap(([key, name]) => seriesOf(this.#batches, key, name)) };
  }

  /** The parts of the penalty by epoch, in the order in which they first came; what is not there in an epoch is 0. */
  parts(): Series[] {
    const prefix = `${this.#keys.regularizationLoss}/`;
    const keys = new Set(this.#epochs.flatMap((logs) => Object.keys(logs)).filter((key) => key.startsWith(prefix)));
    return Array.from(keys, (key) => ({
      name: key.slice(prefix.length),
      values: this.#epochs.map((logs) => logs[key] ?? 0),
    }));
  }
}

/** One series, or none where no log has the key. */
function seriesOf(logs: Array<Record<string, number>>, key: string, name: string): Series[] {
  return logs.some((log) => key in log) ? [{ name, values: logs.map((log) => log[key] ?? NaN) }] : [];
}
