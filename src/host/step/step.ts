import { Tensor, clone, dispose, keep, type Optimizer, type Scalar, type Variable } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { isOfThisScope, unrecorded } from '../gradients.js';
import { internals } from '../model/model.js';
import { RANK, onAssign, patch } from '../patch.js';
import { inParts, watchPenalties, type LossOnTape } from './loss-on-tape.js';

/** The loss of a step in its parts: kept scalars, which whoever has them disposes. */
export type StepLoss = Omit<LossOnTape, 'total'>;

/** Keeps the parts of a loss beyond its step, without an operation where they are the step's own. */
export const keepParts = ({ total, data, ofOutputs, terms, penalties }: LossOnTape): StepLoss =>
  unrecorded(() => {
    const kept = data === total ? keep(clone(data)) : keptOrCopied(data);
    return {
      data: kept,
      ofOutputs: ofOutputs === data ? kept : keptOrCopied(ofOutputs),
      terms: terms.map((term) => ({ ...term, value: keptOrCopied(term.value) })),
      penalties: penalties.map(keptOrCopied),
    };
  });

/** A copy where a scalar is not the step's to give away, or was given already. */
export const keptOrCopied = (scalar: Scalar): Scalar => keep(isOfThisScope(scalar) ? scalar : clone(scalar));

export const disposeParts = ({ data, ofOutputs, terms, penalties }: StepLoss): void =>
  dispose([data, ofOutputs, ...terms.map(({ value }) => value), ...penalties]);

/** What is taken from each step under watch. */
export interface StepObserver<T> {
  /** Whether to hand over each penalty by itself also where they are fused. */
  each?: boolean;
  /** @param variables - The weights that were trainable at `compile`. */
  take: (loss: LossOnTape, variables: readonly Variable[]) => T;
  /** Disposes what was taken. */
  discard: (taken: T) => void;
}

/** A watch over the steps of a model. */
export interface StepWatch<T> {
  /**
   * What was taken from the step that returned this total, or, where it was read already, from the only step there was; what other
   * steps left is discarded. `undefined` where there was no such step, or the total is no sum of a mean and of penalties.
   */
  of(total: unknown): T | undefined;
  /** Ends the watch, restores the model, and discards what is left. */
  end(): void;
}

/** One evaluation of a loss, and what was taken from it. */
interface Evaluation<T> {
  total: Scalar;
  taken: T;
}

/** The evaluation that returned a total, or what that is a copy of. */
function evaluationOf<T>(total: unknown, all: ReadonlyArray<Evaluation<T>>): Evaluation<T> | undefined {
  const { dataId } = (total ?? {}) as Partial<Tensor>;
  return all.find((one) => one.total.dataId === dataId);
}

/**
 * Watches the steps of a model from inside: those of `fit`, and those that loops, callbacks or metrics make meanwhile. An
 * optimizer may evaluate the loss more than once in a step: what counts is the evaluation whose total it returns.
 */
export function watchSteps<T>(model: LayersModel, { each = false, take, discard }: StepObserver<T>): StepWatch<T> {
  let all: Array<Evaluation<T>> = [];
  const releases = new Map<Optimizer, () => void>();
  const follow = (optimizer: Optimizer): void => {
    if (!releases.has(optimizer)) releases.set(optimizer, patch(optimizer, 'minimize', RANK.watch, observed));
  };
  const observed = (
    minimize: Optimizer['minimize'],
    ...[loss, returnCost, variables]: Parameters<Optimizer['minimize']>
  ): Scalar | null => {
    const evaluations: Array<Evaluation<T>> = [];
    let step: Evaluation<T> | undefined;
    const observedLoss = (): Scalar =>
      inParts(model, each, loss, (parts) =>
        evaluations.push({ total: parts.total, taken: take(parts, variables ?? []) }),
      );
    try {
      const total = minimize(observedLoss, returnCost, variables);
      step = evaluationOf(total, evaluations);
      if (step) all.push(step);
      return total;
    } finally {
      evaluations.filter((one) => one !== step).forEach(({ taken }) => discard(taken));
    }
  };
  const stopPenalties = watchPenalties(model);
  follow(model.optimizer);
  // A callback may compile the model between the beginning of the watch and the step.
  const stopFollowing = onAssign(internals(model), 'optimizer_', follow);
  const clear = (): void => {
    all.forEach(({ taken }) => discard(taken));
    all = [];
  };
  return {
    of(total) {
      const found = total instanceof Tensor ? evaluationOf(total, all) : all.find(() => all.length === 1);
      all = all.filter((one) => one !== found);
      clear();
      return found?.taken;
    },
    end() {
      stopFollowing();
      releases.forEach((release) => release());
      stopPenalties();
      clear();
    },
  };
}

/**
 * What to say of a step whose loss is of another form.
 *
 * @param consequence - What the step did all the same.
 */
export const foreignStep = ({ name }: LayersModel, consequence: 'The step was made.' | 'No step was made.'): Error =>
  new Error(
    `Expected the training step of \`${name}\` to hand the sum of data loss and penalties to \`optimizer.minimize\`, as that ` +
      `of tf.LayersModel does, got a step that does not. ${consequence} A model class with a training step of its own, or a ` +
      'tfjs-layers with another one, cannot be watched.',
  );
