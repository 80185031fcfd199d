const tf = require('@tensorflow/tfjs');
const library = require('tfjs-decomposed-loss');
const train = require('./train.cjs');

train(__filename, tf, library).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
