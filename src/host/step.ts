import {
  clone,
  dispose,
  engine,
  keep,
  type Optimizer,
  type Scalar,
  type Tensor,
  type Variable,
} from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { unrecorded } from './gradients.js';
import { internals } from './model.js';
import { RANK, patch, shared } from './patch.js';

/** What the loss of a step is made of, while the gradient tape holds it: total = data + penalties. Only to be read. */
export interface LossOnTape {
  total: Scalar;
  /** Class-weighted mean over the batch, summed over the outputs. */
  data: Scalar;
  /** One float32 scalar a penalty, in the order of `appliedPenalties`, or the sum of several where those are fused. */
  penalties: Scalar[];
}

/** One evaluation of a model's loss under watch. */
interface Pass {
  model: LayersModel;
  /** Whether an observer wants fused penalties one by one too. */
  each: boolean;
  /** What each call of the model's `calculateLosses` returned, whoever made it. */
  calls: Scalar[][];
  /** What each sum of fused penalties is made of, kept, by the id of the sum. */
  parts: Map<number, Scalar[]>;
}

const passes = shared<Pass[]>('passes', () => []);

/** The evaluation of a loss under watch that is running now. */
export const currentPass = (): Pass | undefined => passes.at(-1);

/** What an observer of losses wants. */
export interface Observer {
  /** Whether to hand over each penalty by itself also where they are fused. */
  each?: boolean;
  /** Is given the parts of a loss, which are gone when the step is over. Not called for a loss of another form. */
  take: (loss: LossOnTape) => void;
}

/**
 * Runs the loss of a model's step and hands over its parts, while the gradient tape still holds all of it.
 *
 * The parts are those that the total was made of, found on the tape: from the total down the left operands of `Add` to the
 * `Mean` of the data loss; the right operands are the penalties. So it does not matter who else calls `calculateLosses` in
 * the step, a metric, a loss function or the optimizer. Nothing is computed or read for it.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1364-L1369 | the step}
 */
export function observeLoss(model: LayersModel, loss: () => Scalar, { each = false, take }: Observer): Scalar {
  const stop = watchPenalties(model);
  try {
    return inPass(model, each, (pass) => {
      const total = loss();
      const parts = splitTotal(total, pass, each);
      if (parts) take(parts);
      return total;
    });
  } finally {
    stop();
  }
}

/** Notes what `calculateLosses` of a model returns in its passes, until released. */
const watchPenalties = (model: LayersModel): (() => void) =>
  patch(
    internals(model),
    'calculateLosses',
    RANK.watch,
    (inner) =>
      function (this: unknown) {
        const penalties = inner.call(this);
        const pass = passes.filter((one) => one.model === model).at(-1);
        pass?.calls.push(penalties);
        return penalties;
      },
  );

/** Several observers of one evaluation share its pass. */
function inPass<T>(model: LayersModel, each: boolean, run: (pass: Pass) => T): T {
  const outer = currentPass();
  if (outer?.model === model) {
    outer.each ||= each;
    return run(outer);
  }
  const pass: Pass = { model, each, calls: [], parts: new Map() };
  passes.push(pass);
  try {
    return run(pass);
  } finally {
    passes.splice(passes.lastIndexOf(pass), 1);
    dispose([...pass.parts.values()]);
  }
}

/**
 * @param each - Whether this observer wants fused penalties one by one; those have no gradient.
 * @returns `undefined` where the total is not the sum of a mean and of what one call of `calculateLosses` returned.
 */
function splitTotal(total: Scalar, { calls, parts }: Pass, each: boolean): LossOnTape | undefined {
  const tape = engine().state.activeTape ?? [];
  const penalties: Scalar[] = [];
  let sum: Tensor = total;
  for (let entry = tape.length - 1; entry >= 0; entry -= 1) {
    const { kernelName, inputs, outputs } = tape[entry]!;
    if (outputs[0]?.id !== sum.id) continue;
    if (kernelName === 'Mean' && sum.rank === 0) {
      const all = penalties.reverse();
      if (!calls.some((returned) => areReturned(all, returned))) return undefined;
      return { total, data: sum as Scalar, penalties: each ? all.flatMap((one) => parts.get(one.id) ?? [one]) : all };
    }
    if (kernelName === 'Add') {
      penalties.push(inputs['b'] as Scalar);
      sum = inputs['a']!;
    } else if (kernelName === 'Cast') {
      sum = inputs['x']!;
    } else {
      return undefined;
    }
  }
  return undefined;
}

/** Whether some summands are what `calculateLosses` returned. To add an integer, the host casts both operands. */
function areReturned(summands: readonly Scalar[], returned: readonly Scalar[]): boolean {
  const tape = engine().state.activeTape;
  const original = (summand: Scalar): Tensor =>
    tape.find(({ kernelName, outputs }) => kernelName === 'Cast' && outputs[0] === summand)?.inputs['x'] ?? summand;
  return (
    summands.length === returned.length &&
    summands.every((summand, place) => summand === returned[place] || original(summand) === returned[place])
  );
}

/** The loss of a step in its parts: kept scalars, which whoever has them disposes. */
export interface StepLoss {
  data: Scalar;
  penalties: Scalar[];
}

/** Keeps the parts of a loss beyond its step, without an operation where they are the step's own. */
export const keepParts = ({ total, data, penalties }: LossOnTape): StepLoss =>
  unrecorded(() => ({
    data: data === total ? keep(clone(data)) : keptOrCopied(data),
    penalties: penalties.map(keptOrCopied),
  }));

/** A copy where a scalar is not the step's to give away, or was given already. */
function keptOrCopied(scalar: Scalar): Scalar {
  const isOfThisStep = !scalar.kept && scalar.scopeId === engine().state.activeScope.id;
  return keep(isOfThisStep ? scalar : clone(scalar));
}

export const disposeParts = ({ data, penalties }: StepLoss): void => dispose([data, ...penalties]);

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
   * What was taken from the step that returned this total; what other steps left is discarded. `undefined` where there was no such
   * step, or the total is no sum of a mean and of penalties.
   */
  of(total: unknown): T | undefined;
  /** Ends the watch, restores the model, and discards what is left. */
  end(): void;
}

/**
 * Watches the steps of a model from inside: those of `fit`, and those that loops, callbacks or metrics make meanwhile. An
 * optimizer may evaluate the loss more than once in a step: what counts is the evaluation whose total it returns.
 */
export function watchSteps<T>(model: LayersModel, { each = false, take, discard }: StepObserver<T>): StepWatch<T> {
  let all: Array<{ total: Scalar; taken: T }> = [];
  const stopPenalties = watchPenalties(model);
  const stopSteps = patch(
    model.optimizer,
    'minimize',
    RANK.watch,
    (inner) =>
      function (this: Optimizer, loss, returnCost, variables) {
        const observed = (): Scalar =>
          inPass(model, each, (pass) => {
            const total = loss();
            const parts = splitTotal(total, pass, each);
            if (parts) all.push({ total, taken: take(parts, variables ?? []) });
            return total;
          });
        return inner.call(this, observed, returnCost, variables);
      },
  );
  const clear = (): void => {
    all.forEach(({ taken }) => discard(taken));
    all = [];
  };
  return {
    of(total) {
      const { id, dataId } = (total ?? {}) as Partial<Tensor>;
      const found = all.find((one) => one.total.id === id) ?? all.find((one) => one.total.dataId === dataId);
      all = all.filter((one) => one !== found);
      clear();
      return found?.taken;
    },
    end() {
      stopSteps();
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
