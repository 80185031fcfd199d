import { engine, type Tensor } from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import type { Layer } from './model.js';

/**
 * A layer that penalises what passes through it. Its first loss has a value only within a forward pass that it knows to
 * be watched, and is 0 otherwise.
 */
export interface ActivityLayer extends Layer {
  readonly l1: number;
  readonly l2: number;
  /** How many watched evaluations use the layer. */
  evaluations: number;
}

/** By its members, because the ESM and the CommonJS build of this library can meet in one program. */
export const isActivityLayer = (value: unknown): value is ActivityLayer =>
  value instanceof layers.Layer && value.getClassName() === 'ActivityRegularization' && 'evaluations' in value;

/** Whether the activities of the forward pass that runs may be needed: gradients are taken, or an evaluation is watched. */
export const isPassWatched = ({ evaluations }: { evaluations: number }): boolean =>
  engine().isTapeOn() || evaluations > 0;

/**
 * Lets a tensor that was made within a layer live until the forward pass around it is over, however it ends: nested
 * models and wrappers tidy up after each of their calls, before the step adds its penalties.
 *
 * @param tensor - Made in the scope that is active.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/engine.ts#L1114-L1116 | Engine.gradients}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/container.ts#L739 | Container.call}
 */
export function keepForPass<T extends Tensor>(tensor: T): T {
  const { activeScope, scopeStack } = engine().state;
  const pass = scopeStack.filter(({ name }) => engine().isTapeOn() && name === 'forward').at(-1) ?? scopeStack[0]!;
  activeScope.track = activeScope.track.filter((other) => other !== tensor);
  pass.track.push(tensor);
  tensor.scopeId = pass.id;
  return tensor;
}
