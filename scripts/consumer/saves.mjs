import fs from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { activityRegularization } from 'tfjs-decomposed-loss/regularizers';

/** Saves a model with our layer as files, and loads it again in the same program. */
async function main() {
  const kernelRegularizer = tf.regularizers.l2({ l2: 0.5 });
  const dense = tf.layers.dense({ units: 2, inputShape: [3], kernelRegularizer });
  const model = tf.sequential({ layers: [dense, activityRegularization({ l1: 0.25, l2: 0.5 })] });
  const save = async ({ weightData, weightSpecs, ...artifacts }) => {
    await tf.loadLayersModel(tf.io.fromMemory({ weightData, weightSpecs, ...artifacts }));
    fs.writeFileSync('weights.bin', Buffer.from(weightData));
    const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }];
    fs.writeFileSync('model.json', JSON.stringify({ ...artifacts, weightsManifest }));
    return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
  };
  await model.save(tf.io.withSaveHandler(save));
}

void main();
