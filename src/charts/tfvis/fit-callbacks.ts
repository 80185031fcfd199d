import { CustomCallback } from '@tensorflow/tfjs-layers';
import { decomposedLoss, type DecomposedLossCallback } from '../../callbacks/decomposed-loss.js';
import { runOf } from '../../host/run/run.js';
import { ANYTHING, checkOptions, describe } from '../../util/arguments.js';
import type { ChartContainer } from './figures.js';
import { LOSS_CHARTS_CHECKS, lossCharts, type LossChartsArgs } from './loss-charts.js';

/** What `fitCallbacks` takes besides the container. */
export interface FitCallbacksArgs extends LossChartsArgs {
  /**
   * When to draw, as in tfjs-vis: `'onEpochEnd'` for the charts by epoch, `'onBatchEnd'` for one more by batch, which has
   * the values read from the backend after each batch. Default `['onEpochEnd']`.
   */
  callbacks?: Array<'onEpochEnd' | 'onBatchEnd'> | undefined;
}

/**
 * Live charts of what the loss is made of, in place of tfjs-vis's own `tfvis.show.fitCallbacks`: total, data and
 * regularization loss in training and validation, and the penalty by layer as a stacked area. They are those of
 * {@link lossCharts}.
 *
 * The callbacks include `decomposedLoss()`; do not add another. Put more of your own after them, as instances of
 * `tf.Callback`: `callbacks: [...fitCallbacks(container), new tf.CustomCallback({…})]`. The next training draws anew. Epochs
 * and batches are counted from 1, as the progress bar does.
 *
 * @param container - An element of the page, or a surface in tfjs-vis's visor: `{name: 'Loss', tab: 'Training'}`.
 * @returns The callbacks for `model.fit` or `model.fitDataset`.
 * @throws Error if an argument is not understood.
 */
export function fitCallbacks(
  container: ChartContainer,
  args: FitCallbacksArgs = {},
): [DecomposedLossCallback, CustomCallback] {
  checkOptions('fitCallbacks', args, { ...LOSS_CHARTS_CHECKS, callbacks: ANYTHING });
  const { callbacks = ['onEpochEnd'], ...chartsArgs } = args;
  const unknown = Array.isArray(callbacks) ? callbacks.find((name) => !MOMENTS.includes(name)) : callbacks;
  if (unknown !== undefined) {
    throw new Error(
      `Expected \`callbacks\` of \`fitCallbacks\` to be an array of \`onEpochEnd\` and \`onBatchEnd\`, got ${describe(unknown)}. ` +
        "Pass ['onEpochEnd'], or leave it out.",
    );
  }
  const charts = lossCharts(container, chartsArgs);
  const watching = decomposedLoss({ breakdown: args.breakdown ?? 'layer', logKeys: args.logKeys });
  watching.isBreakdownOptional = true;
  const drawing = new CustomCallback({
    onTrainBegin: async () => charts.begin(),
    ...(callbacks.includes('onBatchEnd') && { onBatchEnd: async (_, logs = {}) => charts.batch(logs) }),
    ...(callbacks.includes('onEpochEnd') && {
      onEpochEnd: async (epoch, logs = {}) => charts.epoch(epoch, underTrueNames(watching, logs)),
    }),
    onTrainEnd: async () => charts.end(),
  });
  return [watching, drawing];
}

const MOMENTS: readonly unknown[] = ['onEpochEnd', 'onBatchEnd'];

/** With several outputs the host writes the validation of a metric under the name of another. */
function underTrueNames({ model, params }: DecomposedLossCallback, logs: object): object {
  const written = new Map(Object.entries(logs));
  const names = runOf(model, params).validationNames;
  const truly = Array.from(names, ([key, name]) => [name, written.get(key)] as const);
  names.forEach((_, key) => written.delete(key));
  for (const [name, value] of truly) if (name !== undefined && value !== undefined) written.set(`val_${name}`, value);
  return Object.fromEntries(written);
}
