import {
  add,
  clone,
  dispose,
  div,
  keep,
  mul,
  reshape,
  stack,
  sum,
  tidy,
  type Scalar,
  type Tensor,
} from '@tensorflow/tfjs-core';

/** So many batches are added up at once: on a GPU each operation costs about as much as a small step. */
const COLLECTED = 32;

/**
 * The mean of several quantities over an epoch's batches, weighted by batch size, kept on the backend.
 *
 * Added up in float32, as the host's BaseLogger does with `loss`, for all quantities and several batches at once.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/base_callbacks.ts#L213-L264 | BaseLogger}
 */
export class WeightedMean {
  /** The weighted sum of the batches before those that are collected. */
  #total: Tensor | undefined;
  /** The values of the last batches, all of `#batchSize`. */
  #collected: Scalar[][] = [];
  #batchSize = 0;
  #seen = 0;

  /** Adds the values of one batch; they are only read. */
  add(values: readonly Scalar[], batchSize: number): void {
    if (batchSize !== this.#batchSize) this.#addUp();
    this.#batchSize = batchSize;
    this.#collected.push(values.map((value) => keep(clone(value))));
    this.#seen += batchSize;
    if (this.#collected.length === COLLECTED) this.#addUp();
  }

  /** The means, a vector that the caller disposes; `undefined` where there was no batch. */
  means(): Tensor | undefined {
    this.#addUp();
    const total = this.#total;
    return total && tidy(() => div(total, this.#seen));
  }

  /** Forgets the batches. */
  dispose(): void {
    this.#total?.dispose();
    this.#total = undefined;
    dispose(this.#collected);
    this.#collected = [];
    this.#seen = 0;
  }

  #addUp(): void {
    const [batches, total] = [this.#collected, this.#total];
    if (batches.length === 0) return;
    this.#total = keep(
      tidy(() => {
        const rows = reshape(stack(batches.flat()), [batches.length, batches[0]!.length]);
        const weighted = mul(sum(rows, 0), this.#batchSize);
        return total === undefined ? weighted : add(total, weighted);
      }),
    );
    total?.dispose();
    dispose(batches);
    this.#collected = [];
  }
}
