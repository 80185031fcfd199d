require('../node-24.cjs');
const tf = require('@tensorflow/tfjs-node');

const sum = tf
  .matMul(tf.ones([2, 3]), tf.ones([3, 2]))
  .sum()
  .dataSync()[0];
if (tf.getBackend() !== 'tensorflow' || sum !== 12) {
  throw new Error(`Expected 12 from the backend tensorflow, got ${sum} from ${tf.getBackend()}.`);
}
console.log(`TensorFlow=${tf.backend().binding.TF_Version}`);
