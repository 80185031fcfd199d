import { UnusableInput, reason } from './unusable.js';

/**
 * Loads TensorFlow.js with its own CPU backend, which needs nothing but JavaScript.
 *
 * @throws UnusableInput if it is not installed.
 */
export async function loadTensorFlow(): Promise<void> {
  const tf = await import('@tensorflow/tfjs').catch((error: unknown) => {
    throw new UnusableInput(
      `Expected @tensorflow/tfjs to be installed, and it does not load: ${reason(error)}. ` +
        'Run `npm install @tensorflow/tfjs`.',
    );
  });
  await tf.setBackend('cpu');
  await tf.ready();
}
