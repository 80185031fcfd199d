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
import type { TensorBoardArgs } from 'tfjs-decomposed-loss/tensorboard';

function requireSum({ total, data, regularization }: DecomposedLoss): void {
  if (regularization > 0 && Math.abs(total - data - regularization) < 1e-6) return;
  throw new Error(`Expected ${total} to be the sum of ${data} and a penalty, got a penalty of ${regularization}.`);
}

async function main(): Promise<void> {
  registerKerasClasses();
  const kernelRegularizer = tf.regularizers.l2({ l2: 0.1 });
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], kernelRegularizer })] });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  const [x, y] = [tf.ones([4, 2]), tf.ones([4, 1])];
  const callback: DecomposedLossCallback = decomposedLoss({ breakdown: 'layer' });
  const perBatch: LossLoggerArgs & Pick<TensorBoardArgs, 'logKeys'> = {
    updateFreq: 'batch',
    format: 'jsonl',
    append: false,
  };
  const callbacks = [callback, lossLogger('batches.jsonl', perBatch)];
  const { history } = await model.fit(x, y, { epochs: 2, verbose: 0, callbacks });
  const at = (key: string, epoch: number): number => Number(history[key]?.[epoch]);
  for (const epoch of [0, 1]) {
    const regularization = at('regularization_loss', epoch);
    requireSum({
      total: at('loss', epoch),
      data: at('data_loss', epoch),
      regularization,
      parts: {},
      weights: {},
      metrics: {},
    });
  }
  requireSum(await trainStep(model, x, y));
  requireSum(await evaluate(model, x, y));
  const terms: RegularizationTerm[] = regularizationTerms(model);
  if (terms.length !== 1) throw new Error(`Expected one term, got ${terms.length}.`);
}

main().then(
  () => console.log(`TypeScript trained on TensorFlow.js ${tf.version.tfjs}`),
  (error: unknown) => {
    throw error;
  },
);
