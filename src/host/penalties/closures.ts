import type { Scalar } from '@tensorflow/tfjs-core';
import { initializers, layers, regularizers } from '@tensorflow/tfjs-layers';
import type { Layer } from '../model/model.js';
import type { Regularizer } from '../model/regularizers.js';
import { shared } from '../patch.js';
import { withKerasAbs } from './kernels.js';

interface Subject {
  path: string;
  layer: Layer;
  added: true;
  kerasAbs: true;
}

/** What a penalty is about that is on another layer's list than that of the layer whose weight it penalises. */
const subjects = shared('subjects', () => new WeakMap<() => Scalar, Subject>());

/** What is known of a penalty that `addPenalty` made; `undefined` for any other. */
export const subjectOf = (closure: () => Scalar): Subject | undefined => subjects.get(closure);

/**
 * Adds a penalty to those that a layer answers with. The derivative of `abs` at 0 is Keras's in it.
 *
 * @param carrier - One of `layersWithPenalties`.
 * @param subject - The layer whose weight it penalises, and that layer's path.
 * @returns How to ask whether it is still there, and how to remove it.
 */
export function addPenalty(
  carrier: Layer,
  penalty: () => Scalar,
  subject: Pick<Subject, 'path' | 'layer'>,
): { isActive(): boolean; remove(): void } {
  const asInKeras = (): Scalar => withKerasAbs(penalty);
  subjects.set(asInKeras, { ...subject, added: true, kerasAbs: true });
  carrier.addLoss(asInKeras);
  const place = (): number => carrier.losses.indexOf(asInKeras);
  return { isActive: () => place() !== -1, remove: () => void carrier.losses.splice(place(), 1) };
}

/**
 * Whether a penalty only applies a regularizer to a weight, and returns what that gives: those that `addPenalty` made, and those
 * that the host makes, all from one line of code, by which they are known. A loss that was added by hand may have the same
 * text, and another regularizer or weight at each step: so what they are is to be asked anew each time.
 */
export function isOfRegularizer(closure: (() => Scalar) | undefined): closure is () => Scalar {
  if (closure === undefined) return false;
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
