import { Callback, type LayersModel } from '@tensorflow/tfjs-layers';
import { checkArguments } from '../util/arguments.js';
import { describe, list } from '../util/describe.js';
import { fitProgressBar } from '../host/progress-bar.js';
import { runBehindBaseLogger, whenRunEnds } from '../host/run.js';
import { checkAgainstMetrics, resolveLogKeys, type LogKeys } from '../logs/log-keys.js';
import type { Logs } from '../logs/log-values.js';
import { BREAKDOWNS, type Breakdown } from '../regularizers/penalty-groups.js';
import { refuseCopy } from './refuse-copy.js';
import { TrainingRun } from '../logs/training-run.js';

/** What `decomposedLoss` takes. */
export interface DecomposedLossArgs {
  /** Other names for the values in the logs, e.g. `{dataLoss: 'loss_no_weight_decay'}`. */
  logKeys?: Partial<LogKeys> | undefined;
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
 * order the callbacks stand. Nothing in the training changes: the values are those that the step itself adds up.
 *
 * @param args - Names and breakdown.
 * @returns A callback, for one training at a time, as often as you like.
 * @throws Error if `args` is not understood. `fit` throws if a name is taken: by the model's own loss, a metric, another
 *   `decomposedLoss()`, or what the host counts.
 */
export function decomposedLoss(args: DecomposedLossArgs = {}): DecomposedLossCallback {
  return new DecomposedLossCallback(args);
}

/** What `decomposedLoss` returns: a `tf.Callback`. */
export class DecomposedLossCallback extends Callback {
  readonly #keys: LogKeys;
  readonly #breakdown: Breakdown;
  #run: TrainingRun | undefined;

  constructor(args: DecomposedLossArgs = {}) {
    super();
    checkArguments(args, ['logKeys', 'breakdown']);
    const { logKeys, breakdown = 'none' } = args;
    if (!BREAKDOWNS.includes(breakdown)) {
      throw new Error(
        `Expected \`breakdown\` to be ${list(BREAKDOWNS)}, got ${describe(breakdown)}. Use one of those.`,
      );
    }
    this.#keys = resolveLogKeys(logKeys);
    this.#breakdown = breakdown;
  }

  /** @internal */
  override setParams(params: Callback['params']): void {
    if (this.params === params) {
      throw new Error(
        'Expected `decomposedLoss()` to stand in `callbacks` once, got the same one twice. Leave one out.',
      );
    }
    if (this.#run) {
      throw new Error(
        'Expected each `decomposedLoss()` to watch one training at a time, got one that already watches ' +
          `\`${this.model.name}\`. Make another with \`decomposedLoss()\` for each \`fit\` that runs at the same time.`,
      );
    }
    const metrics = params['metrics'] as string[];
    const { dataLoss, regularizationLoss, ...validation } = this.#keys;
    const written = params['doValidation'] ? this.#keys : { dataLoss, regularizationLoss };
    checkAgainstMetrics(written, metrics, this.#breakdown);
    metrics.push(dataLoss, regularizationLoss, ...(params['doValidation'] ? Object.values(validation) : []));
    super.setParams(params);
  }

  /** @internal */
  override setModel(model: LayersModel): void {
    super.setModel(model);
    const run = new TrainingRun(model, this.params, this.#keys, this.#breakdown);
    this.#run = run;
    const { dataLoss, regularizationLoss } = this.#keys;
    const giveUpPlace = runBehindBaseLogger(this, (callbacks) =>
      fitProgressBar(callbacks, this.params['epochs'], [dataLoss, regularizationLoss, 'loss']),
    );
    whenRunEnds(model, () => {
      this.#run = undefined;
      giveUpPlace();
      run.dispose();
    });
  }

  /** @internal */
  override async onTrainBegin(): Promise<void> {
    refuseCopy(this, DecomposedLossCallback, 'decomposedLoss()');
  }

  /** @internal */
  override async onEpochBegin(): Promise<void> {
    this.#run!.beginEpoch();
  }

  /** @internal */
  override async onBatchBegin(): Promise<void> {
    this.#run!.beginBatch();
  }

  /** @internal */
  override async onBatchEnd(batch: number, logs: Logs = {}): Promise<void> {
    this.#run!.endBatch(batch, logs);
  }

  /** @internal */
  override async onEpochEnd(_epoch: number, logs: Logs = {}): Promise<void> {
    await this.#run!.endEpoch(logs);
  }
}
