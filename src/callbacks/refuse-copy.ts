import type { Callback } from '@tensorflow/tfjs-layers';
import { adoption } from '../host/run.js';
import { ONE_COPY } from '../host/trained-model.js';

/**
 * Refuses to go on where the host did not take a callback of ours as it is. To be called from `onTrainBegin`, before
 * anything of `this` is used.
 *
 * @param own - The class of the callback.
 * @param name - How the user wrote the callback.
 * @throws Error that says what to do.
 */
export function refuseCopy(receiver: unknown, own: new (...args: never[]) => Callback, name: string): void {
  const wrong = adoption(receiver, own);
  if (wrong === 'mixed') {
    throw new Error(
      `Expected \`callbacks\` to hold instances of tf.Callback only, got a plain object before \`${name}\`: ` +
        'TensorFlow.js does not take the two together. Write `new tf.CustomCallback({…})` around the plain object.',
    );
  }
  if (wrong === 'foreign') {
    throw new Error(`Expected \`${name}\` and the model to be of one tfjs-layers, got a second copy. ${ONE_COPY}`);
  }
}
