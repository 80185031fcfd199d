import { Tensor, variableGrads, type Optimizer, type Scalar, type Variable } from '@tensorflow/tfjs-core';
import { CUSTOM_LOSS_CHECKS, checkedLoss, type CustomLossArgs } from '../loss/custom-loss.js';
import { pinningWeights } from '../loss/loss-term.js';
import type { DecomposedLoss } from '../loss/parts.js';
import {
  checkOptimizer,
  checkedVariables,
  differentiated,
  refuseWithinLoss,
  type Trainable,
} from '../loss/minimize.js';
import { ANYTHING, checkOptions, describe } from '../util/arguments.js';
import { keptGradients, MicroBatches } from './micro-batches.js';

/** What `accumulateGradients` takes for a loss of your own. */
export interface AccumulateLossArgs<Batch extends unknown[]> extends CustomLossArgs {
  /**
   * The loss of a micro-batch, a mean over its samples: a scalar, which is the part `loss`, or scalars by name.
   *
   * @param batch - What `add` is given.
   */
  loss: (...batch: Batch) => Tensor | { [part: string]: Tensor };
  /** Makes the step. */
  optimizer: Optimizer;
  /** What to move. Default, as in `optimizer.minimize`: every trainable variable there is. */
  variables?: Trainable | readonly Trainable[] | undefined;
}

const CALLER = 'accumulateGradients';

/**
 * What `accumulateGradients` returns for a loss of your own. It holds one tensor a weight, and the losses, while there are
 * micro-batches in it.
 */
export class AccumulatedLoss<Batch extends unknown[]> {
  readonly #args: AccumulateLossArgs<Batch>;
  readonly #variables: Variable[] | undefined;
  readonly #added = new MicroBatches();

  constructor(args: AccumulateLossArgs<Batch>) {
    checkOptions(CALLER, args, { ...CUSTOM_LOSS_CHECKS, loss: ANYTHING, optimizer: ANYTHING, variables: ANYTHING });
    checkOptimizer(CALLER, args.optimizer);
    checkedLoss(CALLER, args.loss, args);
    this.#args = args;
    this.#variables = checkedVariables(CALLER, args.variables);
  }

  /** How many samples the micro-batches since the last step have. */
  get samples(): number {
    return this.#added.samples;
  }

  /**
   * Adds a micro-batch: one forward and one backward pass, at the current weights. Nothing is read from the backend.
   *
   * @param batch - What the loss is called with. The first tensor or number in it tells the size: a tensor by its first
   *   dimension, also within an array or an object. Not disposed.
   * @throws Error if the loss throws or its parts are not understood; what was added before is then as it was.
   */
  async add(...batch: Batch): Promise<void> {
    refuseWithinLoss('add');
    const { loss } = this.#args;
    const samples = sizeOf(batch);
    const checked = checkedLoss(CALLER, () => loss(...batch), this.#args);
    const gradients = (total: () => Scalar) => {
      const { value, grads } = variableGrads(total, this.#variables);
      return { cost: value, grads };
    };
    const { tensors, result } = pinningWeights(this.#added.weights, () => differentiated(checked, gradients));
    this.#added.add(keptGradients(result.grads), tensors, samples);
  }

  /**
   * Makes one step of the optimizer's own `minimize` with what was added since the last, and begins again.
   *
   * @returns The loss of the whole batch in its parts, at the weights before the step, read in one transfer.
   * @throws Error if nothing was added, it is called within a loss, or the optimizer evaluates the loss twice in a step; all
   *   variables are then as they were, and what was added still there.
   */
  async apply(): Promise<DecomposedLoss> {
    return this.#added.apply(this.#args.optimizer, this.#variables, 'add(…)');
  }

  /** Forgets the micro-batches since the last step; to be called where no `apply` follows. */
  dispose(): void {
    this.#added.dispose();
  }
}

function sizeOf(batch: readonly unknown[]): number {
  const sizes = batch.flatMap(sizesIn);
  const [size] = sizes;
  if (Number.isInteger(size) && size! > 0) return size!;
  throw new Error(
    `Expected the first tensor or number that \`add\` is given to tell how many samples the micro-batch has, got ` +
      `${size === undefined ? describe(batch[0]) : `the size ${size}`}. Call \`add(x)\` with the tensors of the ` +
      'micro-batch, or `add(32)`.',
  );
}

/** The numbers and the dimensions in a value; what counts is the first. */
function sizesIn(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  if (value instanceof Tensor) return (value as Tensor).shape;
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(sizesIn);
}
