/** Overfits a few of MNIST's digits and draws the result in TensorBoard: training next to validation, the penalty by layer. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { History, LayersModel } from '@tensorflow/tfjs';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import { tensorBoard } from 'tfjs-decomposed-loss/tensorboard';
import { tf } from '../backend.js';
import { batch, loadDigits } from '../mnist.js';
import { numberArgument, runIfMain } from '../run.js';

function digitReader(): LayersModel {
  const kernelRegularizer = tf.regularizers.l2({ l2: 0.001 });
  const model = tf.sequential({
    layers: [
      tf.layers.flatten({ inputShape: [28, 28, 1] }),
      tf.layers.dense({ name: 'strokes', units: 128, activation: 'relu', kernelRegularizer }),
      tf.layers.dense({ name: 'shapes', units: 64, activation: 'relu', kernelRegularizer }),
      tf.layers.dense({ name: 'digits', units: 10, activation: 'softmax', kernelRegularizer }),
    ],
  });
  model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  return model;
}

export async function main({ epochs = 20, digits = 2000, logDir = '' } = {}): Promise<{
  folder: string;
  history: History;
}> {
  const folder = logDir || mkdtempSync(join(tmpdir(), 'tensorboard-'));
  const training = batch(loadDigits('train'), 0, digits);
  const validation = batch(loadDigits('t10k'), 0, digits / 2);

  const history = await digitReader().fit(training.xs, training.ys, {
    epochs,
    batchSize: 64,
    validationData: [validation.xs, validation.ys],
    callbacks: [decomposedLoss({ breakdown: 'layer' }), tensorBoard(folder, { updateFreq: 'batch' })],
  });

  tf.dispose([training, validation]);
  console.log(`\nThe event files are in ${folder}. To look at them:

  pip install tensorboard
  tensorboard --logdir ${folder}

and open http://localhost:6006/#timeseries: each loss has one chart, with the curves \`train\` and \`validation\`;
\`regularization_loss\` has one more per layer; charts that begin with \`batch_\` have one value per batch. The tag filter
^(data|regularization|total)_loss shows the losses by epoch together.`);
  return { folder, history };
}

/** The folder after `--logs` on the command line, if there is one. */
function logFolder(): string | undefined {
  const place = process.argv.indexOf('--logs');
  return place === -1 ? undefined : process.argv[place + 1];
}

runIfMain(module, () =>
  main({ epochs: numberArgument('epochs'), digits: numberArgument('digits'), logDir: logFolder() }),
);
