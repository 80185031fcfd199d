import { render } from '@tensorflow/tfjs-vis';
import type { LogKeys } from '../../logs/log-keys.js';
import type { Breakdown } from '../../regularizers/penalty-groups.js';
import { drawAreaChart } from './area-chart.js';
import { LossHistory, type LineChart } from './loss-history.js';
import { Panel, type ChartContainer } from './panel.js';

/** Training, or total; validation, or data; regularization. */
const COLORS = ['#1f77b4', '#ff7f0e', '#2ca02c'];

/** At most so often, in milliseconds, a chart by batch is drawn: to draw takes longer than a small batch. */
const PAUSE = 250;

/** What the charts show beside the losses, and their size in pixels. */
export interface ChartArgs {
  breakdown: Breakdown;
  metrics: string[];
  width: number | undefined;
  height: number;
}

/** The charts of one training at a time. */
export class LossCharts {
  readonly #container: ChartContainer;
  readonly #keys: LogKeys;
  readonly #args: ChartArgs;
  #history!: LossHistory;
  #panel!: Panel;
  #drawnAt = -Infinity;

  constructor(container: ChartContainer, keys: LogKeys, args: ChartArgs) {
    this.#container = container;
    this.#keys = keys;
    this.#args = args;
  }

  /** @param validationOf - The key of a metric's validation. */
  begin(validationOf: (metric: string) => string | undefined): void {
    this.#history = new LossHistory(this.#keys, this.#args.metrics, validationOf);
    this.#panel = new Panel(this.#container);
  }

  async endBatch(logs: Record<string, number>): Promise<void> {
    this.#history.addBatch(logs);
    if (performance.now() - this.#drawnAt >= PAUSE) await this.#drawBatches();
  }

  async endEpoch(epoch: number, logs: Record<string, number>): Promise<void> {
    this.#history.addEpoch(epoch, logs);
    for (const chart of this.#history.byEpoch()) await this.#drawLines(chart);
    const parts = this.#history.parts();
    if (parts.length > 0) this.#drawParts(parts);
  }

  async end(): Promise<void> {
    await this.#drawBatches();
  }

  async #drawBatches(): Promise<void> {
    await this.#drawLines(this.#history.byBatch());
    this.#drawnAt = performance.now();
  }

  async #drawLines({ title, series, first }: LineChart): Promise<void> {
    if (series.length === 0) return;
    const place = this.#panel.place(title);
    const { width, height } = this.#args;
    await render.linechart(
      place,
      {
        values: series.map(({ values }) => points(values, first)),
        series: series.map(({ name }) => name),
      },
      {
        xLabel: '',
        yLabel: '',
        height,
        seriesColors: COLORS.slice(0, series.length),
        ...(width && { width }),
      },
    );
    this.#panel.label(title, described(title, series));
  }

  #drawParts(parts: ReturnType<LossHistory['parts']>): void {
    const title = `Regularization loss by ${this.#args.breakdown}`;
    const place = this.#panel.place(title);
    const { width = place.clientWidth || 400, height } = this.#args;
    drawAreaChart(place, parts, { width, height, first: this.#history.firstEpoch });
    this.#panel.label(title, described(title, parts));
  }
}

/** tfjs-vis puts a value at its place in the list, whatever its `x` is: what comes before the first is no number. */
const points = (values: readonly number[], first: number): Array<{ x: number; y: number }> =>
  [...Array.from({ length: first }, () => NaN), ...values].map((y, x) => ({ x, y }));

/** A chart in words: its title, and the latest value of each series; an epoch that was cut short has no validation. */
const described = (title: string, series: ReadonlyArray<{ name: string; values: number[] }>): string =>
  `${title}: ${series.map(({ name, values }) => `${name} ${([...values].reverse().find(Number.isFinite) ?? NaN).toPrecision(4)}`).join(', ')}`;
