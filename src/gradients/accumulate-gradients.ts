import { dispose, keep, variableGrads, type Scalar, type Tensor, type Variable } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { compilationOf } from '../host/model/model.js';
import { compiledModel } from '../host/model/trained-model.js';
import { observeLoss, type LossOnTape } from '../host/step/loss-on-tape.js';
import { disposeParts, foreignStep, keepParts, type StepLoss } from '../host/step/step.js';
import { pinningWeights } from '../loss/loss-term.js';
import { stepTensors, type DecomposedLoss } from '../loss/parts.js';
import type { BatchWeights } from '../loss/train-step.js';
import type { NamedTensors } from '../util/arguments.js';
import { AccumulatedLoss, type AccumulateLossArgs } from './accumulated-loss.js';
import { keptGradients, MicroBatches } from './micro-batches.js';
import { gradientPass } from './gradient-pass.js';

/**
 * One optimizer step on a batch that is too large for the memory, in micro-batches.
 *
 * ```js
 * const accumulated = accumulateGradients(model);
 * for (const { x, y } of microBatches) await accumulated.add(x, y);
 * const loss = await accumulated.apply();
 * ```
 *
 * Your own loss is called with the arguments of `add`:
 *
 * ```js
 * const accumulated = accumulateGradients({ loss: (x) => ({ reconstruction, kl }), models: vae, optimizer });
 * for (const x of microBatches) await accumulated.add(x);
 * const loss = await accumulated.apply();
 * ```
 *
 * The step is the one on all samples at once: gradients and losses are means over the micro-batches by their size, so the
 * micro-batches may differ in size, and the penalty counts once, however many there are. What differs: dropout draws anew for
 * each micro-batch, and a batch normalization normalizes each by its own statistics, and moves the moving ones for each.
 * Metrics are means by size too, so for example a precision differs from that over the whole batch. Your own loss function must
 * return values whose mean, not sum, is the loss.
 *
 * @param model - A compiled model, or your own loss with the models and the optimizer that it is for.
 * @returns An object for any number of steps, one after the other.
 * @throws Error if the model is not compiled, or an argument is not understood.
 */
export function accumulateGradients(model: LayersModel): AccumulatedGradients;
export function accumulateGradients<Batch extends unknown[]>(args: AccumulateLossArgs<Batch>): AccumulatedLoss<Batch>;
export function accumulateGradients<Batch extends unknown[]>(
  model: LayersModel | AccumulateLossArgs<Batch>,
): AccumulatedGradients | AccumulatedLoss<Batch> {
  return isPlainObject(model) ? new AccumulatedLoss(model) : new AccumulatedGradients(model);
}

const isPlainObject = <T extends object>(value: LayersModel | T): value is T => value?.constructor === Object;

/** What `accumulateGradients` returns for a compiled model. It holds one tensor a weight, and the losses, while there are micro-batches in it. */
export class AccumulatedGradients {
  readonly #model: LayersModel;
  readonly #added = new MicroBatches();
  #variables: Variable[] = [];
  /** What `compile` made when the last micro-batch was added: each call of it makes a new one. */
  #compiled: unknown;

  constructor(model: LayersModel) {
    compiledModel(model);
    this.#model = model;
  }

  /** How many samples the micro-batches since the last step have. */
  get samples(): number {
    return this.#added.samples;
  }

  /**
   * Adds a micro-batch: one forward and one backward pass of the host's own step, at the current weights. Nothing is read
   * from the backend.
   *
   * @param x - The inputs, first dimension the micro-batch. Not disposed.
   * @param y - The targets. Not disposed.
   * @param args - As of `trainStep`; class and sample weights act as they would in the whole batch.
   * @throws Error if they do not fit the model, or it was compiled since the first of them; model and what was added before are
   *   then as they were.
   */
  async add(x: NamedTensors, y: NamedTensors, args: BatchWeights = {}): Promise<void> {
    const trained = this.#trained();
    const { values, result, samples } = await gradientPass('accumulateGradients', trained, x, y, args, {
      take: (loss, variables) => pinningWeights(this.#added.weights, () => takeGradients(trained, loss, variables)),
      disposeResult: ({ gradients, step }) => {
        dispose([...gradients.values()]);
        disposeParts(step);
      },
      restoresWeights: false,
    });
    this.#added.add(result.gradients, stepTensors(trained, values, result.step), samples);
    this.#variables = result.variables;
    this.#compiled = compilationOf(trained);
  }

  /**
   * Makes one optimizer step with what was added since the last, and begins again. It is the optimizer's own `minimize`: one that
   * clips gradients, or scales the loss, does so once.
   *
   * @returns The loss of the whole batch in its parts, at the weights before the step, read in one transfer.
   * @throws Error if nothing was added, it is called within a loss, the model was compiled since, or the optimizer evaluates the
   *   loss twice in a step; the model is then as it was, and what was added still there.
   */
  async apply(): Promise<DecomposedLoss> {
    return this.#added.apply(this.#trained().optimizer, this.#variables, 'add(x, y)');
  }

  /** @throws Error where it was compiled anew since the first micro-batch: that one's losses and metrics are others. */
  #trained(): LayersModel {
    const trained = compiledModel(this.#model);
    if (this.samples === 0 || compilationOf(trained) === this.#compiled) return trained;
    throw new Error(
      `Expected \`${this.#model.name}\` to be compiled as when the micro-batches were added, got one that was compiled since. ` +
        'Call `apply()` before `compile`, or `dispose()` to begin anew.',
    );
  }

  /** Forgets the micro-batches since the last step; to be called where no `apply` follows. */
  dispose(): void {
    this.#added.dispose();
  }
}

interface Taken {
  gradients: Map<string, Tensor>;
  variables: Variable[];
  step: StepLoss;
}

/** The gradients of a micro-batch before the optimizer does anything to them, and the loss in its parts. */
function takeGradients(
  model: LayersModel,
  loss: () => Scalar,
  variables: Variable[],
): { total: Scalar; result: Taken } {
  const steps: StepLoss[] = [];
  const take = (parts: LossOnTape): void => void steps.push(keepParts(parts));
  try {
    const { value, grads } = variableGrads(() => observeLoss(model, loss, take), variables);
    const [step] = steps;
    if (step === undefined) throw foreignStep(model, 'No step was made.');
    return { total: keep(value), result: { gradients: keptGradients(grads), variables, step } };
  } catch (error) {
    steps.forEach(disposeParts);
    throw error;
  }
}
