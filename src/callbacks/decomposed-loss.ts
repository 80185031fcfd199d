import { clone, keep, type Scalar } from '@tensorflow/tfjs-core';
import type { Callback } from '@tensorflow/tfjs-layers';
import { fitProgressBar } from '../host/run/progress-bar.js';
import type { Run, YieldEvery } from '../host/run/run.js';
import {
  TOTAL_LOSS,
  checkAgainstMetrics,
  moveTotal,
  renameKeys,
  resolveLogKeys,
  showValidation,
  type LogKeyArgs,
  type LogKeys,
  type Logs,
} from '../logs/log-keys.js';
import { TrainingRun } from '../logs/training-run.js';
import { warnOfDroppedRegularizers } from '../regularizers/dropped-regularizers.js';
import { BREAKDOWN, type Breakdown } from '../regularizers/penalty-groups.js';
import { ANYTHING, FLAG, checkOptions, oneOf } from '../util/arguments.js';
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
  /**
   * What is under TensorFlow.js's own key `loss`. `'data'` puts the data loss there, and the total under `total_loss`, and
   * makes `val_loss` the true data loss in validation, also where there are several outputs: scripts that print, draw or stop
   * on `['loss', 'val_loss']` then compare. `data_loss` and `val_data_loss` stay, and cannot be renamed. Default `'total'`.
   */
  loss?: 'total' | 'data' | undefined;
  /**
   * Whether to print what the loss is made of, one line per epoch, with `console.log`. The numbers of the epochs continue over
   * the runs of one model, for example with `fit({epochs: 1})` in a loop. Default `false`.
   */
  verbose?: boolean | undefined;
  /** Whether to warn, once per model, if declared regularizers are not applied. Default `true`. */
  warn?: boolean | undefined;
  /**
   * How often training gives way to other tasks, so that a page stays alive while it trains: at most every 125 ms (`'auto'`),
   * at most every so many milliseconds (a number), after each `'batch'` or `'epoch'`, or `'never'`. It is what
   * `tf.CustomCallback` does; where there is one in `callbacks`, that one decides. The `yieldEvery` of `fit` itself acts on plain
   * objects only. Default `'auto'`.
   */
  yieldEvery?: YieldEvery | undefined;
}

/**
 * A callback for `model.fit` and `model.fitDataset` that shows what `loss` is made of.
 *
 * It writes `data_loss` and `regularization_loss` next to the host's `loss` into the logs of each batch and each epoch, and,
 * where there is validation, `val_data_loss`, `val_regularization_loss` and `val_total_loss` into each epoch's. The progress
 * bar, `history`, early stopping, TensorBoard, tfjs-vis and your own callbacks find them there, whatever the order of the
 * callbacks. Nothing in the training changes: the values are those that the step itself adds up.
 *
 * @param args - Names, breakdown, and what is printed.
 * @returns A callback, for one training at a time, any number of times.
 * @throws Error if `args` is not understood. `fit` throws if a name is taken: by the model's own loss, a metric, another
 *   `decomposedLoss()`, or what the host counts.
 */
export function decomposedLoss(args: DecomposedLossArgs = {}): DecomposedLossCallback {
  return new DecomposedLossCallback(args);
}

/** What `decomposedLoss` returns: a `tf.Callback`. */
export class DecomposedLossCallback extends RunCallback {
  readonly #args: ReturnType<typeof resolveDecomposedLossArgs>;
  readonly #keys: LogKeys;
  #watch: TrainingRun | undefined;
  /** Writes a line, when a progress bar has ended its own. */
  #print: (line: string) => void = () => {};
  /** The data loss of the batch under the host's key. */
  #shown: Scalar | undefined;

  /** @internal Whether a loop outside of `fit`, which has no breakdown, leaves it out or refuses it. */
  isBreakdownOptional = false;

  constructor(args: DecomposedLossArgs = {}) {
    super('decomposedLoss()');
    this.#args = resolveDecomposedLossArgs(args);
    this.#keys = resolveLogKeys('decomposedLoss', args.logKeys);
  }

  /** @internal */
  protected override announce(params: Callback['params']): void {
    const metrics = params['metrics'] as string[];
    if (params['isLoop']) return;
    const { dataLoss, regularizationLoss } = this.#keys;
    const written = params['doValidation'] ? this.#keys : { dataLoss, regularizationLoss };
    checkAgainstMetrics(written, metrics, this.#args.breakdown);
    const names = Object.values(written) as string[];
    if (this.#args.loss === 'data') {
      if ([...metrics, ...(Object.values(this.#keys) as string[])].includes(TOTAL_LOSS)) {
        throw new Error(
          `Expected \`${TOTAL_LOSS}\` to be free for the total loss, where \`loss: 'data'\` of \`decomposedLoss\` puts it, got ` +
            'a metric, an output, another callback or an entry of `logKeys` of that name. Rename it, or leave out `loss`.',
        );
      }
      names.push(TOTAL_LOSS);
    }
    metrics.push(...names);
  }

  /** @internal */
  protected override beginRun(run: Run): void {
    const { breakdown, loss, warn, yieldEvery } = this.#args;
    if (warn) run.models.forEach(warnOfDroppedRegularizers);
    const { dataLoss, regularizationLoss } = this.#keys;
    if (run.isLoop) this.#checkInLoop();
    else this.#watch = new TrainingRun(run, this.#keys, breakdown);
    if (yieldEvery !== undefined) run.yieldEvery ??= yieldEvery;
    if (loss === 'data') {
      run.renamer = this;
      run.totalKey = TOTAL_LOSS;
    } else {
      run.writers.push(this);
    }
    const shown = loss === 'data' ? ['loss', regularizationLoss, TOTAL_LOSS] : [dataLoss, regularizationLoss, 'loss'];
    run.onBegin((callbacks) => {
      const print = (line: string): void => console.log(line);
      // A progress bar comes after this callback, and first ends its own line.
      const waiting: string[] = [];
      const isShown = (name: string): boolean => !name.startsWith(`${regularizationLoss}/`);
      const end = (): void => waiting.splice(0).forEach(print);
      const hasBar = fitProgressBar(callbacks, this.params['epochs'], shown, isShown, end);
      this.#print = hasBar ? (line) => void waiting.push(line) : print;
    });
  }

  /** @internal */
  protected override endRun(): void {
    this.#watch?.dispose();
    this.#watch = undefined;
    this.#shown?.dispose();
    this.#shown = undefined;
  }

  /** @internal */
  override async onEpochBegin(): Promise<void> {
    this.#watch?.beginEpoch();
  }

  /** @internal */
  override async onBatchBegin(): Promise<void> {
    this.#shown?.dispose();
    this.#watch?.beginBatch();
  }

  /** @internal */
  override async onBatchEnd(batch: number, logs: Logs = {}): Promise<void> {
    if (this.#watch) await this.#watch.endBatch(batch, logs);
    else renameKeys(logs, this.#keys);
    const data = logs[this.#keys.dataLoss];
    if (this.#args.loss !== 'data' || data === undefined) return;
    this.#shown = typeof data === 'number' ? undefined : keep(clone(data));
    moveTotal(logs, this.#shown ?? data);
  }

  /** @internal */
  override async onEpochEnd(epoch: number, logs: Logs = {}): Promise<void> {
    if (this.#watch) await this.#watch.endEpoch(logs);
    else renameKeys(logs, this.#keys);
    const { [this.#keys.dataLoss]: data, [this.#keys.valDataLoss]: valData } = logs;
    if (this.#args.loss === 'data') {
      if (data !== undefined) moveTotal(logs, data);
      const { isLoop, isByHand } = this.run;
      showValidation(logs, valData, isLoop || isByHand);
    }
    if (this.#args.verbose && data !== undefined) this.#print(this.#line(epoch, logs));
  }

  #checkInLoop(): void {
    if (this.#args.breakdown === 'none' || this.isBreakdownOptional) return;
    throw new Error(
      `Expected no \`breakdown\` of \`decomposedLoss\` in a \`trainingLoop\`, got '${this.#args.breakdown}'. Leave it out, and ` +
        'look at the penalties with `regularizationTerms(model)`.',
    );
  }

  #line(epoch: number, logs: Logs): string {
    const { dataLoss, regularizationLoss, valDataLoss, valRegularizationLoss, valTotalLoss } = this.#keys;
    const shown = (key: string): string => short(logs[key] as number);
    const total = short((logs[dataLoss] as number) + (logs[regularizationLoss] as number));
    const training = `${this.#args.loss === 'data' ? 'total' : 'loss'} ${total} = data ${shown(dataLoss)} + regularization ${shown(regularizationLoss)}`;
    const validation =
      valTotalLoss in logs
        ? `   val ${shown(valTotalLoss)} = ${shown(valDataLoss)} + ${shown(valRegularizationLoss)}`
        : '';
    const number = this.numberOf(epoch);
    const { epochs } = this.params;
    const of = number === epoch && typeof epochs === 'number' ? `/${epochs}` : '';
    return `Epoch ${number + 1}${of}  ${training}${validation}`;
  }
}

/** Three decimals, or three digits where the value is small. */
const short = (value: number): string =>
  value === 0 || !(Math.abs(value) < 0.1) ? value.toFixed(3) : value.toPrecision(3);

const YIELD_EVERY: readonly unknown[] = ['auto', 'batch', 'epoch', 'never'];

/**
 * Fills in the defaults, but for `yieldEvery`, which another callback of the run may decide.
 *
 * @throws Error that names the argument.
 */
function resolveDecomposedLossArgs(args: DecomposedLossArgs) {
  checkOptions('decomposedLoss', args, {
    logKeys: ANYTHING,
    breakdown: BREAKDOWN,
    loss: oneOf('total', 'data'),
    verbose: FLAG,
    warn: FLAG,
    yieldEvery: [
      "'auto', 'batch', 'epoch', 'never' or a positive number of milliseconds",
      (value) => YIELD_EVERY.includes(value) || (typeof value === 'number' && value > 0),
    ],
  });
  const { breakdown = 'none', loss = 'total', verbose = false, warn = true, yieldEvery, logKeys } = args;
  const renamed = (['dataLoss', 'valDataLoss'] as const).find((name) => logKeys?.[name] !== undefined);
  if (loss === 'data' && renamed !== undefined) {
    throw new Error(
      `Expected one name for the data loss, got \`loss: 'data'\`, which names it '${renamed === 'dataLoss' ? 'loss' : 'val_loss'}', ` +
        `and \`logKeys.${renamed}\` of \`decomposedLoss\`. Leave one of them out.`,
    );
  }
  return { breakdown, loss, verbose, warn, yieldEvery };
}
