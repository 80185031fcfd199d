import * as tf from '@tensorflow/tfjs';
import saved from './saved.json';

/** Loads what `saves.mjs` saved, in a program that does not make the layer, and trains with its penalty. */
export async function load() {
  const weightData = new Uint8Array(saved.weightData).buffer;
  const model = await tf.loadLayersModel(tf.io.fromMemory({ ...saved, weightData }));
  const trainer = tf.sequential({ layers: [model] });
  trainer.compile({ optimizer: tf.train.sgd(0), loss: 'meanSquaredError' });
  const x = tf.ones([1, 3]);
  const y = trainer.predict(x);
  const penalty = await trainer.trainOnBatch(x, y);
  const expected = y.dataSync().reduce((sum, value) => sum + 0.25 * Math.abs(value) + 0.5 * value ** 2, 0);
  if (!(expected > 0 && Math.abs(penalty - expected) < 1e-5)) {
    throw new Error(`Expected the loaded model to train with the penalty ${expected}, got ${penalty}.`);
  }
}
