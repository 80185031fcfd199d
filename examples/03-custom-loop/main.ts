/** A training loop written by hand, with sample weights and evaluation. */
import type { LayersModel } from '@tensorflow/tfjs';
import { evaluate, trainStep, type DecomposedLoss } from 'tfjs-decomposed-loss';
import { tf } from '../backend.js';
import { numberArgument, runIfMain } from '../run.js';

function classifier(): LayersModel {
  const kernelRegularizer = tf.regularizers.l1l2({ l1: 1e-4, l2: 1e-3 });
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 16, activation: 'tanh', inputShape: [2], kernelRegularizer }),
      tf.layers.dense({ units: 1, activation: 'sigmoid', kernelRegularizer }),
    ],
  });
  model.compile({ optimizer: tf.train.adam(0.05), loss: 'binaryCrossentropy', metrics: ['accuracy'] });
  return model;
}

/** Points in a square, inside a circle (1) or not (0); the few inside count more. */
function points(count: number, seed: number) {
  return tf.tidy(() => {
    const x = tf.randomUniform([count, 2], -1, 1, 'float32', seed);
    const inside = tf.less(x.square().sum(-1), 0.25).toFloat();
    return { x, y: inside.expandDims(-1), sampleWeight: inside.mul(3).add(1) };
  });
}

const shown = ({ total, data, regularization }: DecomposedLoss): string =>
  `total ${total.toFixed(4)} = data ${data.toFixed(4)} + regularization ${regularization.toFixed(4)}`;

export async function main({ steps = 200 } = {}): Promise<{ first: DecomposedLoss; last: DecomposedLoss }> {
  const model = classifier();
  const held = points(512, 1);
  const first = await evaluate(model, held.x, held.y);
  for (let step = 1; step <= steps; step += 1) {
    const { x, y, sampleWeight } = points(64, step + 1);
    const loss = await trainStep(model, x, y, { sampleWeight });
    tf.dispose([x, y, sampleWeight]);
    if (step % 50 === 0) console.log(`step ${String(step).padStart(3)}   ${shown(loss)}`);
  }
  const last = await evaluate(model, held.x, held.y);
  console.log(`held out   ${shown(last)}, accuracy ${last.metrics['acc']!.toFixed(3)}`);
  tf.dispose([held.x, held.y, held.sampleWeight]);
  return { first, last };
}

runIfMain(module, () => main({ steps: numberArgument('steps') }));
