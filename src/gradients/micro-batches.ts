import { addN, customGrad, dispose, keep, mul, reshape, slice, tidy } from '@tensorflow/tfjs-core';
import type { NamedTensorMap, Optimizer, Scalar, Tensor, Variable } from '@tensorflow/tfjs-core';
import { disposingOnThrow } from '../host/gradients.js';
import { variablesByName } from '../host/model/optimizer.js';
import { rememberVariables } from '../host/model/weights.js';
import { describe } from '../util/arguments.js';
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

/** What a step is made of that was accumulated. */
export interface AccumulatedStep {
  /** The means of the losses, the total first. */
  means: Tensor;
  /** The mean gradients by the variables' names. */
  gradients: ReadonlyMap<string, Tensor>;
  /** What the optimizer is told to move; `undefined` for every trainable variable. */
  variables: Variable[] | undefined;
}

/**
 * Has an optimizer make its step of a loss that has the accumulated value and gradients: whatever the optimizer does to a loss
 * or to gradients, it does once, to those of the whole batch.
 *
 * @throws Error where the optimizer evaluates the loss a second time: it has moved the weights, where the micro-batches were not
 *   seen. Where it throws, all variables are as they were.
 */
export function makeStep(optimizer: Optimizer, { means, gradients, variables }: AccumulatedStep): void {
  const all = Object.values(variablesByName());
  const moved = all.filter(({ name }) => gradients.has(name));
  let evaluations = 0;
  const accumulated = customGrad<Scalar>(() => ({
    value: reshape(slice(means, 0, 1), []),
    gradFunc: (dy) => moved.map(({ name }) => mul(gradients.get(name)!, dy)),
  }));
  const loss = (): Scalar => {
    evaluations += 1;
    if (evaluations > 1) throw evaluatedTwice(optimizer);
    return accumulated(...moved);
  };
  const remembered = rememberVariables(all);
  try {
    tidy(() => void disposingOnThrow(() => optimizer.minimize(loss, true, variables)));
    remembered.forget();
  } catch (error) {
    remembered.restore();
    throw error;
  }
}

const evaluatedTwice = (optimizer: Optimizer): Error =>
  new Error(
    `Expected \`optimizer\` of \`accumulateGradients\` to evaluate the loss once a step, got ${describe(optimizer)}, which ` +
      'evaluates it twice: the micro-batches were seen at one place only. Make the step with `trainStep` or `minimize` on the ' +
      'whole batch, or with another optimizer.',
  );
