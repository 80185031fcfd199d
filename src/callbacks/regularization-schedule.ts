import type { Callback } from '@tensorflow/tfjs-layers';
import type { Run } from '../host/run/run.js';
import { changePenalties } from '../host/step/penalty-sums.js';
import type { Logs } from '../logs/log-keys.js';
import { describe } from '../util/arguments.js';
import { RunCallback } from './run-callback.js';

/**
 * What every penalty is multiplied by.
 *
 * @param epoch - From 0, as in every callback.
 * @param batch - Within the epoch, from 0.
 * @returns A finite number, 0 or more.
 */
export type RegularizationFactor = (epoch: number, batch: number) => number;

/** The key of the factor in the logs. */
const KEY = 'regularization_strength';

/**
 * A callback that multiplies every penalty of the models that are trained by a factor that changes with time: of declared,
 * enforced, fused and added regularizers, and of activations. A data loss, a `lossTerm` included, and the decay of
 * `withWeightDecay` stay as they are.
 *
 * ```js
 * // Warm-up: from 0 to the full strength within the first 5 epochs, of 100 batches each.
 * const warmUp = regularizationSchedule((epoch, batch) => Math.min(1, (epoch + batch / 100) / 5));
 * // A cycle of 10 epochs, between none and full strength.
 * const cyclical = regularizationSchedule((epoch) => (1 - Math.cos((2 * Math.PI * epoch) / 10)) / 2);
 * ```
 *
 * The factor of a batch is in force from the beginning of that batch to the beginning of the next: in its step, and in the
 * validation after the last one. All that reads penalties meanwhile sees them with it. `regularization_strength` in the logs is the
 * factor of each batch, and its mean by batch size in each epoch's. When the run ends, also by an error, the factor is gone, and
 * the weights are as after the last step.
 *
 * @param factor - Called once per batch.
 * @returns A callback, for one training at a time, any number of times.
 * @throws Error if `factor` is not a function. The run throws if it returns anything but a finite number, 0 or more, or throws;
 *   if there are two schedules in it, or a metric has the name `regularization_strength`; and if a model has a
 *   `calculateLosses` of its own.
 */
export function regularizationSchedule(factor: RegularizationFactor): RegularizationScheduleCallback {
  return new RegularizationScheduleCallback(factor);
}

/** What `regularizationSchedule` returns: a `tf.Callback`. */
export class RegularizationScheduleCallback extends RunCallback {
  readonly #schedule: RegularizationFactor;
  #factor = 1;
  #epoch = 0;
  #restores: Array<() => void> = [];

  constructor(factor: RegularizationFactor) {
    super('regularizationSchedule()');
    if (typeof factor !== 'function') {
      throw new Error(
        `Expected \`factor\` of \`regularizationSchedule\` to be a function, got ${describe(factor)}. ` +
          'Pass `(epoch, batch) => 0.5`, for example.',
      );
    }
    this.#schedule = factor;
  }

  /** @internal */
  protected override announce(params: Callback['params']): void {
    const metrics = params['metrics'] as string[];
    if (metrics.includes(KEY)) {
      throw new Error(
        `Expected one \`regularizationSchedule()\` in \`callbacks\`, and no metric \`${KEY}\`, got another one. Rename the ` +
          'metric, or make one schedule whose factor is the product.',
      );
    }
    metrics.push(KEY);
  }

  /** @internal */
  protected override beginRun(run: Run): void {
    this.#factor = 1;
    for (const model of run.models) this.#restores.push(changePenalties(model, { factor: () => this.#factor }));
  }

  /** @internal */
  protected override endRun(): void {
    this.#restores.splice(0).forEach((restore) => restore());
  }

  /** @internal */
  override async onEpochBegin(epoch: number): Promise<void> {
    this.#epoch = epoch;
  }

  /** @internal */
  override async onBatchBegin(batch: number, logs: Logs = {}): Promise<void> {
    this.#factor = this.#at(this.#epoch, batch);
    // The host's log of the batch's end is the same object.
    logs[KEY] = this.#factor;
  }

  #at(epoch: number, batch: number): number {
    const where = `in epoch ${epoch}, batch ${batch}`;
    let factor: unknown;
    try {
      factor = this.#schedule(epoch, batch);
    } catch (cause) {
      const said = cause instanceof Error ? cause.message : String(cause);
      throw new Error(
        `Expected the factor of \`regularizationSchedule\` ${where} to be a number, got an error: ${said}. Fix the function.`,
        { cause },
      );
    }
    if (typeof factor === 'number' && Number.isFinite(factor) && factor >= 0) return factor;
    throw new Error(
      `Expected the factor of \`regularizationSchedule\` ${where} to be a finite number, 0 or more, got ${describe(factor)}. ` +
        'Return 1 for penalties as they are.',
    );
  }
}
