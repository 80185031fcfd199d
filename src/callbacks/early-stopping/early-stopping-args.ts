import { checkArguments, describe } from '../../util/arguments.js';

/** What {@link earlyStopping} takes; the names are the host's and Keras's. */
export interface EarlyStoppingArgs {
  /** The key of the epoch's logs to look at. Default `'val_data_loss'`. */
  monitor?: string | undefined;
  /** How many epochs without improvement stop the training. Default 0: the first one. */
  patience?: number | undefined;
  /** By how much a value must be better than the best to count as an improvement. Default 0. */
  minDelta?: number | undefined;
  /**
   * Whether smaller values are better or greater ones. `'auto'`, the default, takes accuracies, `precision`, `recall` and
   * `r2Score`, with `val_` and with the output's name or without, for better when greater, by their whole names, and all else
   * for better when smaller.
   */
  mode?: 'auto' | 'min' | 'max' | undefined;
  /** Epochs count as improvements, for `patience`, only when they are better than this too. Default: none. */
  baseline?: number | undefined;
  /** The first epoch, counted from 0, to look at; earlier ones neither stop the training nor are best. Default 0. */
  startFromEpoch?: number | undefined;
  /**
   * Whether to end with the weights of the best epoch, as Keras 3 does, however training ends: early, or because the epochs
   * ran out; but not where it throws. The optimizer's own values stay. Takes memory for one more copy of the weights.
   * Default `false`.
   */
  restoreBestWeights?: boolean | undefined;
  /** Whether to print when training is stopped, and when weights are put back; 0 and 1 will do. Default `false`. */
  verbose?: boolean | number | undefined;
}

const isCount = (value: unknown) => Number.isInteger(value) && (value as number) >= 0;

const CHECKS: { [K in keyof EarlyStoppingArgs]-?: [expected: string, holds: (value: unknown) => boolean] } = {
  monitor: ["a key of the logs such as 'val_data_loss'", (value) => typeof value === 'string' && value !== ''],
  patience: ['a number of epochs, an integer from 0', isCount],
  minDelta: ['a finite number from 0', (value) => Number.isFinite(value) && (value as number) >= 0],
  mode: ["'auto', 'min' or 'max'", (value) => ['auto', 'min', 'max'].includes(value as string)],
  baseline: ['a finite number', Number.isFinite],
  startFromEpoch: ['an epoch, an integer from 0', isCount],
  restoreBestWeights: ['true or false', (value) => typeof value === 'boolean'],
  verbose: ['true, false, 0 or 1', (value) => ['boolean', 'number'].includes(typeof value)],
};

/**
 * Fills in the defaults.
 *
 * @throws Error that names the argument.
 */
export function resolveEarlyStoppingArgs(args: EarlyStoppingArgs) {
  checkArguments('earlyStopping', args, Object.keys(CHECKS));
  for (const [name, [expected, holds]] of Object.entries(CHECKS)) {
    const value = args[name as keyof EarlyStoppingArgs];
    if (value !== undefined && !holds(value)) {
      throw new Error(
        `Expected \`${name}\` of \`earlyStopping\` to be ${expected}, got ${describe(value)}. Pass such a value, or leave it out.`,
      );
    }
  }
  const {
    monitor = 'val_data_loss',
    patience = 0,
    minDelta = 0,
    mode = 'auto',
    baseline,
    startFromEpoch = 0,
    restoreBestWeights = false,
    verbose = false,
  } = args;
  return { monitor, patience, minDelta, mode, baseline, startFromEpoch, restoreBestWeights, verbose };
}
