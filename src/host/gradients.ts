import { dispose, engine, scalar, type Scalar, type Tensor, type Variable } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { RANK, patch } from './patch.js';

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
  const restore = patch(optimizer, 'minimize', RANK.update, (_minimize, loss, _returnCost, variables) =>
    instead(loss, variables!),
  );
  try {
    return step();
  } finally {
    restore();
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
    dispose(engine().gradients(passed, [nothing], undefined, true).grads);
    return result!.value;
  } finally {
    nothing.dispose();
  }
}

/**
 * The gradients of a scalar on the tape that runs, which is not used up by it. To be called within `unrecorded`, or the
 * backward pass is on the tape too.
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

/** Whether a tensor was made in the scope that is active, and is nobody's yet. */
export const isOfThisScope = ({ kept, scopeId }: Tensor): boolean => !kept && scopeId === engine().state.activeScope.id;

/** Whether gradients are being taken: a loss is running. */
export const isInLoss = (): boolean => engine().state.gradientDepth > 0;

/**
 * Disposes what the tape of something that threw has saved, which the host forgets.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/engine.ts#L1142-L1152 | Engine.gradients}
 */
export function disposeTape(): void {
  const { state } = engine();
  state.activeTape?.forEach(({ saved }) => dispose(saved ?? []));
  state.activeTape = null!;
}

/**
 * Runs something that takes gradients, not within a loss. Where it throws, all tensors that it made are disposed, also what its
 * tape has saved, and gradients that an optimizer did not come to dispose. What is kept stays.
 */
export function disposingOnThrow<T>(run: () => T): T {
  const { state } = engine();
  engine().startScope('gradients');
  const made: Tensor[] = state.activeScope.track;
  let passedOn: Tensor[] = [];
  try {
    const result = run();
    passedOn = made;
    return result;
  } catch (error) {
    disposeTape();
    throw error;
  } finally {
    engine().endScope(passedOn);
  }
}

/** Hands kept tensors over to the tidy that is active, or to the caller where there is none. */
export function handOver(tensors: readonly Tensor[]): void {
  const { activeScope } = engine().state as { activeScope: { id: number; track: Tensor[] } | null };
  for (const tensor of tensors) {
    tensor.kept = false;
    if (!activeScope) continue;
    tensor.scopeId = activeScope.id;
    activeScope.track.push(tensor);
  }
}
