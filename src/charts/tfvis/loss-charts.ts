import { resolveLogKeys, type LogKeys, type LogKeyArgs } from '../../logs/log-keys.js';
import { BREAKDOWN, type Breakdown } from '../../regularizers/penalty-groups.js';
import { ANYTHING, checkOptions, describe, list, type OptionCheck } from '../../util/arguments.js';
import { SCALE, type Chart, type Mark, type ScaleName } from '../chart.js';
import { lossChart, metricChart, partsChart } from '../charts-of.js';
import { drawnNames, numberOf, tableOfRows, type IsDrawn } from '../loss-table.js';
import type { UnknownLogs } from '../read-log.js';
import { heightOf, inWords, panel } from '../svg/panel.js';
import { picture } from '../svg/svg.js';
import { Figures, checkContainer, type ChartContainer } from './figures.js';

/** What {@link lossCharts} takes besides the container. */
export interface LossChartsArgs {
  /**
   * `'none'` leaves out the stacked chart of the regularization loss by layer or weight, which is otherwise drawn if the logs
   * have `regularization_loss/<name>`. In `fitCallbacks`, it is passed to `decomposedLoss` too. Default `'layer'`.
   */
  breakdown?: Breakdown | undefined;
  /** Metrics to draw too, by their names in the logs, such as `'acc'`: training and validation. Default none. */
  metrics?: string[] | undefined;
  /** The names that `decomposedLoss` was given, if any. */
  logKeys?: LogKeyArgs | undefined;
  /** The axis of the losses, as in `plotLosses`. Default `'auto'`. */
  scale?: ScaleName | undefined;
  /** The width of each chart in pixels. Default: that of the container. */
  width?: number | undefined;
  /** The height of each chart in pixels. Default: what its legend takes, and about 270. */
  height?: number | undefined;
}

/** What {@link lossCharts} returns. Each promise resolves when the charts are drawn. */
export interface LossCharts {
  /** Removes the charts of the previous run. Need not be called before the first one. */
  begin(): Promise<void>;
  /** Adds a batch to the chart by batch, which is drawn four times a second at most. */
  batch(logs: object): Promise<void>;
  /**
   * Adds an epoch, and draws all charts.
   *
   * @param epoch - From 0, as the host counts; the charts show it from 1.
   * @param logs - Numbers by their names in the logs: `loss`, `data_loss`, `val_data_loss`, …
   */
  epoch(epoch: number, logs: object): Promise<void>;
  /** Marks in all charts that something happens now: `charts.mark('L2 0.01')`. */
  mark(text: string): Promise<void>;
  /** Draws what was not drawn yet. */
  end(): Promise<void>;
}

/** The least time between two drawings of a chart by batch, in milliseconds: to draw takes longer than a small batch. */
const PAUSE = 250;

/**
 * Live charts of what the loss is made of, fed with logs from anywhere: a worker, a server, a custom loop.
 *
 * ```js
 * const charts = lossCharts(document.getElementById('charts'));
 * worker.onmessage = ({ data: { epoch, logs } }) => charts.epoch(epoch, logs);
 * ```
 *
 * The charts are those of `plotLosses`, each in a `figure` of the class `tfjs-decomposed-loss-chart`. Their colours
 * follow the page's `color-scheme`, or its custom properties `--loss-chart-background`, `--loss-chart-text`,
 * `--loss-chart-soft-text` and `--loss-chart-grid`.
 *
 * @param container - An element of the page, a surface of tfjs-vis, or the name of one: `{name: 'Loss', tab: 'Training'}`.
 *   Only a name needs `@tensorflow/tfjs-vis`.
 * @throws Error if an argument is not understood. `batch` and `epoch` reject a value that is to be drawn but is not a number.
 */
export function lossCharts(container: ChartContainer, args: LossChartsArgs = {}): LossCharts {
  checkContainer(container);
  return new ChartsOfTraining(container, args);
}

class ChartsOfTraining implements LossCharts {
  readonly #container: ChartContainer;
  readonly #args: LossChartsArgs;
  readonly #keys: LogKeys;
  readonly #isDrawn: IsDrawn;
  #figures: Promise<Figures> | undefined;
  #epochs: UnknownLogs[] = [];
  #batches: UnknownLogs[] = [];
  #marks: Array<Mark & { batches: number }> = [];
  #drawnAt = -Infinity;

  constructor(container: ChartContainer, args: LossChartsArgs) {
    checkOptions('lossCharts', args, LOSS_CHARTS_CHECKS);
    this.#container = container;
    this.#args = args;
    this.#keys = resolveLogKeys('lossCharts', args.logKeys);
    this.#isDrawn = drawnNames(this.#keys, args.metrics);
  }

  async begin(): Promise<void> {
    [this.#epochs, this.#batches, this.#marks] = [[], [], []];
    this.#drawnAt = -Infinity;
    this.#figures = Figures.within(this.#container);
    await this.#figures;
  }

  async batch(logs: object): Promise<void> {
    this.#batches.push({ ...this.#checked(logs), batch: this.#batches.length });
    if (performance.now() - this.#drawnAt >= PAUSE) await this.#drawBatches();
  }

  async epoch(epoch: number, logs: object): Promise<void> {
    if (!Number.isInteger(epoch) || epoch < 0) {
      throw new Error(`Expected \`epoch\` to be a whole number from 0, got ${describe(epoch)}. Count as \`fit\` does.`);
    }
    this.#epochs.push({ ...this.#checked(logs), epoch });
    await this.#drawEpochs();
  }

  async mark(text: string): Promise<void> {
    this.#marks.push({ after: this.#epochs.length, batches: this.#batches.length, text });
    await this.end();
  }

  async end(): Promise<void> {
    await this.#drawBatches();
    await this.#drawEpochs();
  }

  #checked(logs: object): UnknownLogs {
    if (typeof logs !== 'object' || logs === null) {
      throw new Error(
        `Expected \`logs\` to be an object of numbers, got ${describe(logs)}. Pass the logs of an epoch.`,
      );
    }
    Object.entries(logs).forEach(([name, value]) => numberOf(name, value, this.#isDrawn));
    const names = Object.keys(logs);
    // Where a dataset is exhausted, the host ends an epoch with validation alone, or with nothing.
    if (names.length > 0 && !names.some((name) => this.#isDrawn(name) || name.startsWith('val_'))) {
      throw new Error(
        `Expected \`logs\` to hold ${list(['loss', ...Object.values<string>({ ...this.#keys })])}, got ${list(names)}. Pass ` +
          'the logs of a training with `decomposedLoss()`, or numbers under those names.',
      );
    }
    return logs as UnknownLogs;
  }

  async #drawBatches(): Promise<void> {
    if (this.#batches.length === 0) return;
    const marks = this.#marks.map(({ batches, text }) => ({ after: batches, text }));
    await this.#draw({ ...lossChart(tableOfRows(this.#batches, this.#isDrawn), this.#keys), marks });
    this.#drawnAt = performance.now();
  }

  async #drawEpochs(): Promise<void> {
    if (this.#epochs.length === 0) return;
    const { breakdown = 'layer', metrics = [] } = this.#args;
    const table = tableOfRows(this.#epochs, this.#isDrawn);
    const charts = [
      lossChart(table, this.#keys),
      ...(breakdown === 'none' ? [] : [partsChart(table, this.#keys)]),
      ...metrics.map((metric) => metricChart(table, metric)),
    ];
    for (const chart of charts) if (chart) await this.#draw({ ...chart, marks: this.#marks });
  }

  async #draw(chart: Chart): Promise<void> {
    const figures = await (this.#figures ??= Figures.within(this.#container));
    figures.draw(chart.title, (available) => {
      const { width = available, scale = 'auto' } = this.#args;
      const place = { left: 8, right: width - 8, top: 6, bottom: 0 };
      const height = this.#args.height ?? 6 + heightOf(chart, place, 212) + 4;
      const box = { ...place, bottom: height - 4 };
      return picture('page', { width, height, words: inWords(chart) }, panel(chart, scale, box));
    });
  }
}

const PIXELS: OptionCheck = ['a number of pixels above 0', (value) => Number.isFinite(value) && (value as number) > 0];

/** What the options are to be. */
export const LOSS_CHARTS_CHECKS = {
  breakdown: BREAKDOWN,
  metrics: [
    'an array of names',
    (value) => Array.isArray(value) && value.every((metric) => typeof metric === 'string'),
  ],
  logKeys: ANYTHING,
  scale: SCALE,
  width: PIXELS,
  height: PIXELS,
} satisfies { [name in keyof LossChartsArgs]-?: OptionCheck };
