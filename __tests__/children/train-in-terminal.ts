/**
 * Trains for two epochs with the host's progress bar; arguments: `acc` for an accuracy, `parts` for `decomposedLoss()`, `great`
 * for great losses, `dataset` for `fitDataset`, `verbose` for a line an epoch of ours.
 */
import * as tf from '@tensorflow/tfjs-node';
import { decomposedLoss } from 'tfjs-decomposed-loss';

async function main(options: string[]) {
  const kernelRegularizer = tf.regularizers.l2({ l2: 0.1 });
  const layer = tf.layers.dense({ units: 1, inputShape: [2], kernelInitializer: 'ones', kernelRegularizer });
  const model = tf.sequential({ layers: [layer] });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd', metrics: options.includes('acc') ? ['acc'] : [] });
  const rows = Array.from({ length: 16 }, (_, index) => [index / 16, 0.5]);
  const size = options.includes('great') ? 1e6 : 1;
  const targets = rows.map(([first]) => [(1 + first!) * size]);
  const [x, y] = [tf.tensor2d(rows), tf.tensor2d(targets)];
  const callbacks = options.includes('parts') ? [decomposedLoss({ verbose: options.includes('verbose') })] : [];
  if (options.includes('dataset')) {
    const dataset = tf.data.zip({ xs: tf.data.array(rows), ys: tf.data.array(targets) }).batch(4);
    await model.fitDataset(dataset, { epochs: 2, callbacks });
  } else {
    await model.fit(x, y, { epochs: 2, batchSize: 4, validationSplit: 0.25, callbacks });
  }
}

void main(process.argv.slice(2));
