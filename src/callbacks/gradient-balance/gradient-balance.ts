import type { Run } from '../../host/run/run.js';
import type { Logs } from '../../logs/log-keys.js';
import { checkOptions } from '../../util/arguments.js';
import { RunCallback } from '../run-callback.js';
import { BalanceRun } from './balance-run.js';

/** What `gradientBalance` takes. */
export interface GradientBalanceArgs {
  /**
   * Looks at the first batch of each epoch and at every n-th after it. A batch that is looked at costs one backward pass
   * more, the others nothing. Default 10.
   */
  every?: number | undefined;
}

/**
 * A callback for `model.fit` and `model.fitDataset` that shows how hard data and penalties pull on each layer, and whether in
 * the same direction.
 *
 * For each layer with weights that training moves, it writes into the logs of each epoch, and so into `history.history`:
 *
 * - `gradient/data/<layer>`: the norm of the gradient of the data loss, over all weights of the layer together;
 * - `gradient/penalty/<layer>`: the same for the regularization loss; 0 for a layer without penalties;
 * - `gradient/cosine/<layer>`: the cosine between the two, from -1 (they pull against each other, as they do once the model
 *   fits) to 1; 0 where one of them is 0.
 *
 * Each is the mean over the batches that were looked at, weighted by batch size. `<layer>` is named as in the breakdown of
 * `decomposedLoss`. The two callbacks may be in any order. The gradients are those of the training step itself, before the
 * optimizer adapts them, and nothing in the training changes.
 *
 * @returns A callback, for one training at a time, any number of times.
 * @throws Error if `args` is not understood.
 */
export function gradientBalance(args: GradientBalanceArgs = {}): GradientBalanceCallback {
  return new GradientBalanceCallback(args);
}

/** What `gradientBalance` returns: a `tf.Callback`. */
export class GradientBalanceCallback extends RunCallback {
  readonly #every: number;
  #watch: BalanceRun | undefined;

  constructor(args: GradientBalanceArgs = {}) {
    super('gradientBalance()');
    checkOptions('gradientBalance', args, {
      every: ['a positive integer', (value) => Number.isInteger(value) && (value as number) > 0],
    });
    const { every = 10 } = args;
    this.#every = every;
  }

  /** @internal */
  protected override beginRun(run: Run): void {
    if (run.isLoop) {
      throw new Error(
        'Expected no `gradientBalance()` in a `trainingLoop`, got one. It looks at the steps of `fit` only: take ' +
          '`variableGrads(loss, {models, apart: true})` in the loop.',
      );
    }
    this.#watch = new BalanceRun(run, this.#every);
    run.writers.push(this);
  }

  /** @internal */
  protected override endRun(): void {
    this.#watch?.dispose();
    this.#watch = undefined;
  }

  /** @internal */
  override async onBatchBegin(batch: number): Promise<void> {
    this.#watch!.beginBatch(batch);
  }

  /** @internal */
  override async onBatchEnd(batch: number, logs: Logs = {}): Promise<void> {
    this.#watch!.endBatch(batch, logs);
  }

  /** @internal */
  override async onEpochEnd(_epoch: number, logs: Logs = {}): Promise<void> {
    await this.#watch!.endEpoch(logs);
  }
}
