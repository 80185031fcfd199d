/// <reference types="node" />
import { fileURLToPath } from 'node:url';
import { endedBeforeValidation, type Run } from '../../host/run/run.js';
import { readLogs, type Logs } from '../../logs/log-keys.js';
import { FLAG, checkOptions, describe, oneOf } from '../../util/arguments.js';
import { RunCallback } from '../run-callback.js';
import { Csv, JsonLines, type Format } from './formats.js';
import { LogFile, LogStreamSink, type LogStream, type Sink } from './sinks.js';

/** What {@link lossLogger} takes. */
export interface LossLoggerArgs {
  /**
   * `'csv'`, a header and one line per row, or `'jsonl'`, one JSON object per line. Default: by the path's ending, else
   * `'csv'`. Values that are not finite are written as `NaN`, `Infinity` and `-Infinity`; in JSON, which lacks them, as
   * strings.
   */
  format?: 'csv' | 'jsonl' | undefined;
  /**
   * Whether a row is an epoch or a batch. Batches have no validation; their values are read back from the backend for each
   * row, which costs time on a GPU. Default `'epoch'`.
   */
  updateFreq?: 'epoch' | 'batch' | undefined;
  /**
   * Whether to append to an existing file. The columns of a CSV must be those of this run, which are known when the first row
   * is written, for example after the first epoch; in JSON lines, rows may differ. A last line that a crash left incomplete is
   * cut off, with a warning on the console. `false` overwrites the file in each run, unless the run continues with the model of
   * the last one. Has no meaning for a stream. Default `true`.
   */
  append?: boolean | undefined;
}

/**
 * A callback for `model.fit` and `model.fitDataset` that writes the logs to a file or stream, one row per epoch or batch:
 * `epoch` (and `batch`), counted from 0 as the host does, then every key of the logs. The epoch numbers continue when the
 * callback sees another run with the same model, for example with `fit({epochs: 1})` in a loop, unless `fit` is given an
 * `initialEpoch` above 0.
 *
 * A row is handed to the system as soon as it is known: others can read it while training goes on, and a crash loses at most
 * the last one. Names are safe whatever they contain: CSV quotes them by RFC 4180, and those that a spreadsheet would compute
 * (`=`, `+`, `-` or `@` in front) get an apostrophe in front.
 *
 * @param to - The path of a file, whose folder is made if necessary, or a stream, which stays open; training waits for it if it
 *   is slow.
 * @param args - Format and rows.
 * @returns A callback, for one training at a time, any number of times.
 * @throws Error if an argument is not understood. `fit` throws if the file or stream cannot be written, or if it holds
 *   something else, or other columns, or if another `lossLogger` is writing it.
 */
export function lossLogger(to: string | URL | LogStream, args: LossLoggerArgs = {}): LossLoggerCallback {
  return new LossLoggerCallback(to, args);
}

/** What {@link lossLogger} returns: a `tf.Callback`. */
export class LossLoggerCallback extends RunCallback {
  readonly #sink: Sink;
  readonly #format: Format;
  readonly #byBatch: boolean;
  #epoch = 0;

  constructor(to: string | URL | LogStream, args: LossLoggerArgs = {}) {
    super('lossLogger()');
    checkOptions('lossLogger', args, {
      format: oneOf('csv', 'jsonl'),
      updateFreq: oneOf('epoch', 'batch'),
      append: FLAG,
    });
    const path = to instanceof URL ? fileURLToPath(to) : to;
    if (path === '' || (typeof path !== 'string' && typeof path?.write !== 'function')) {
      throw new Error(
        `Expected the path of a file or a writable stream, got ${describe(to)}. Pass 'losses.csv' or process.stdout, for example.`,
      );
    }
    const isLines = typeof path === 'string' && path.endsWith('.jsonl');
    const { format = isLines ? 'jsonl' : 'csv', updateFreq = 'epoch', append = true } = args;
    this.#sink = typeof path === 'string' ? new LogFile(path, append) : new LogStreamSink(path);
    this.#format =
      format === 'jsonl' ? new JsonLines() : new Csv(typeof path === 'string' ? `'${path}'` : 'the stream');
    this.#byBatch = updateFreq === 'batch';
  }

  /** @internal */
  protected override beginRun(_run: Run, isSameModel: boolean): void {
    const found = this.#sink.open(this.#format, isSameModel);
    if (found) this.#format.resume(found.firstLine);
  }

  /** @internal */
  protected override endRun(): void {
    this.#sink.close();
  }

  /** @internal */
  override async onEpochBegin(epoch: number): Promise<void> {
    this.#epoch = this.numberOf(epoch);
  }

  /** @internal */
  override async onBatchEnd(batch: number, logs: Logs = {}): Promise<void> {
    if (this.#byBatch) await this.#write({ epoch: this.#epoch, batch }, logs);
  }

  /** @internal */
  override async onEpochEnd(_epoch: number, logs: Logs = {}): Promise<void> {
    if (this.#byBatch) return;
    const isCutShort = endedBeforeValidation(this.run, logs);
    await this.#write({ epoch: this.#epoch }, logs, isCutShort ? (this.params['metrics'] as string[]) : undefined);
  }

  async #write(place: { epoch: number; batch?: number }, logs: Logs, announced?: readonly string[]): Promise<void> {
    const row = new Map([...Object.entries(place), ...(await readLogs(logs)), ...Object.entries(place)]);
    await this.#sink.write(this.#format.text(row, announced));
  }
}
