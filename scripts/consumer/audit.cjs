const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const tf = require('@tensorflow/tfjs');

/** Saves a model as an app would, and has the installed command audit it. */
async function main() {
  const kernelRegularizer = tf.regularizers.l2({ l2: 0.1 });
  const model = tf.sequential({
    layers: [tf.layers.dense({ name: 'dense', units: 1, inputShape: [2], kernelRegularizer })],
  });
  const save = async ({ weightData, weightSpecs, ...artifacts }) => {
    fs.writeFileSync('weights.bin', Buffer.from(weightData));
    const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }];
    fs.writeFileSync('model.json', JSON.stringify({ ...artifacts, weightsManifest }));
    return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
  };
  await model.save(tf.io.withSaveHandler(save));
  const command = ['node_modules/.bin/tfjs-decomposed-loss', 'audit', 'model.json'];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
  if (status !== 0 || !stdout.includes('1 regularizer, no findings')) {
    throw new Error(
      `Expected \`${command.join(' ')}\` to report on a clean model and exit with 0, got ${status}:\n${stdout}${stderr}`,
    );
  }
  console.log(`The command audited a model saved by TensorFlow.js ${tf.version.tfjs}`);
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
