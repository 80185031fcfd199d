/** Trains until it is killed, logs every batch to a file, and says after each row how many there are. */
import { writeSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import { lossLogger } from 'tfjs-decomposed-loss/node';

let rows = 0;
class Counter extends tf.Callback {
  override async onBatchEnd() {
    writeSync(1, `${++rows}\n`);
  }
}

async function main(path: string) {
  const kernelRegularizer = tf.regularizers.l2({ l2: 0.1 });
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], kernelRegularizer })] });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  const callbacks = [decomposedLoss(), lossLogger(path, { updateFreq: 'batch' }), new Counter()];
  await model.fit(tf.ones([64, 2]), tf.ones([64, 1]), { epochs: 1e9, batchSize: 1, verbose: 0, callbacks });
}

void main(process.argv[2]!);
