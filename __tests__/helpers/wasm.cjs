const tf = require('@tensorflow/tfjs');
require('@tensorflow/tfjs-backend-wasm');

/** Awaited before a test file on the WebAssembly backend, which begins asynchronously: files may make tensors as they load. */
module.exports = async () => {
  await tf.setBackend('wasm');
  await tf.ready();
};
