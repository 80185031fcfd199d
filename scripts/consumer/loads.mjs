import fs from 'node:fs';
import * as tf from '@tensorflow/tfjs';

/** Loads what `saves.mjs` saved, in a program that does not make the layer, and trains with its penalty. */
export async function load() {
  const { modelTopology, weightsManifest } = JSON.parse(fs.readFileSync('model.json', 'utf8'));
  const weightData = new Uint8Array(fs.readFileSync('weights.bin')).buffer;
  const artifacts = { modelTopology, weightSpecs: weightsManifest[0].weights, weightData };
  const model = await tf.loadLayersModel(tf.io.fromMemory(artifacts));
  model.compile({ optimizer: tf.train.sgd(0), loss: 'meanSquaredError' });
  const x = tf.ones([1, 3]);
  const y = model.predict(x);
  const sum = (tensor, term) => tensor.dataSync().reduce((total, value) => total + term(value), 0);
  const kernel = sum(model.getWeights()[0], (value) => 0.5 * value ** 2);
  const expected = kernel + sum(y, (value) => 0.25 * Math.abs(value) + 0.5 * value ** 2);
  const penalty = await model.trainOnBatch(x, y);
  if (Math.abs(penalty - expected) < 1e-5) return;
  throw new Error(`Expected the loaded model to train with the penalty ${expected}, got ${penalty}.`);
}
