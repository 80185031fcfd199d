import type { Callback } from '@tensorflow/tfjs-layers';
import { fitProgressBar } from '../host/progress-bar.js';
import { runAfterBaseLogger, type Run } from '../host/run.js';
import { checkAgainstMetrics, resolveLogKeys, type LogKeyArgs, type LogKeys } from '../logs/log-keys.js';
import type { Logs } from '../logs/log-values.js';
import { TrainingRun } from '../logs/training-run.js';
import { BREAKDOWNS, type Breakdown } from '../regularizers/penalty-groups.js';
import { checkArguments, describe, list } from '../util/arguments.js';
import { RunCallback } from './run-callback.js';

/** What `decomposedLoss` takes. */
export interface DecomposedLossArgs {
  /** Other names for the values in the logs, e.g. `{dataLoss: 'loss_no_weight_decay'}`. */
  logKeys?: LogKeyArgs | undefined;
  /**
   * Adds `regularization_loss/<layer>`, or `regularization_loss/<layer>/<weight>`, to the logs of each epoch and so to
   * `history.history`; not to the batches' logs, nor to the progress bar's. Losses may then be added between epochs, not
   * within one. Default `'none'`.
   */
  breakdown?: Breakdown | undefined;
}

/**
 * A callback for `model.fit` and `model.fitDataset` that shows what `loss` is made of.
 *
 * It writes `data_loss` and `regularization_loss` beside the host's `loss` into the logs of each batch and each epoch,
 * and, where there is validation, `val_data_loss`, `val_regularization_loss` and `val_total_loss` into each epoch's. The
 * progress bar, `history`, early stopping, TensorBoard, tfjs-vis and your own callbacks find them there, in whatever
 * order the callbacks are. Nothing in the training changes: the values are those that the step itself adds up.
 *
 * @param args - Names and breakdown.
 * @returns A callback, for one training at a time, any number of times.
 * @throws Error if `args` is not understood. `fit` throws if a name is taken: by the model's own loss, a metric, another
 *   `decomposedLoss()`, or what the host counts.
 */
export function decomposedLoss(args: DecomposedLossArgs = {}): DecomposedLossCallback {
  return new DecomposedLossCallback(args);
}

/** What `decomposedLoss` returns: a `tf.Callback`. */
export class DecomposedLossCallback extends RunCallback {
  readonly #keys: LogKeys;
  readonly #breakdown: Breakdown;
  #watch: TrainingRun | undefined;
  #leavePlace: () => void = () => {};

  constructor(args: DecomposedLossArgs = {}) {
    super('decomposedLoss()');
    checkArguments('decomposedLoss', args, ['logKeys', 'breakdown']);
    const { logKeys, breakdown = 'none' } = args;
    if (!BREAKDOWNS.includes(breakdown)) {
      throw new Error(
        `Expected \`breakdown\` of \`decomposedLoss\` to be ${list(BREAKDOWNS)}, got ${describe(breakdown)}. Use one of those.`,
      );
    }
    this.#keys = resolveLogKeys('decomposedLoss', logKeys);
    this.#breakdown = breakdown;
  }

  /** @internal */
  override setParams(params: Callback['params']): void {
    super.setParams(params);
    const metrics = params['metrics'] as string[];
    const { dataLoss, regularizationLoss } = this.#keys;
    const written = params['doValidation'] ? this.#keys : { dataLoss, regularizationLoss };
    checkAgainstMetrics(written, metrics, this.#breakdown);
    metrics.push(...(Object.values(written) as string[]));
  }

  /** @internal */
  protected override beginRun(run: Run): void {
    const { dataLoss, regularizationLoss } = this.#keys;
    this.#watch = new TrainingRun(run, this.#keys, this.#breakdown);
    this.#leavePlace = runAfterBaseLogger(this, (callbacks) =>
      fitProgressBar(callbacks, this.params['epochs'], [dataLoss, regularizationLoss, 'loss']),
    );
  }

  /** @internal */
  protected override endRun(): void {
    this.#leavePlace();
    this.#watch?.dispose();
    this.#watch = undefined;
  }

  /** @internal */
  override async onBatchBegin(): Promise<void> {
    this.#watch!.beginBatch();
  }

  /** @internal */
  override async onBatchEnd(batch: number, logs: Logs = {}): Promise<void> {
    this.#watch!.endBatch(batch, logs);
  }

  /** @internal */
  override async onEpochEnd(_epoch: number, logs: Logs = {}): Promise<void> {
    await this.#watch!.endEpoch(logs);
  }
}
