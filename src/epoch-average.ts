import { add, div, keep, mul, stack, tidy, type Scalar, type Tensor } from '@tensorflow/tfjs-core';

/**
 * The mean of several quantities over an epoch's batches, weighted by batch size, kept on the backend.
 *
 * The same float32 operations in the same order as the host's BaseLogger does for `loss`, for all quantities at once,
 * so that the parts of an epoch add up as those of a batch do.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/base_callbacks.ts#L213-L264 | BaseLogger}
 */
export class EpochAverage {
  #totals: Tensor | undefined;
  #seen = 0;

  /** Adds the values of one batch; they are only read. */
  add(values: readonly Scalar[], batchSize: number): void {
    const previous = this.#totals;
    this.#totals = keep(
      tidy(() => {
        const weighted = mul(stack([...values]), batchSize);
        return previous === undefined ? weighted : add(previous, weighted);
      }),
    );
    previous?.dispose();
    this.#seen += batchSize;
  }

  /** The means, a vector that the caller disposes; `undefined` where there was no batch. */
  means(): Tensor | undefined {
    const totals = this.#totals;
    return totals && tidy(() => mul(div(1, this.#seen), totals));
  }

  /** Forgets the batches. */
  dispose(): void {
    this.#totals?.dispose();
    this.#totals = undefined;
    this.#seen = 0;
  }
}
