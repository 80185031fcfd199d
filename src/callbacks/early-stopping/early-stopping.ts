import { dispose, keep, tidy, type Tensor } from '@tensorflow/tfjs-core';
import type { LayerVariable } from '@tensorflow/tfjs-layers';
import { endedBeforeValidation, type Run } from '../../host/run/run.js';
import { readLogs, type Logs } from '../../logs/log-keys.js';
import { describe, list } from '../../util/arguments.js';
import { RunCallback } from '../run-callback.js';
import {
  checkValidationValue,
  directionOf,
  resolveEarlyStoppingArgs,
  type EarlyStoppingArgs,
} from './early-stopping-args.js';

/**
 * A callback that stops `model.fit` or `model.fitDataset` when a quantity of the logs has stopped improving, and can put
 * the weights of the best epoch back, which TensorFlow.js's own `tf.callbacks.earlyStopping` cannot.
 *
 * It takes any key of the epoch's logs: those of {@link decomposedLoss}, also renamed ones and those of a breakdown, and the
 * host's. Its place in `callbacks` does not matter. It counts as Keras 3 does: an epoch without improvement is one in which the
 * quantity is not better than the best so far by more than `minDelta`. Unlike in Keras, NaN is never the best (Keras 3 keeps
 * one that comes first), and a key that is missing throws (Keras warns).
 *
 * @param args - What to monitor, and when to stop.
 * @returns A callback, for one training at a time, any number of times; each training begins anew, unless `acrossFits` is set.
 * @throws Error if `args` is not understood. `fit` throws at the end of the first epoch if its logs have no such key. It throws
 *   before the first step if, with several outputs, the host will write another value under the key, as it does for each of its
 *   own `val_` keys; or if, with `acrossFits`, the callback is counting for another model.
 */
export function earlyStopping(args: EarlyStoppingArgs = {}): EarlyStoppingCallback {
  return new EarlyStoppingCallback(args);
}

/** What {@link earlyStopping} returns: a `tf.Callback` that says afterwards what it found. */
export class EarlyStoppingCallback extends RunCallback {
  readonly #args: ReturnType<typeof resolveEarlyStoppingArgs>;
  /** Whether epochs were counted that the next training goes on from. */
  #counts = false;
  #hasMonitored = false;
  #wait = 0;
  #best: number | undefined;
  #bestEpoch: number | undefined;
  #stoppedEpoch: number | undefined;
  readonly #bestWeights = new Map<LayerVariable, Tensor>();

  constructor(args: EarlyStoppingArgs = {}) {
    super('earlyStopping()');
    this.#args = resolveEarlyStoppingArgs(args);
  }

  /** The best value of the last training, or of the one that runs; `undefined` before there is one. */
  get best(): number | undefined {
    return this.#best;
  }

  /** The epoch that made the best value, counted from 0 as the host does, with `acrossFits` over all trainings. */
  get bestEpoch(): number | undefined {
    return this.#bestEpoch;
  }

  /** The epoch after which training was stopped, counted as `bestEpoch`; `undefined` where it ran to its end. */
  get stoppedEpoch(): number | undefined {
    return this.#stoppedEpoch;
  }

  /** Lets go of the weights that are held with `acrossFits`; the next training begins anew. A second call does nothing. */
  dispose(): void {
    this.#forgetWeights();
    this.#counts = false;
  }

  /** @internal */
  protected override beginRun({ models }: Run, isSameModel: boolean): void {
    if (this.#args.acrossFits && this.#counts) {
      if (isSameModel) return;
      throw new Error(
        `Expected \`earlyStopping({acrossFits: true})\` to go on with the model that it counts for, got \`${models[0]!.name}\`, ` +
          'which has other weights. Make another one for each model, or call `dispose()` to begin anew.',
      );
    }
    this.#counts = this.#hasMonitored = false;
    this.#wait = 0;
    this.#best = this.#bestEpoch = this.#stoppedEpoch = undefined;
  }

  /** @internal */
  protected override endRun(): void {
    const isOver = !this.#args.acrossFits || this.#stoppedEpoch !== undefined;
    if (isOver) this.dispose();
  }

  /** @internal */
  override async onTrainBegin(): Promise<void> {
    checkValidationValue(this.#args.monitor, this.run);
  }

  /** @internal */
  override async onEpochEnd(hostEpoch: number, logs: Logs = {}): Promise<void> {
    const { startFromEpoch, baseline, patience, restoreBestWeights, acrossFits } = this.#args;
    const epoch = acrossFits ? this.numberOf(hostEpoch) : hostEpoch;
    const current = await this.#monitored(logs);
    if (current === undefined || epoch < startFromEpoch) return;
    this.#counts = true;
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
    const { monitor, acrossFits, verbose } = this.#args;
    const best = this.#bestEpoch === undefined ? 'none' : `${this.#best}, in epoch ${this.#bestEpoch + 1}`;
    if (verbose && this.#stoppedEpoch !== undefined) {
      console.log(`Epoch ${this.#stoppedEpoch + 1}: stopped early. Best ${monitor}: ${best}.`);
    }
    if (this.#bestWeights.size === 0 || (acrossFits && this.#stoppedEpoch === undefined)) return;
    this.#restoreWeights();
    if (verbose) console.log(`Put back the weights of epoch ${this.#bestEpoch! + 1}.`);
  }

  async #monitored(logs: Logs): Promise<number | undefined> {
    const { monitor } = this.#args;
    if (logs[monitor] !== undefined) {
      this.#hasMonitored = true;
      return (await readLogs({ [monitor]: logs[monitor] })).get(monitor);
    }
    if (this.#hasMonitored || endedBeforeValidation(this.run, logs)) return undefined;
    const remedy = this.run.isLoop
      ? 'for keys with val_ call `loop.validate(() => evaluateLoss(…))` in each epoch'
      : 'add `decomposedLoss()` to `callbacks`; for keys with val_ give `fit` validation data';
    throw new Error(
      `Expected \`monitor\` to be a key of the epoch's logs, got ${describe(monitor)}, where there are ${list(Object.keys(logs))}. ` +
        `Monitor one of those, or ${remedy}.`,
    );
  }

  #isBetter(current: number, reference: number | undefined): boolean {
    const { monitor, minDelta, mode } = this.#args;
    if (reference === undefined) return !Number.isNaN(current);
    const direction =
      mode === 'auto'
        ? directionOf(
            monitor,
            this.run.models.flatMap(({ outputNames }) => outputNames),
          )
        : mode;
    return direction === 'max' ? current - minDelta > reference : current + minDelta < reference;
  }

  #weights(): Set<LayerVariable> {
    return new Set(this.run.models.flatMap(({ weights }) => weights));
  }

  #rememberWeights(): void {
    this.#forgetWeights();
    tidy(() => this.#weights().forEach((weight) => this.#bestWeights.set(weight, keep(weight.read().clone()))));
  }

  /** By the variables themselves: their order in the model is another one after a layer was frozen. */
  #restoreWeights(): void {
    const weights = this.#weights();
    if (weights.size !== this.#bestWeights.size || ![...weights].every((weight) => this.#bestWeights.has(weight))) {
      throw new Error(
        `Expected \`${this.model.name}\` to have the weights that it had in epoch ${this.#bestEpoch! + 1}, the best one, got ` +
          'others: layers came or went since. Leave them as they are while training goes on, or leave out `restoreBestWeights`.',
      );
    }
    this.#bestWeights.forEach((value, weight) => weight.write(value));
  }

  #forgetWeights(): void {
    dispose([...this.#bestWeights.values()]);
    this.#bestWeights.clear();
  }
}
