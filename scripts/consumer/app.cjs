const tf = require('@tensorflow/tfjs');
const library = require('tfjs-decomposed-loss');
require('tfjs-decomposed-loss/keras');
const { fuseRegularizers } = require('tfjs-decomposed-loss/regularizers');
const { lossLogger } = require('tfjs-decomposed-loss/node');
const { tensorBoard } = require('tfjs-decomposed-loss/tensorboard');
const train = require('./train.cjs');

train(__filename, tf, { ...library, fuseRegularizers, lossLogger, tensorBoard }).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
