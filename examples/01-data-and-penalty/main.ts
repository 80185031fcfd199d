/** What TensorFlow.js prints as `loss`, the parts it is made of, and the same parts by hand. */
import type { LayersModel, Tensor } from '@tensorflow/tfjs';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import { tf } from '../backend.js';
import { numberArgument, runIfMain } from '../run.js';

const L2 = 0.01;

function imageRegressor(): LayersModel {
  const inputs = tf.input({ shape: [64, 64, 3] });
  const kernelRegularizer = tf.regularizers.l2({ l2: L2 });
  const features = tf.layers.conv2d({ name: 'conv', filters: 32, kernelSize: 1, kernelRegularizer }).apply(inputs);
  const pooled = tf.layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }).apply(features);
  const model = tf.model({ inputs, outputs: tf.layers.dense({ name: 'out', units: 1 }).apply(pooled) as never });
  model.compile({ optimizer: 'adam', loss: 'meanSquaredError' });
  return model;
}

/** Both parts in float64, from the model's own weights and predictions. */
function byHand(model: LayersModel, x: Tensor, y: Tensor): { data: number; penalty: number } {
  const squares = (values: Iterable<number>) => Array.from(values).reduce((sum, value) => sum + value * value, 0);
  return tf.tidy(() => {
    const errors = tf.sub(model.predict(x) as Tensor, y);
    const kernel = model.getLayer('conv').getWeights()[0]!;
    return { data: squares(errors.dataSync()) / errors.size, penalty: L2 * squares(kernel.dataSync()) };
  });
}

export async function main({ epochs = 3 } = {}): Promise<Array<{ printed: number; byHand: number }>> {
  const model = imageRegressor();
  const [x, y] = [tf.randomUniform([8, 64, 64, 3], 0, 1, 'float32', 1), tf.randomUniform([8, 1], 0, 1, 'float32', 2)];
  const rows = [];
  for (let epoch = 0; epoch < epochs; epoch += 1) {
    const { data, penalty } = byHand(model, x, y);
    const { history } = await model.fit(x, y, { verbose: 0, callbacks: decomposedLoss() });
    const value = (key: string) => history[key]![0] as number;
    rows.push({ printed: value('loss'), byHand: data + penalty });
    console.log(`Epoch ${epoch + 1}
  TensorFlow.js prints   loss                = ${value('loss').toFixed(6)}
  this library adds      data_loss           = ${value('data_loss').toFixed(6)}   by hand ${data.toFixed(6)}
                         regularization_loss = ${value('regularization_loss').toFixed(6)}   by hand ${penalty.toFixed(6)}`);
  }
  tf.dispose([x, y]);
  return rows;
}

runIfMain(module, () => main({ epochs: numberArgument('epochs') }));
