import { addN, dispose, keep, mul, tidy, type NamedTensorMap, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import { WeightedMean } from '../util/weighted-mean.js';

/** What micro-batches come to together: means by size of their gradients and of other values, kept on the device. */
export class MicroBatches {
  readonly #values = new WeightedMean();
  #gradients = new Map<string, Tensor>();
  #samples = 0;

  /** How many samples they have. */
  get samples(): number {
    return this.#samples;
  }

  /** The mean gradients by the weights' names; with one micro-batch, its own bit for bit. */
  get gradients(): ReadonlyMap<string, Tensor> {
    return this.#gradients;
  }

  /**
   * Adds a micro-batch.
   *
   * @param gradients - Only read. A weight that is frozen or freed on the way has one in some of the micro-batches.
   * @param values - As many each time. Only read.
   */
  add(gradients: ReadonlyMap<string, Tensor>, values: readonly Scalar[], samples: number): void {
    this.#values.add(values, samples);
    const share = samples / (this.#samples + samples);
    const mean = new Map<string, Tensor>();
    for (const name of new Set([...this.#gradients.keys(), ...gradients.keys()])) {
      const [old, added] = [this.#gradients.get(name), gradients.get(name)];
      const weighted = () => [...(old ? [mul(old, 1 - share)] : []), ...(added ? [mul(added, share)] : [])];
      mean.set(name, keep(tidy(() => addN(weighted()))));
    }
    dispose([...this.#gradients.values()]);
    this.#gradients = mean;
    this.#samples += samples;
  }

  /** The means of the values, a vector that the caller disposes; `undefined` where there was no micro-batch. */
  means(): Tensor | undefined {
    return this.#values.means();
  }

  /** Forgets them. */
  dispose(): void {
    dispose([...this.#gradients.values()]);
    this.#gradients = new Map();
    this.#values.dispose();
    this.#samples = 0;
  }
}

/** The gradients of those variables that have one, by their names: kept, and the caller's to dispose. */
export function keptGradients(grads: NamedTensorMap): Map<string, Tensor> {
  const found = Object.entries(grads).filter(([, gradient]) => gradient != null);
  return new Map(found.map(([name, gradient]) => [name, keep(gradient)]));
}

/** @param add - How to add one, for the message. */
export const noMicroBatch = (add: string): Error =>
  new Error(
    `Expected micro-batches since the last step, got none. Call \`await accumulated.${add}\` for each of them first.`,
  );
