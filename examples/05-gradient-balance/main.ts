/** Shows which layers the data dominate, and which the penalty dominates: one of the three here has far too much of it. */
import type { LayersModel, Tensor } from '@tensorflow/tfjs';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import { gradientBalance } from 'tfjs-decomposed-loss/gradients';
import { tf } from '../backend.js';
import { numberArgument, runIfMain } from '../run.js';

const LAYERS = ['light', 'heavy', 'out'];

function network(): LayersModel {
  const dense = (name: string, l2: number, seed: number) =>
    tf.layers.dense({
      name,
      units: 16,
      activation: 'tanh',
      kernelInitializer: tf.initializers.glorotUniform({ seed }),
      kernelRegularizer: tf.regularizers.l2({ l2 }),
    });
  const inputs = tf.input({ shape: [4] });
  const hidden = dense('heavy', 0.3, 2).apply(dense('light', 1e-4, 1).apply(inputs));
  const kernelInitializer = tf.initializers.glorotUniform({ seed: 3 });
  const out = tf.layers.dense({ name: 'out', units: 1, kernelInitializer }).apply(hidden);
  const model = tf.model({ inputs, outputs: out as ReturnType<typeof tf.input> });
  model.compile({ optimizer: tf.train.adam(0.003), loss: 'meanSquaredError' });
  return model;
}

/** A smooth function of four numbers, with noise. */
function samples(count: number): { x: Tensor; y: Tensor } {
  return tf.tidy(() => {
    const x = tf.randomUniform([count, 4], -1, 1, 'float32', 5);
    const [a, b, c] = tf.split(x, 4, 1) as [Tensor, Tensor, Tensor];
    const noise = tf.randomNormal([count, 1], 0, 0.1, 'float32', 6);
    return { x, y: a.mul(b).mul(2).add(c.mul(3).sin()).add(noise) };
  });
}

/** What `gradientBalance` logged for a layer in one epoch. */
export interface Balance {
  layer: string;
  data: number;
  penalty: number;
  cosine: number;
}

function print(title: string, rows: Balance[]): void {
  console.log(`\n${title}\n  layer   |data|  |penalty|  penalty/data  cosine`);
  for (const { layer, data, penalty, cosine } of rows) {
    const share = penalty / data;
    const verdict = share === 0 ? 'no penalty' : share > 0.5 ? 'the penalty dominates' : 'the data dominate';
    const columns = [data.toFixed(4).padStart(8), penalty.toFixed(4).padStart(9), share.toFixed(3).padStart(12)];
    console.log(`  ${layer.padEnd(5)} ${columns.join('  ')}  ${cosine.toFixed(2).padStart(6)}  ${verdict}`);
  }
}

export async function main({ epochs = 300 } = {}): Promise<{ first: Balance[]; last: Balance[] }> {
  const model = network();
  const { x, y } = samples(512);
  const callbacks = [decomposedLoss(), gradientBalance()];
  const { history } = await model.fit(x, y, { epochs, batchSize: 512, verbose: 0, callbacks });
  tf.dispose([x, y]);
  const value = (key: string, epoch: number) => (history[key] as number[]).at(epoch)!;
  const rows = (epoch: number): Balance[] =>
    LAYERS.map((layer) => ({
      layer,
      data: value(`gradient/data/${layer}`, epoch),
      penalty: value(`gradient/penalty/${layer}`, epoch),
      cosine: value(`gradient/cosine/${layer}`, epoch),
    }));
  const [first, last] = [rows(0), rows(-1)];
  print('How hard data and penalty pull on each layer: the norms of their gradients in epoch 1', first);
  print(`… and in epoch ${epochs}`, last);
  const [data, penalty] = [value('data_loss', -1), value('regularization_loss', -1)];
  console.log(`\ndata_loss ${data.toFixed(4)}, regularization_loss ${penalty.toFixed(4)}`);
  console.log(
    'Where both pull equally hard and against each other (cosine -1), the penalty decides where the weights settle.',
  );
  return { first, last };
}

runIfMain(module, () => main({ epochs: numberArgument('epochs') }));
