import type { LogKeys } from '../../logs/log-keys.js';

/** Values by epoch or batch, one number each. */
export interface Series {
  name: string;
  values: number[];
}

/** What one line chart shows: training, and validation where there is any. */
export interface LineChart {
  title: string;
  series: Series[];
  /** The number of the first epoch or batch that it shows. */
  first: number;
}

/** What a training has written into its logs so far, arranged by chart. */
export class LossHistory {
  readonly #keys: LogKeys;
  readonly #metrics: readonly string[];
  readonly #validationOf: (metric: string) => string | undefined;
  readonly #epochs: Array<Record<string, number>> = [];
  readonly #batches: Array<Record<string, number>> = [];

  #firstEpoch = 1;

  /** @param validationOf - The key under which the host writes a metric's validation; with several outputs, another's. */
  constructor(keys: LogKeys, metrics: readonly string[], validationOf: (metric: string) => string | undefined) {
    this.#keys = keys;
    this.#metrics = metrics;
    this.#validationOf = validationOf;
  }

  /** The number of the first epoch, from 1: greater where training went on with `initialEpoch`. */
  get firstEpoch(): number {
    return this.#firstEpoch;
  }

  /** @param epoch - From 0, as the host counts. */
  addEpoch(epoch: number, logs: Record<string, number>): void {
    if (this.#epochs.length === 0) this.#firstEpoch = epoch + 1;
    this.#epochs.push({ ...logs });
  }

  addBatch(logs: Record<string, number>): void {
    this.#batches.push({ ...logs });
  }

  /** Total, data and regularization loss, then the metrics that are there: each with training beside validation. */
  byEpoch(): LineChart[] {
    const { dataLoss, valDataLoss, regularizationLoss, valRegularizationLoss, valTotalLoss } = this.#keys;
    const charts: Array<[title: string, training: string, validation: string | undefined]> = [
      ['Total loss by epoch', 'loss', valTotalLoss],
      ['Data loss by epoch', dataLoss, valDataLoss],
      ['Regularization loss by epoch', regularizationLoss, valRegularizationLoss],
      ...this.#metrics.map((metric): (typeof charts)[number] => [
        `${metric} by epoch`,
        metric,
        this.#validationOf(metric),
      ]),
    ];
    return charts.map(([title, training, validation]) => ({
      title,
      first: this.#firstEpoch,
      series: [
        ...seriesOf(this.#epochs, training, 'training'),
        ...(validation === undefined ? [] : seriesOf(this.#epochs, validation, 'validation')),
      ],
    }));
  }

  /** The parts of the loss of each batch, in one chart. */
  byBatch(): LineChart {
    const keys: Array<[string, string]> = [
      ['loss', 'total'],
      [this.#keys.dataLoss, 'data'],
      [this.#keys.regularizationLoss, 'regularization'],
    ];
    return {
      title: 'Loss by batch',
      first: 1,
      series: keys.flatMap(([key, name]) => seriesOf(this.#batches, key, name)),
    };
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
