/** Trains in a worker, and posts the logs of each batch and epoch. */
import { parentPort } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import { decomposedLoss } from 'tfjs-decomposed-loss';

async function main() {
  const kernelRegularizer = tf.regularizers.l2({ l2: 0.1 });
  const layer = tf.layers.dense({ name: 'out', units: 1, inputShape: [2], kernelRegularizer });
  const model = tf.sequential({ layers: [layer] });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  const posting = new tf.CustomCallback({
    onBatchEnd: (batch, logs) => parentPort!.postMessage({ batch, logs }),
    onEpochEnd: (epoch, logs) => parentPort!.postMessage({ epoch, logs }),
  });
  await model.fit(tf.ones([8, 2]), tf.ones([8, 1]), {
    ...{ epochs: 3, batchSize: 2, verbose: 0, validationSplit: 0.25 },
    callbacks: [decomposedLoss({ breakdown: 'weight' }), posting],
  });
}

void main();
