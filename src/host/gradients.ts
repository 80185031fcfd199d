import { engine, scalar, type Optimizer, type Scalar, type Tensor, type Variable } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { putBack } from './model.js';
import { watchSteps, type ObservedStep } from './step-watch.js';

/**
 * Runs the host's training step up to the update: its loss goes to `instead`, and not to the optimizer.
 *
 * @param instead - Takes the loss, to be called once, and the weights that were trainable at `compile`; gives the loss's
 *   value back to the step.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1374-L1378 | the step}
 */
export function withoutUpdate<T>(
  { optimizer }: LayersModel,
  instead: (loss: () => Scalar, variables: Variable[]) => Scalar,
  step: () => T,
): T {
  const before = Object.getOwnPropertyDescriptor(optimizer, 'minimize');
  optimizer.minimize = (loss, _returnCost, variables) => instead(loss, variables!);
  try {
    return step();
  } finally {
    putBack(optimizer, 'minimize', before);
  }
}

/**
 * Wraps the loss of every step that an optimizer makes, of whatever model, until released.
 *
 * @param around - Takes the loss and the weights, and gives the loss that is minimised.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/optimizers/optimizer.ts#L61 | Optimizer.minimize}
 */
export function wrapLoss(optimizer: Optimizer, around: Wrapper): () => void {
  const host: Wrapped = optimizer;
  const wrap = host.minimize[WRAP] ?? startWrap(host);
  wrap.wrappers.add(around);
  return () => {
    if (wrap.wrappers.delete(around) && wrap.wrappers.size === 0) wrap.restore();
  };
}

/** As with a watch of steps, those who wrap come and go in any order, and share one change of the optimizer. */
const WRAP = Symbol.for('tfjs-decomposed-loss.wrap');

type Wrapper = (loss: () => Scalar, variables: Variable[]) => () => Scalar;

interface Wrap {
  wrappers: Set<Wrapper>;
  restore: () => void;
}

interface Wrapped {
  minimize: Optimizer['minimize'] & { [WRAP]?: Wrap };
}

function startWrap(host: Wrapped): Wrap {
  const before = Object.getOwnPropertyDescriptor(host, 'minimize');
  const { minimize } = host;
  const wrap: Wrap = { wrappers: new Set(), restore: () => putBack(host, 'minimize', before) };
  const wrapped: Optimizer['minimize'] = function (this: Optimizer, loss, returnCost, variables) {
    const outermost = [...wrap.wrappers].reduce((inner, around) => around(inner, variables ?? []), loss);
    return minimize.call(this, outermost, returnCost, variables);
  };
  host.minimize = Object.assign(wrapped, { [WRAP]: wrap });
  return wrap;
}

/**
 * Runs the loss of a model's step and tells what it is made of, while the gradient tape still holds all of it.
 *
 * @param heard - Is given the parts, which it may only read: they are gone when the pass is over. Not called for the loss
 *   of something else.
 */
export function observeLoss(model: LayersModel, loss: () => Scalar, heard: (step: ObservedStep) => void): Scalar {
  const steps: ObservedStep[] = [];
  const release = watchSteps(model, (step) => steps.push(step));
  try {
    const total = loss();
    if (steps[0]) heard(steps[0]);
    return total;
  } finally {
    release();
    // What a watch keeps was made in the scope that is active, which then disposes it as if nobody had watched.
    for (const { data, penalties } of steps) [data, ...penalties].forEach((part) => (part.kept = false));
  }
}

/**
 * Runs a forward pass on a gradient tape, for `gradientsOnTape` within it; nothing is differentiated by itself.
 *
 * @returns What `pass` returns. Of the tensors that it makes, those live on that it keeps.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/engine.ts#L1105 | Engine.gradients}
 */
export function onTape<T>(pass: () => T): T {
  let result: { value: T } | undefined;
  const nothing = scalar(0);
  const passed = (): Scalar => {
    result = { value: pass() };
    return nothing;
  };
  try {
    engine().gradients(passed, [nothing], undefined, true);
    return result!.value;
  } finally {
    nothing.dispose();
  }
}

/**
 * The gradients of a scalar on the tape that runs, which is not used up by it. To be called within `unrecorded`, or the
 * backward pass stands on the tape too.
 *
 * @returns One gradient a variable, none where the scalar does not depend on it; they belong to the active scope.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/engine.ts#L1144-L1152 | Engine.gradients},
 * which clears the tape of the outermost gradient only.
 */
export const gradientsOnTape = (value: Scalar, variables: readonly Variable[]): Array<Tensor | undefined> =>
  engine().gradients(() => value, [...variables], undefined, true).grads;

/**
 * Runs operations without recording them on the gradient tape that runs: they count as within a kernel.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/engine.ts#L1000-L1002 | Engine.isTapeOn}
 */
export function unrecorded<T>(operations: () => T): T {
  const { state } = engine();
  state.kernelDepth += 1;
  try {
    return operations();
  } finally {
    state.kernelDepth -= 1;
  }
}

/**
 * Has the optimizer make its update, as in the host's step.
 *
 * @param gradients - One entry a weight in the order of the host's step, also where there is no gradient: optimizers keep
 *   their moments by place.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/optimizers/optimizer.ts#L65-L68 | Optimizer.minimize}
 */
export function applyGradients({ optimizer }: LayersModel, gradients: Array<{ name: string; tensor?: Tensor }>): void {
  optimizer.applyGradients(gradients as Parameters<Optimizer['applyGradients']>[0]);
}
