import { decomposedLoss } from 'tfjs-decomposed-loss';
import { enforceRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../../examples/backend.js';
import { digitsFrom, fitArgs } from '../../examples/browser/digits.js';
import { mnistSample } from '../../examples/browser/mnist-sample.js';
import { digitModel, type ModelName } from '../../examples/browser/model.js';
import { TRAINING, VALIDATION } from '../../examples/browser/sample.js';

const KEYS = ['loss', 'data_loss', 'regularization_loss', 'val_total_loss', 'val_data_loss', 'val_regularization_loss'];

/** By key, one number an epoch. */
async function train(name: ModelName, epochs: number, enforced = false): Promise<Record<string, unknown>> {
  const data = digitsFrom(mnistSample(TRAINING + VALIDATION));
  const model = digitModel(name);
  if (enforced) enforceRegularizers(model);
  const { history } = await model.fit(data.training.xs, data.training.ys, {
    ...fitArgs(data, epochs),
    callbacks: decomposedLoss(),
  });
  return Object.fromEntries(KEYS.map((key) => [key, history[key]]));
}

/** Trains the page's models outside of a browser, on tfjs-node where it works. */
export async function trainOutside(): Promise<Record<string, unknown>> {
  await tf.ready();
  const [dense, convolutional] = [await train('dense', 3), await train('convolutional', 1)];
  return { backend: tf.getBackend(), dense, convolutional, lstm: await train('lstm', 1, true) };
}
