import * as tf from '@tensorflow/tfjs';
import { activityRegularization } from 'tfjs-decomposed-loss/regularizers';

/** Saves a model with our layer, loads it again in the same program, and prints what was saved as JSON. */
async function main() {
  const layers = [tf.layers.dense({ units: 2, inputShape: [3] }), activityRegularization({ l1: 0.25, l2: 0.5 })];
  let saved;
  const save = async (artifacts) => {
    saved = artifacts;
    return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
  };
  await tf.sequential({ layers }).save(tf.io.withSaveHandler(save));
  await tf.loadLayersModel(tf.io.fromMemory(saved));
  const { modelTopology, weightSpecs, weightData } = saved;
  console.log(JSON.stringify({ modelTopology, weightSpecs, weightData: [...new Uint8Array(weightData)] }));
}

void main();
