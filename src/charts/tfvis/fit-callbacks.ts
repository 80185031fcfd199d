import { CustomCallback } from '@tensorflow/tfjs-layers';
import { checkArguments, describe } from '../../util/arguments.js';
import { decomposedLoss, type DecomposedLossCallback } from '../../callbacks/decomposed-loss.js';
import { validationNames } from '../../host/evaluation.js';
import { resolveLogKeys, type LogKeyArgs } from '../../logs/log-keys.js';
import type { Breakdown } from '../../regularizers/penalty-groups.js';
import { LossCharts } from './loss-charts.js';
import type { ChartContainer } from './panel.js';

/** What `fitCallbacks` takes beside the container. */
export interface FitCallbacksArgs {
  /**
   * When to draw, as in tfjs-vis: `'onEpochEnd'` for the charts by epoch, `'onBatchEnd'` for one more by batch, which has
   * the values read from the backend after each batch. Default `['onEpochEnd']`.
   */
  callbacks?: Array<'onEpochEnd' | 'onBatchEnd'> | undefined;
  /** The parts of the penalty in the stacked chart: by layer, by weight, or no such chart. Default `'layer'`. */
  breakdown?: Breakdown | undefined;
  /** Metrics to draw too, by their names in the logs, such as `'acc'`: training beside validation. Default none. */
  metrics?: string[] | undefined;
  /** As for `decomposedLoss`, which this includes. */
  logKeys?: LogKeyArgs | undefined;
  /** The width of each chart in pixels. Default: that of the container. */
  width?: number | undefined;
  /** The height of each chart in pixels. Default 200. */
  height?: number | undefined;
}

/**
 * Live charts of what the loss is made of, beside tfjs-vis's own `tfvis.show.fitCallbacks`: total, data and regularization
 * loss, training beside validation, and the penalty by layer as a stacked area.
 *
 * The callbacks include `decomposedLoss()`; do not add another. Put more of your own behind them, as instances of
 * `tf.Callback`: `callbacks: [...fitCallbacks(container), new tf.CustomCallback({…})]`. The next training draws anew. Epochs
 * and batches are counted from 1, as the progress bar does.
 *
 * Each chart is a `figure` of the class `tfjs-decomposed-loss-chart` within the container.
 *
 * @param container - An element of the page, or a surface in tfjs-vis's visor: `{name: 'Loss', tab: 'Training'}`.
 * @returns The callbacks for `model.fit` or `model.fitDataset`.
 * @throws Error if an argument is not understood; within `fit` if `container` is not.
 */
export function fitCallbacks(
  container: ChartContainer,
  args: FitCallbacksArgs = {},
): [DecomposedLossCallback, CustomCallback] {
  checked(args);
  const { callbacks = ['onEpochEnd'], breakdown = 'layer', metrics = [], logKeys, width, height = 200 } = args;
  const charts = new LossCharts(container, resolveLogKeys('fitCallbacks', logKeys), {
    breakdown,
    metrics,
    width,
    height,
  });
  const watching = decomposedLoss({ breakdown, logKeys });
  const drawing = new CustomCallback({
    onTrainBegin: async () => charts.begin(validationOf(watching)),
    ...(callbacks.includes('onBatchEnd') && { onBatchEnd: async (_, logs) => charts.endBatch(logs as NumberLogs) }),
    ...(callbacks.includes('onEpochEnd') && {
      onEpochEnd: async (epoch, logs) => charts.endEpoch(epoch, logs as NumberLogs),
    }),
    onTrainEnd: async () => charts.end(),
  });
  return [watching, drawing];
}

/** Where the validation of a metric truly stands: with several outputs the host puts it under the label of another. */
function validationOf({ model, params }: DecomposedLossCallback): (metric: string) => string | undefined {
  const names = validationNames(model, params['samples'] !== null ? 'fit' : 'fitDataset');
  return (metric) => [...names].find(([, name]) => name === metric)?.[0];
}

/** `CustomCallback` has the host's scalars read before it hands the logs on. */
type NumberLogs = Record<string, number>;

const MOMENTS: readonly unknown[] = ['onEpochEnd', 'onBatchEnd'];

function checked(args: FitCallbacksArgs): void {
  checkArguments('fitCallbacks', args, ['callbacks', 'breakdown', 'metrics', 'logKeys', 'width', 'height']);
  const { callbacks = [], metrics = [] } = args;
  const unknown = Array.isArray(callbacks) ? callbacks.filter((name) => !MOMENTS.includes(name)) : [callbacks];
  if (unknown.length > 0) {
    throw new Error(
      'Expected `callbacks` to be an array of `onEpochEnd` and `onBatchEnd`, got ' +
        `${describe(unknown[0])}. Pass ['onEpochEnd'], or leave it out.`,
    );
  }
  if (!Array.isArray(metrics) || !metrics.every((metric) => typeof metric === 'string')) {
    throw new Error(
      `Expected \`metrics\` of \`fitCallbacks\` to be an array of names, got ${describe(metrics)}. Pass ['acc'], say.`,
    );
  }
  for (const name of ['width', 'height'] as const) {
    const pixels = args[name];
    if (pixels !== undefined && !(typeof pixels === 'number' && pixels > 0 && pixels < Infinity)) {
      throw new Error(
        `Expected \`${name}\` of \`fitCallbacks\` to be a number of pixels above 0, got ${describe(pixels)}. Pass 300, say.`,
      );
    }
  }
}
