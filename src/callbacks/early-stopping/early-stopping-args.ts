import type { Run } from '../../host/run/run.js';
import { COUNT, FLAG, NOT_NEGATIVE, checkOptions, list, oneOf } from '../../util/arguments.js';

/** What {@link earlyStopping} takes; the names are the host's and Keras's. */
export interface EarlyStoppingArgs {
  /** The key of the epoch's logs to look at. Default `'val_data_loss'`. */
  monitor?: string | undefined;
  /** How many epochs without improvement stop the training. Default 0: the first one. */
  patience?: number | undefined;
  /** By how much a value must be better than the best to count as an improvement. Default 0. */
  minDelta?: number | undefined;
  /**
   * Whether smaller or greater values are better. `'auto'`, the default, maximises accuracies, `precision`, `recall` and
   * `r2Score`, recognised by their whole names, with or without `val_` and the output's name. It minimises everything else.
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
  /**
   * Whether to go on counting when `fit` is called repeatedly, for example with `epochs: 1`. Epochs are then numbered over all
   * of these runs, and the best weights are held until training is stopped, and restored only then. The loop looks at
   * `stoppedEpoch`; the next run after it starts over. Default `false`: each run starts over.
   */
  acrossFits?: boolean | undefined;
  /** Whether to print when training is stopped, and when weights are restored; 0 and 1 work too. Default `false`. */
  verbose?: boolean | number | undefined;
}

/**
 * Fills in the defaults.
 *
 * @throws Error that names the argument.
 */
export function resolveEarlyStoppingArgs(args: EarlyStoppingArgs) {
  checkOptions('earlyStopping', args, {
    monitor: ["a key of the logs such as 'val_data_loss'", (value) => typeof value === 'string' && value !== ''],
    patience: COUNT,
    minDelta: NOT_NEGATIVE,
    mode: oneOf('auto', 'min', 'max'),
    baseline: ['a finite number', Number.isFinite],
    startFromEpoch: COUNT,
    restoreBestWeights: FLAG,
    acrossFits: FLAG,
    verbose: ['true, false, 0 or 1', (value) => ['boolean', 'number'].includes(typeof value)],
  });
  const {
    monitor = 'val_data_loss',
    patience = 0,
    minDelta = 0,
    mode = 'auto',
    baseline,
    startFromEpoch = 0,
    restoreBestWeights = false,
    acrossFits = false,
    verbose = false,
  } = args;
  return { monitor, patience, minDelta, mode, baseline, startFromEpoch, restoreBestWeights, acrossFits, verbose };
}

/** Whether a quantity is better when it is smaller or when it is greater. */
type Direction = 'min' | 'max';

/** TensorFlow.js's metrics that are better when they are greater, by the names that they have in the logs. */
const GREATER_IS_BETTER = [
  'acc',
  'accuracy',
  'binaryAccuracy',
  'categoricalAccuracy',
  'sparseCategoricalAccuracy',
  'precision',
  'recall',
  'r2Score',
];

/**
 * The direction that a key's name tells: `max` for an accuracy, precision, recall or R² in training or validation, of the
 * only output or of one among several, `min` for all else. Names are compared whole, so that no loss is taken for an accuracy
 * for the letters in it.
 *
 * @param outputNames - Of the model: the host writes `<output>_<metric>` where there are several outputs, and
 *   `<metric>_<n>` where several have one name.
 */
export function directionOf(key: string, outputNames: readonly string[]): Direction {
  const name = key.replace(/^val_/, '');
  const names = [
    name,
    ...outputNames.filter((output) => name.startsWith(`${output}_`)).map((output) => name.slice(output.length + 1)),
  ];
  return names.some((one) => GREATER_IS_BETTER.includes(one.replace(/_\d+$/, ''))) ? 'max' : 'min';
}

/**
 * Checks, before training begins, that a key will hold what it says: with several outputs the host writes its own validation
 * values under the names of others, so that an accuracy's key may hold an error.
 *
 * @throws Error that says what the key will hold.
 * @see `validationNames` in `host/model/model.ts`.
 */
export function checkValidationValue(monitor: string, { models, validationNames: names, totalKey }: Run): void {
  const outputNames = models[0]?.outputNames ?? [];
  if (outputNames.length <= 1 || !names.has(monitor)) return;
  if (monitor === 'val_loss' && totalKey !== 'loss') return;
  const training = `training's '${monitor.slice('val_'.length)}'`;
  const isLost = Array.from(names.values()).every((name) => name === undefined);
  const position = Array.from(names.keys()).indexOf(monitor);
  const name = names.get(monitor);
  const sum = `the data loss of ${list(outputNames.slice(0, position + 1))}`;
  const [held, remedy] = isLost
    ? [
        'a value that cannot be told, as several share a name',
        `Give each output and metric a name of its own, or monitor ${training}`,
      ]
    : [
        name === undefined ? sum : `validation's \`${name}\``,
        `Monitor 'val_data_loss' or 'val_total_loss' of \`decomposedLoss()\`, or ${training}`,
      ];
  throw new Error(
    `Expected \`monitor\` to be a key that holds what it says, got '${monitor}', under which the host, with several ` +
      `outputs, writes ${held}. ${remedy}.`,
  );
}
