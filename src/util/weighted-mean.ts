import { add, div, keep, mul, stack, tidy, type Scalar, type Tensor } from '@tensorflow/tfjs-core';

/**
 * The mean of several quantities over an epoch's batches, weighted by batch size, kept on the backend.
 *
 * Added up in float32 batch by batch, as the host's BaseLogger does with `loss`, for all quantities at once. As long as
 * the batches have one size they are weighted together.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/base_callbacks.ts#L213-L264 | BaseLogger}
 */
export class WeightedMean {
  /** The weighted sum of the batches before those of `#sum`. */
  #total: Tensor | undefined;
  /** The sum of the last batches, all of `#batchSize`. */
  #sum: Tensor | undefined;
  #batchSize = 0;
  #seen = 0;

  /** Adds the values of one batch; they are only read. */
  add(values: readonly Scalar[], batchSize: number): void {
    if (batchSize !== this.#batchSize) this.#weigh();
    this.#batchSize = batchSize;
    const previous = this.#sum;
    this.#sum = keep(previous === undefined ? stack([...values]) : tidy(() => add(previous, stack([...values]))));
    previous?.dispose();
    this.#seen += batchSize;
  }

  /** The means, a vector that the caller disposes; `undefined` where there was no batch. */
  means(): Tensor | undefined {
    this.#weigh();
    const total = this.#total;
    return total && tidy(() => div(total, this.#seen));
  }

  /** Forgets the batches. */
  dispose(): void {
    this.#total?.dispose();
    this.#sum?.dispose();
    this.#total = this.#sum = undefined;
    this.#seen = 0;
  }

  #weigh(): void {
    const [sum, total] = [this.#sum, this.#total];
    if (sum === undefined) return;
    this.#total = keep(
      tidy(() => {
        const weighted = mul(sum, this.#batchSize);
        return total === undefined ? weighted : add(total, weighted);
      }),
    );
    total?.dispose();
    sum.dispose();
    this.#sum = undefined;
  }
}
