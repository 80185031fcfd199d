import { lossNames } from '../../host/model/model.js';
import type { Run } from '../../host/run/run.js';
import { resolveLogKeys, type LogKeys, type LogKeyArgs } from '../../logs/log-keys.js';
import { ANYTHING, checkOptions, describe, list, oneOf } from '../../util/arguments.js';
import { RunCallback } from '../run-callback.js';
import { EventFiles, loadEventFileApi, type Curve, type EventFileApi } from './event-files.js';

/** What `tensorBoard` takes in addition to the folder. */
export interface TensorBoardArgs {
  /**
   * `'epoch'` writes one value per epoch. `'batch'` also writes one per batch, into separate charts whose names begin with
   * `batch_`. Default `'epoch'`.
   */
  updateFreq?: 'batch' | 'epoch' | undefined;
  /** The names that `decomposedLoss` was given, if any; the charts have the same names. */
  logKeys?: LogKeyArgs | undefined;
  /** What writes the files, for example `tf.node` of tfjs-node-gpu. Default: that of `@tensorflow/tfjs-node`. */
  node?: EventFileApi | undefined;
}

/**
 * A callback for `model.fit` and `model.fitDataset` that shows training next to validation in TensorBoard, one chart for each
 * quantity.
 *
 * Put it into `callbacks` together with `decomposedLoss()`, in any order. It writes two runs, `<logDir>/train` and
 * `<logDir>/validation`, with the same tags: `total_loss`, `data_loss`, `regularization_loss`, the metrics, and, with
 * `decomposedLoss({breakdown: 'layer'})`, `regularization_loss/<layer>`, which TensorBoard groups. Training's
 * `total_loss` is the host's `loss`; the host's `val_loss`, which is another quantity, is left out.
 *
 * A step is the epoch, from 0, or the number of the batch, from 1. The epoch numbers continue when the callback sees another
 * run with the same model, for example with `fit({epochs: 1})` in a loop, unless `fit` is given an `initialEpoch` above 0.
 * Batches are numbered over all runs of one process that write into one folder. Another process starts over.
 *
 * Files are written at each epoch's end, and with `'batch'` at each batch's: nothing is lost when training throws.
 *
 * @param logDir - The folder, made if necessary; show it with `tensorboard --logdir <logDir>`. One per training run: two
 *   at the same time must not share one.
 * @returns A callback, for one training at a time, any number of times.
 * @throws Error if an argument is not understood. `fit` throws, before the first step, if `decomposedLoss()` is not among
 *   its callbacks, or something else has the name of the total's chart; without `node` also if tfjs-node does not load, or the
 *   backend is not tfjs-node's.
 */
export function tensorBoard(logDir: string, args: TensorBoardArgs = {}): TensorBoardCallback {
  return new TensorBoardCallback(logDir, args);
}

/** What `tensorBoard` returns: a `tf.Callback`. */
export class TensorBoardCallback extends RunCallback {
  readonly #logDir: string;
  readonly #byBatch: boolean;
  readonly #keys: LogKeys;
  readonly #node: EventFileApi | undefined;
  #files!: EventFiles;
  #curveOf!: (key: string) => Curve | undefined;

  constructor(logDir: string, args: TensorBoardArgs = {}) {
    super('tensorBoard()');
    if (typeof logDir !== 'string' || logDir === '') {
      throw new Error(
        `Expected \`logDir\` of \`tensorBoard\` to be the path of a folder, got ${describe(logDir)}. Pass 'logs', for example.`,
      );
    }
    checkOptions('tensorBoard', args, {
      updateFreq: oneOf('batch', 'epoch'),
      logKeys: ANYTHING,
      node: [
        'the `tf.node` of a tfjs-node',
        (value) => typeof (value as EventFileApi | null)?.summaryFileWriter === 'function',
      ],
    });
    const { updateFreq = 'epoch', logKeys, node } = args;
    this.#logDir = logDir;
    this.#byBatch = updateFreq === 'batch';
    this.#keys = resolveLogKeys('tensorBoard', logKeys);
    this.#node = node;
  }

  /** @internal */
  protected override beginRun({ isLoop, models }: Run): void {
    if (isLoop) return;
    checkNames(this.#keys, this.params['metrics'] as string[], lossNames(models[0]!));
  }

  /** @internal */
  override async onTrainBegin(): Promise<void> {
    this.#curveOf = curves(this.#keys, this.run);
    this.#files = new EventFiles(this.#node ?? (await loadEventFileApi()), this.#logDir);
  }

  /** @internal */
  override async onBatchEnd(_batch: number, logs: object = {}): Promise<void> {
    if (!this.#byBatch) return;
    const curveOf = (key: string): Curve | undefined => {
      const curve = this.#curveOf(key);
      return curve && { ...curve, tag: `batch_${curve.tag}` };
    };
    this.#files.write(curveOf, logs, this.#files.nextBatch());
  }

  /** @internal */
  override async onEpochEnd(epoch: number, logs: object = {}): Promise<void> {
    this.#files.write(this.#curveOf, logs, this.numberOf(epoch));
  }
}

const VALIDATION = 'val_';

/** What the host counts in the logs. */
const COUNTS = ['batch', 'size', 'num_steps'];

/** The name of the chart of the total loss, which has no key of ours in training. */
const totalTag = ({ valTotalLoss }: LogKeys): string => withoutPrefix(valTotalLoss);

const withoutPrefix = (key: string): string => (key.startsWith(VALIDATION) ? key.slice(VALIDATION.length) : key);

/**
 * Finds the curve of each key, so that training and validation of one quantity share a chart.
 *
 * The host's `loss` is the total, its `val_loss` is not, and with several outputs its validation values are under the
 * labels of others: they are drawn under their true names, and left out where they have no counterpart in training.
 *
 * @param run - Of it, what the host's validation keys hold, and where the total is in training: where that is not `loss`,
 *   `loss` is the data loss once more.
 * @returns The curve of a key; `undefined` for what is not drawn.
 */
function curves(
  keys: LogKeys,
  { isLoop, validates, validationNames, totalKey }: Run,
): (key: string) => Curve | undefined {
  const curve = (run: Curve['run'], tag: string | undefined): Curve | undefined =>
    tag === undefined ? undefined : { run, tag };
  // The total of a loop's validation is there under a second name.
  const validated = isLoop ? new Map([['val_loss', undefined]]) : validationNames;
  const known = new Map<string, Curve | undefined>([
    ...COUNTS.map((key) => [key, undefined] as const),
    ...Array.from(validated, ([key, name]) => [key, curve('validation', name)] as const),
    ['loss', undefined],
    [totalKey, curve('train', totalTag(keys))],
    [keys.valTotalLoss, curve('validation', totalTag(keys))],
    [keys.valDataLoss, curve('validation', keys.dataLoss)],
    [keys.valRegularizationLoss, curve('validation', keys.regularizationLoss)],
  ]);
  const others = (key: string) =>
    validates && key.startsWith(VALIDATION) ? curve('validation', withoutPrefix(key)) : curve('train', key);
  return (key) => (known.has(key) ? known.get(key) : others(key));
}

/**
 * Checks, before training begins, that the charts can be drawn.
 *
 * @param announced - The names of a run, `params.metrics`, with those of `decomposedLoss()` if it is there.
 * @param trained - The names of the model's own loss and metrics.
 * @throws Error if the parts of the loss are not among the names, or the total would share a chart with something else.
 */
function checkNames(keys: LogKeys, announced: readonly string[], trained: readonly string[]): void {
  const parts = [keys.dataLoss, keys.regularizationLoss];
  const missing = parts.find((key) => !announced.includes(key));
  if (missing !== undefined) {
    throw new Error(
      `Expected \`decomposedLoss()\` in \`callbacks\`, which writes \`${missing}\`, got ${list(announced)}. Put it beside ` +
        '`tensorBoard()`, and give both the same `logKeys`.',
    );
  }
  const total = totalTag(keys);
  if ([...parts, ...trained.slice(1)].includes(total)) {
    throw new Error(
      `Expected no metric or loss but the total to be called \`${total}\`, got ${list([...trained, ...parts])}. Give the ` +
        "chart of the total another name with `logKeys: {valTotalLoss: 'val_full_loss'}`, for example, here and in `decomposedLoss`.",
    );
  }
}
