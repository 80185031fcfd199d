import { initializers, layers, regularizers } from '@tensorflow/tfjs-layers';
import type { Scalar } from '@tensorflow/tfjs-core';
import { subjectOf } from './added-penalties.js';
import type { Layer } from './model.js';
import type { Regularizer } from './regularizers.js';

/**
 * Whether a penalty only applies a regularizer to a weight, and returns what that gives: those that `addPenalty` made, and those
 * that the host makes, all from one line of code, by which they are known. A loss that was added by hand may have the same
 * text, and another regularizer or weight at each step: so what they are is to be asked anew each time.
 */
export function isOfRegularizer(closure: () => Scalar): boolean {
  if (subjectOf(closure) !== undefined) return true;
  const known = areHosts.get(closure) ?? String(closure) === (hostCode ??= findHostCode());
  areHosts.set(closure, known);
  return known;
}

const areHosts = new WeakMap<() => Scalar, boolean>();

let hostCode: string | undefined;

/** Makes a weight under a name of its own, and of zeros: the user's automatic names are counted, and random values are drawn. */
function findHostCode(): string {
  const name = 'tfjs_decomposed_loss_probe';
  const layer = layers.activation({ name, activation: 'linear' }) as unknown as WeightMaker;
  layer.addWeight(name, [], 'float32', initializers.zeros(), regularizers.l2()).dispose();
  return String(layer.losses[0]);
}

/** A layer with the method by which it makes its weights, which is protected in the host's types. */
interface WeightMaker extends Pick<Layer, 'losses'> {
  addWeight(
    name: string,
    shape: readonly number[],
    dtype: 'float32',
    initializer: ReturnType<typeof initializers.zeros>,
    regularizer: Regularizer,
  ): Layer['weights'][number];
}
