const fs = require('node:fs');
const path = require('node:path');

/** Trains two steps with the library as the app has loaded it, and checks what it reports. */
module.exports = async function train(app, tf, { decomposedLoss, fuseRegularizers, lossLogger, tensorBoard }) {
  const callback = decomposedLoss();
  if (!(callback instanceof tf.Callback)) {
    throw new Error("Expected decomposedLoss() to be an instance of the app's own tf.Callback, got another copy's.");
  }
  const kernelRegularizer = tf.regularizers.l2({ l2: 0.1 });
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], kernelRegularizer })] });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  fuseRegularizers(model);
  const { history } = await model.fit(tf.ones([4, 2]), tf.ones([4, 1]), {
    epochs: 2,
    verbose: 0,
    callbacks: [callback, lossLogger('losses.csv', { append: false })],
  });
  const { loss, data_loss: data, regularization_loss: penalty } = history;
  const right = loss.map((total, step) => penalty[step] > 0 && Math.abs(total - data[step] - penalty[step]) < 1e-6);
  if (right.length !== 2 || !right.every(Boolean)) {
    throw new Error(`Expected two steps with loss = data_loss + regularization_loss, got ${JSON.stringify(history)}.`);
  }
  const log = fs.readFileSync('losses.csv', 'utf8');
  if (!log.startsWith('epoch,loss,data_loss,regularization_loss\n') || log.split('\n').length !== 4) {
    throw new Error(`Expected losses.csv to have a header and two rows, got:\n${log}`);
  }
  const refused = await model
    .fit(tf.ones([4, 2]), tf.ones([4, 1]), { verbose: 0, callbacks: [decomposedLoss(), tensorBoard('logs')] })
    .catch(({ message }) => message);
  if (!String(refused).includes('Expected training on @tensorflow/tfjs-node')) {
    throw new Error(`Expected tensorBoard() to ask for tfjs-node, got: ${refused}`);
  }
  console.log(`${path.basename(app)} trained on TensorFlow.js ${tf.version.tfjs}`);
};
