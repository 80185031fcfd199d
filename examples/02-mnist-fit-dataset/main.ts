/** Trains a small convolutional net on MNIST with `fitDataset`, and shows what its loss is made of. */
import type { LayersModel } from '@tensorflow/tfjs';
import { decomposedLoss, regularizationTerms } from 'tfjs-decomposed-loss';
import { tf } from '../backend.js';
import { batch, batches, loadDigits } from '../mnist.js';
import { numberArgument, runIfMain } from '../run.js';

const L2 = 0.001;

function digitReader(): LayersModel {
  const kernelRegularizer = tf.regularizers.l2({ l2: L2 });
  const conv = { kernelSize: 5, activation: 'relu', kernelRegularizer } as const;
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ name: 'strokes', filters: 8, inputShape: [28, 28, 1], ...conv }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.conv2d({ name: 'shapes', filters: 16, ...conv }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({ name: 'digits', units: 10, activation: 'softmax', kernelRegularizer }),
    ],
  });
  model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  return model;
}

/** The penalty from the weights themselves, in float64. */
function penaltyByHand(model: LayersModel): number {
  const kernels = model.trainableWeights.filter(({ name }) => name.includes('kernel'));
  return kernels
    .flatMap((kernel) => Array.from(kernel.read().dataSync()))
    .reduce((sum, weight) => sum + L2 * weight * weight, 0);
}

export async function main({ epochs = 3, steps = 300 } = {}): Promise<{ byHand: number; reported: number }> {
  const [train, test] = [loadDigits('train'), loadDigits('t10k')];
  const validation = batch(test, 0, Math.min(2000, steps * 20));
  const model = digitReader();

  await model.fitDataset(batches(train, 128), {
    epochs,
    batchesPerEpoch: steps,
    validationData: [validation.xs, validation.ys],
    callbacks: [
      decomposedLoss(),
      new tf.CustomCallback({
        onEpochEnd: (_, logs = {}) => {
          const shown = ['val_data_loss', 'val_regularization_loss', 'val_total_loss', 'val_acc'];
          console.log(`  ${shown.map((key) => `${key}=${logs[key]!.toFixed(4)}`).join('  ')}\n`);
        },
      }),
    ],
  });

  console.log('Where the penalty comes from:');
  console.table(
    regularizationTerms(model).map(({ layer, weight, kind, l2, value, share }) => ({
      layer,
      weight,
      kind,
      l2,
      value: Number(value.toFixed(5)),
      share: `${(100 * share).toFixed(1)} %`,
    })),
  );

  const sample = batch(train, 0, 128);
  const byHand = penaltyByHand(model);
  const { history } = await model.fit(sample.xs, sample.ys, {
    batchSize: 128,
    verbose: 0,
    callbacks: decomposedLoss(),
  });
  const [loss, data] = ['loss', 'data_loss'].map((key) => history[key]![0] as number) as [number, number];
  console.log(`\nChecked by hand, on one more batch:
  loss - data_loss = ${loss.toFixed(7)} - ${data.toFixed(7)} = ${(loss - data).toFixed(7)}
  ${L2} * the sum of all kernels' squares, in float64      = ${byHand.toFixed(7)}`);
  tf.dispose([validation, sample]);
  return { byHand, reported: loss - data };
}

runIfMain(module, () => main({ epochs: numberArgument('epochs'), steps: numberArgument('steps') }));
