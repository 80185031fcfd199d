import type { YieldEvery } from '../host/run/run.js';
import type { LogKeyArgs } from '../logs/log-keys.js';
import { BREAKDOWN, type Breakdown } from '../regularizers/penalty-groups.js';
import { ANYTHING, FLAG, checkOptions, oneOf } from '../util/arguments.js';

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

/** The key of the total loss where the data loss has the host's. */
export const TOTAL_LOSS = 'total_loss';

const YIELD_EVERY: readonly unknown[] = ['auto', 'batch', 'epoch', 'never'];

/**
 * Fills in the defaults, but for `yieldEvery`, which another callback of the run may decide.
 *
 * @throws Error that names the argument.
 */
export function resolveDecomposedLossArgs(args: DecomposedLossArgs) {
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
