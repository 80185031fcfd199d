const tf = require('@tensorflow/tfjs');
const library = require('tfjs-decomposed-loss');
require('tfjs-decomposed-loss/keras');
const train = require('./train.cjs');

train(__filename, tf, library).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
