import { dispose, keep, tidy, type Tensor } from '@tensorflow/tfjs-core';
import type { Run } from '../../host/run.js';
import { RunCallback } from '../run-callback.js';
import { describe, list } from '../../util/arguments.js';
import { resolveEarlyStoppingArgs, type EarlyStoppingArgs } from './early-stopping-args.js';
import { readLogs, type Logs } from '../../logs/log-values.js';
import { directionOf } from './monitored-direction.js';
import { checkValidationValue } from './validation-value.js';

/**
 * A callback that stops `model.fit` or `model.fitDataset` when a quantity of the logs has stopped improving, and can put
 * the weights of the best epoch back, which TensorFlow.js's own `tf.callbacks.earlyStopping` cannot.
 *
 * It takes any key of the epoch's logs: those of {@link decomposedLoss}, also renamed ones and those of a breakdown, and the
 * host's. Its place in `callbacks` does not matter. It counts as Keras 3 does: an epoch without improvement is one in
 * which the quantity is not better than the best so far by more than `minDelta`. Unlike there, NaN is never the best
 * (Keras 3 keeps one that comes first), and a key that is missing throws (Keras warns).
 *
 * @param args - What to monitor, and when to stop.
 * @returns A callback, for one training at a time, as often as you like; each training begins anew.
 * @throws Error if `args` is not understood. `fit` throws at the end of the first epoch if its logs have no such key, and
 *   before the first step if, with several outputs, the host will write another value under it: each of its own `val_` keys.
 */
export function earlyStopping(args: EarlyStoppingArgs = {}): EarlyStoppingCallback {
  return new EarlyStoppingCallback(args);
}

/** What {@link earlyStopping} returns: a `tf.Callback` that says afterwards what it found. */
export class EarlyStoppingCallback extends RunCallback {
  readonly #args: Required<Omit<EarlyStoppingArgs, 'baseline'>> & Pick<EarlyStoppingArgs, 'baseline'>;
  #wasThere = false;
  #wait = 0;
  #best: number | undefined;
  #bestEpoch: number | undefined;
  #stoppedEpoch: number | undefined;
  #bestWeights: Tensor[] = [];

  constructor(args: EarlyStoppingArgs = {}) {
    super('earlyStopping()');
    this.#args = resolveEarlyStoppingArgs(args);
  }

  /** The best value of the last training, or of the one that runs; `undefined` before there is one. */
  get best(): number | undefined {
    return this.#best;
  }

  /** The epoch that made the best value, counted from 0 as the host does. */
  get bestEpoch(): number | undefined {
    return this.#bestEpoch;
  }

  /** The epoch after which training was stopped, counted from 0; `undefined` where it ran to its end. */
  get stoppedEpoch(): number | undefined {
    return this.#stoppedEpoch;
  }

  /** @internal */
  protected override beginRun(run: Run): void {
    checkValidationValue(this.#args.monitor, run);
    this.#wasThere = false;
    this.#wait = 0;
    this.#best = this.#bestEpoch = this.#stoppedEpoch = undefined;
  }

  /** @internal */
  protected override endRun(): void {
    this.#forgetWeights();
  }

  /** @internal */
  override async onEpochEnd(epoch: number, logs: Logs = {}): Promise<void> {
    const { startFromEpoch, baseline, patience, restoreBestWeights } = this.#args;
    const current = await this.#monitored(logs);
    if (current === undefined || epoch < startFromEpoch) return;
    this.#wait += 1;
    if (this.#isBetter(current, this.#best)) {
      this.#best = current;
      this.#bestEpoch = epoch;
      if (restoreBestWeights) this.#rememberWeights();
      if (this.#isBetter(current, baseline)) this.#wait = 0;
    } else if (this.#wait >= patience && epoch > 0) {
      this.#stoppedEpoch = epoch;
      this.model.stopTraining = true;
    }
  }

  /** @internal */
  override async onTrainEnd(): Promise<void> {
    const { monitor, verbose } = this.#args;
    const best = this.#bestEpoch === undefined ? 'none' : `${this.#best}, in epoch ${this.#bestEpoch + 1}`;
    if (verbose && this.#stoppedEpoch !== undefined) {
      console.log(`Epoch ${this.#stoppedEpoch + 1}: stopped early. Best ${monitor}: ${best}.`);
    }
    if (this.#bestWeights.length === 0) return;
    this.model.setWeights(this.#bestWeights);
    if (verbose) console.log(`Put back the weights of epoch ${this.#bestEpoch! + 1}.`);
  }

  async #monitored(logs: Logs): Promise<number | undefined> {
    const { monitor } = this.#args;
    if (logs[monitor] !== undefined) {
      this.#wasThere = true;
      return (await readLogs({ [monitor]: logs[monitor] })).get(monitor);
    }
    if (this.#wasThere) return undefined;
    throw new Error(
      `Expected \`monitor\` to be a key of the epoch's logs, got ${describe(monitor)}, where there are ${list(Object.keys(logs))}. ` +
        'Monitor one of those, add `decomposedLoss()` to `callbacks`, or for keys with val_ give `fit` validation data.',
    );
  }

  #isBetter(current: number, reference: number | undefined): boolean {
    const { monitor, minDelta, mode } = this.#args;
    if (reference === undefined) return !Number.isNaN(current);
    const direction = mode === 'auto' ? directionOf(monitor, this.model.outputNames) : mode;
    return direction === 'max' ? current - minDelta > reference : current + minDelta < reference;
  }

  #rememberWeights(): void {
    this.#forgetWeights();
    this.#bestWeights = tidy(() => this.model.getWeights().map((weight) => keep(weight.clone())));
  }

  #forgetWeights(): void {
    dispose(this.#bestWeights);
    this.#bestWeights = [];
  }
}
