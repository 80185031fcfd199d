import { checkArguments, describe, list } from '../../util/arguments.js';
import { lossNames } from '../../host/model.js';
import type { Run } from '../../host/run.js';
import { resolveLogKeys, type LogKeyArgs, type LogKeys } from '../../logs/log-keys.js';
import { RunCallback } from '../run-callback.js';
import { checkNames, curves, type Curve } from './charts.js';
import { EventFiles, loadEventFileApi, type EventFileApi } from './event-files.js';

/** What `tensorBoard` takes beside the folder. */
export interface TensorBoardArgs {
  /**
   * `'epoch'` writes a value an epoch. `'batch'` besides writes one a batch, into charts of their own whose names begin
   * with `batch_`. Default `'epoch'`.
   */
  updateFreq?: 'batch' | 'epoch' | undefined;
  /** The names that `decomposedLoss` was given, if it was given any: the charts bear them. */
  logKeys?: LogKeyArgs | undefined;
  /** What writes the files: `tf.node` of tfjs-node-gpu, say. Default: that of `@tensorflow/tfjs-node`. */
  node?: EventFileApi | undefined;
}

const UPDATE_FREQUENCIES = ['batch', 'epoch'];

/**
 * A callback for `model.fit` and `model.fitDataset` that shows training beside validation in TensorBoard, one chart a
 * quantity.
 *
 * Put it into `callbacks` together with `decomposedLoss()`, in any order. It writes two runs, `<logDir>/train` and
 * `<logDir>/validation`, with the same tags: `total_loss`, `data_loss`, `regularization_loss`, the metrics, and, with
 * `decomposedLoss({breakdown: 'layer'})`, `regularization_loss/<layer>`, which TensorBoard groups. Training's
 * `total_loss` is the host's `loss`; the host's `val_loss`, which is another quantity, is left out.
 *
 * A step is the epoch as the host counts, from 0, or the number of the batch, from 1: batches are numbered over all
 * trainings of one process that write into one folder, so those that follow one another there continue, and another process
 * begins with 1 again; for epochs, pass `initialEpoch` to `fit`.
 *
 * Files are written at each epoch's end, and with `'batch'` at each batch's: nothing is lost when training throws.
 *
 * @param logDir - The folder, made if need be; show it with `tensorboard --logdir <logDir>`. One a training: two that run
 *   at the same time must not share one.
 * @returns A callback, for one training at a time, as often as you like.
 * @throws Error if an argument is not understood. `fit` throws, before the first step, if `decomposedLoss()` is not among
 *   its callbacks, two quantities have one name, tfjs-node does not load, or the backend is not tfjs-node's.
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
        `Expected \`logDir\` of \`tensorBoard\` to be the path of a folder, got ${describe(logDir)}. Pass 'logs', say.`,
      );
    }
    checkArguments('tensorBoard', args, ['updateFreq', 'logKeys', 'node']);
    const { updateFreq = 'epoch', logKeys, node } = args;
    if (!UPDATE_FREQUENCIES.includes(updateFreq)) {
      throw new Error(
        `Expected \`updateFreq\` of \`tensorBoard\` to be ${list(UPDATE_FREQUENCIES)}, got ${describe(updateFreq)}. Use one of those.`,
      );
    }
    if (node !== undefined && typeof node?.summaryFileWriter !== 'function') {
      throw new Error(
        `Expected \`node\` of \`tensorBoard\` to be the \`tf.node\` of a tfjs-node, got ${describe(node)}. Leave it out for @tensorflow/tfjs-node.`,
      );
    }
    this.#logDir = logDir;
    this.#byBatch = updateFreq === 'batch';
    this.#keys = resolveLogKeys('tensorBoard', logKeys);
    this.#node = node;
  }

  /** @internal */
  protected override beginRun({ models, validationNames }: Run): void {
    checkNames(this.#keys, this.params['metrics'] as string[], lossNames(models[0]!));
    this.#curveOf = curves(this.#keys, validationNames);
  }

  /** @internal */
  override async onTrainBegin(): Promise<void> {
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
    this.#files.write(this.#curveOf, logs, epoch);
  }
}
