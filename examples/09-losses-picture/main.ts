/**
 * Trains on a few MNIST digits, and draws what the loss was made of: the picture in the README, `docs/losses.svg`.
 *
 *     npx tsx examples/09-losses-picture/main.ts
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Sequential } from '@tensorflow/tfjs';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import { plotLosses } from 'tfjs-decomposed-loss/charts';
import { tf } from '../backend.js';
import { batch, loadDigits } from '../mnist.js';
import { numberArgument, runIfMain } from '../run.js';

/** Seeded, so that the picture comes out the same. */
function digitReader(): Sequential {
  const regularized = (seed: number) => ({
    kernelInitializer: tf.initializers.glorotUniform({ seed }),
    kernelRegularizer: tf.regularizers.l2({ l2: 0.002 }),
  });
  const model = tf.sequential({
    layers: [
      tf.layers.flatten({ inputShape: [28, 28, 1] }),
      tf.layers.dense({ name: 'strokes', units: 64, activation: 'relu', ...regularized(1) }),
      tf.layers.dense({ name: 'shapes', units: 32, activation: 'relu', ...regularized(2) }),
      tf.layers.dense({ name: 'digits', units: 10, activation: 'softmax', ...regularized(3) }),
    ],
  });
  model.compile({ optimizer: tf.train.adam(0.003), loss: 'categoricalCrossentropy' });
  return model;
}

export async function main({ epochs = 15, path = join(__dirname, '../../docs/losses.svg') } = {}): Promise<string> {
  const [training, validation] = [batch(loadDigits('train'), 0, 600), batch(loadDigits('t10k'), 0, 1000)];
  const history = await digitReader().fit(training.xs, training.ys, {
    epochs,
    shuffle: false,
    verbose: 0,
    validationData: [validation.xs, validation.ys],
    callbacks: [decomposedLoss({ breakdown: 'layer' })],
  });
  tf.dispose([training, validation]);
  const svg = plotLosses(history, { title: '600 digits of MNIST, with L2' });
  writeFileSync(path, svg);
  console.log(`Wrote ${path}`);
  return svg;
}

runIfMain(module, () => main({ epochs: numberArgument('epochs') }));
