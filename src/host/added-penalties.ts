import type { Scalar } from '@tensorflow/tfjs-core';
import { withKerasAbs } from './abs.js';
import type { Layer } from './model.js';
import { shared } from './patch.js';

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
