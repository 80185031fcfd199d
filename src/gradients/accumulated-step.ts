import { customGrad, mul, reshape, slice, tidy } from '@tensorflow/tfjs-core';
import type { Optimizer, Scalar, Tensor, Variable } from '@tensorflow/tfjs-core';
import { disposingOnThrow } from '../host/gradients.js';
import { variablesByName } from '../host/model/optimizer.js';
import { rememberVariables } from '../host/model/weights.js';
import { describe } from '../util/arguments.js';

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
