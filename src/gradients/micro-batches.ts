import { addN, customGrad, dispose, keep, mul, reshape, slice, tidy } from '@tensorflow/tfjs-core';
import type { NamedTensorMap, Optimizer, Scalar, Tensor, Variable } from '@tensorflow/tfjs-core';
import { disposingOnThrow } from '../host/gradients.js';
import { variablesByName } from '../host/model/optimizer.js';
import { restoringValues } from '../host/model/weights.js';
import { refuseWithinLoss } from '../loss/minimize.js';
import { disposeLoss, partsIn, withNumbers, type DecomposedLoss, type LossTensors } from '../loss/parts.js';
import { describe, list } from '../util/arguments.js';
import { readNumbers } from '../util/scalars.js';
import { WeightedMean } from '../util/weighted-mean.js';

/** What micro-batches come to together: means by size of their losses and gradients, kept on the device. */
export class MicroBatches {
  /** The weights of the parts of the loss, which all of them share, by name or by layer. */
  readonly weights = new Map<unknown, number>();
  readonly #values = new WeightedMean();
  /** By the weights' names; with one micro-batch, its own bit for bit. */
  #gradients = new Map<string, Tensor>();
  #samples = 0;
  /** Names and weights of the last; its tensors are gone. */
  #last: LossTensors | undefined;

  /** How many samples they have. */
  get samples(): number {
    return this.#samples;
  }

  /**
   * Adds a micro-batch.
   *
   * @param gradients - Disposed. A weight that is frozen or freed on the way has one in some of the micro-batches.
   * @param loss - Disposed.
   * @throws Error if its parts are others than those of the last; nothing is added then.
   */
  add(gradients: ReadonlyMap<string, Tensor>, loss: LossTensors, samples: number): void {
    try {
      checkNames(loss, this.#last);
      this.#values.add(partsIn(loss), samples);
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
      this.#last = loss;
    } finally {
      dispose([...gradients.values()]);
      disposeLoss(loss);
    }
  }

  /**
   * Makes one step with them, see `makeStep`, and forgets them.
   *
   * @param variables - What the optimizer is told to move; `undefined` for every trainable variable.
   * @param add - How to add one, for the message.
   * @returns Their loss in its parts, read in one transfer.
   * @throws Error if there are none, within a loss, or where the step throws; they are still there then.
   */
  async apply(optimizer: Optimizer, variables: Variable[] | undefined, add: string): Promise<DecomposedLoss> {
    refuseWithinLoss('apply');
    const last = this.#last;
    if (last === undefined) throw noMicroBatch(add);
    const means = this.#values.means()!;
    try {
      makeStep(optimizer, { means, gradients: this.#gradients, variables });
      this.dispose();
      return withNumbers(last, await readNumbers([means]));
    } finally {
      means.dispose();
    }
  }

  /** Forgets them. */
  dispose(): void {
    dispose([...this.#gradients.values()]);
    this.#gradients = new Map();
    this.#values.dispose();
    this.weights.clear();
    this.#samples = 0;
    this.#last = undefined;
  }
}

function checkNames({ parts }: LossTensors, last: LossTensors | undefined): void {
  const [names, before] = [Object.keys(parts), Object.keys(last?.parts ?? parts)];
  if (names.join() === before.join()) return;
  throw new Error(
    `Expected the loss of \`accumulateGradients\` to have the same parts for each micro-batch of a step, got ${list(names)} ` +
      `after ${list(before)}. Return 0 for a part that a micro-batch does not have.`,
  );
}

/** The gradients of those variables that have one, by their names: kept, and the caller's to dispose. */
export function keptGradients(grads: NamedTensorMap): Map<string, Tensor> {
  const found = Object.entries(grads).filter(([, gradient]) => gradient != null);
  return new Map(found.map(([name, gradient]) => [name, keep(gradient)]));
}

const noMicroBatch = (add: string): Error =>
  new Error(
    `Expected micro-batches since the last step, got none. Call \`await accumulated.${add}\` for each of them first.`,
  );

interface AccumulatedStep {
  /** The means of the losses, the total first. */
  means: Tensor;
  gradients: ReadonlyMap<string, Tensor>;
  variables: Variable[] | undefined;
}

/**
 * Has an optimizer make its step of a loss that has the accumulated value and gradients: whatever the optimizer does to a loss
 * or to gradients, it does once, to those of the whole batch.
 *
 * @throws Error where the optimizer evaluates the loss a second time: it has moved the weights, where the micro-batches were not
 *   seen. Where it throws, all variables are as they were.
 */
function makeStep(optimizer: Optimizer, { means, gradients, variables }: AccumulatedStep): void {
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
  const minimize = (): void => void disposingOnThrow(() => optimizer.minimize(loss, true, variables));
  restoringValues(all, () => tidy(minimize));
}

const evaluatedTwice = (optimizer: Optimizer): Error =>
  new Error(
    `Expected \`optimizer\` of \`accumulateGradients\` to evaluate the loss once a step, got ${describe(optimizer)}, which ` +
      'evaluates it twice: the micro-batches were seen at one place only. Make the step with `trainStep` or `minimize` on the ' +
      'whole batch, or with another optimizer.',
  );
