import * as fs from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import {
  decomposedLoss,
  evaluate,
  regularizationTerms,
  trainStep,
  type DecomposedLoss,
  type DecomposedLossCallback,
  type RegularizationTerm,
} from 'tfjs-decomposed-loss';
import { registerKerasClasses } from 'tfjs-decomposed-loss/keras';
import { lossLogger, type LossLoggerArgs } from 'tfjs-decomposed-loss/node';
import { fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { tensorBoard, type TensorBoardArgs } from 'tfjs-decomposed-loss/tensorboard';

function check(right: boolean, expected: string, got: unknown): void {
  if (!right) throw new Error(`Expected ${expected}, got ${JSON.stringify(got)}.`);
}

function checkSum(loss: Pick<DecomposedLoss, 'total' | 'data' | 'regularization'>): void {
  const { total, data, regularization } = loss;
  check(regularization > 0 && Math.abs(total - data - regularization) < 1e-6, 'total = data + regularization', loss);
}

/** Trains with the library as an app has it, and checks what it reports. */
async function main(): Promise<void> {
  registerKerasClasses();
  const kernelRegularizer = tf.regularizers.l2({ l2: 0.1 });
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], kernelRegularizer })] });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  fuseRegularizers(model);
  const [x, y] = [tf.ones([4, 2]), tf.ones([4, 1])];
  const callback: DecomposedLossCallback = decomposedLoss({ breakdown: 'layer' });
  check(callback instanceof tf.Callback, "an instance of the app's own tf.Callback", "another copy's");
  const perBatch: LossLoggerArgs & Pick<TensorBoardArgs, 'logKeys'> = {
    updateFreq: 'batch',
    format: 'jsonl',
    append: false,
  };
  const csv = lossLogger('losses.csv', { append: false });
  const callbacks = [callback, csv, lossLogger('batches.jsonl', perBatch)];
  const { history } = await model.fit(x, y, { epochs: 2, verbose: 0, callbacks });
  const at = (key: string, epoch: number): number => Number(history[key]?.[epoch]);
  for (const epoch of [0, 1]) {
    const regularization = at('regularization_loss', epoch);
    checkSum({ total: at('loss', epoch), data: at('data_loss', epoch), regularization });
  }
  const log = fs.readFileSync('losses.csv', 'utf8').split('\n');
  check(
    log.length === 4 && log[0]!.startsWith('epoch,loss,data_loss,regularization_loss'),
    'a header and two rows',
    log,
  );
  checkSum(await trainStep(model, x, y));
  checkSum(await evaluate(model, x, y));
  const terms: RegularizationTerm[] = regularizationTerms(model);
  check(terms.length === 1, 'one term', terms);
  const refused: unknown = await model
    .fit(x, y, { verbose: 0, callbacks: [decomposedLoss(), tensorBoard('logs')] })
    .catch((error: unknown) => String(error));
  check(String(refused).includes('Expected training on @tensorflow/tfjs-node'), 'a wish for tfjs-node', refused);
}

main().then(
  () => console.log(`Trained on TensorFlow.js ${tf.version.tfjs}`),
  (error: unknown) => {
    throw error;
  },
);
