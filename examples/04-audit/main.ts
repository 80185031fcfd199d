/** Loads a saved LSTM whose regularizers TensorFlow.js drops, shows the problem, fixes it, and trains the model. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LayersModel, Tensor } from '@tensorflow/tfjs';
import { auditRegularizers, enforceRegularizers, registerKerasClasses } from 'tfjs-decomposed-loss/regularizers';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import { tf } from '../backend.js';
import { numberArgument, runIfMain } from '../run.js';
import { loadModel, saveModel } from './saved-model.js';

/** What Keras writes for `LSTM(8, kernel_regularizer='l2', recurrent_regularizer='l2')` followed by a Dense. */
function kerasTopology() {
  const l2 = { module: 'keras.regularizers', class_name: 'L2', config: { l2: 0.01 }, registered_name: null };
  const glorot = (seed: number) => ({ class_name: 'GlorotUniform', config: { seed } });
  const lstm = {
    name: 'lstm',
    units: 8,
    batch_input_shape: [null, 6, 1],
    kernel_initializer: glorot(1),
    recurrent_initializer: glorot(2),
    kernel_regularizer: l2,
    recurrent_regularizer: l2,
  };
  const out = { name: 'out', units: 1, kernel_initializer: glorot(3), kernel_regularizer: l2 };
  const layers = [
    { class_name: 'LSTM', config: lstm },
    { class_name: 'Dense', config: out },
  ];
  return { class_name: 'Sequential', config: { name: 'forecast', layers } };
}

/** Pieces of sine waves, and what comes next. */
function waves(count: number): { x: Tensor; y: Tensor } {
  return tf.tidy(() => {
    const start = tf.range(0, count).mul(0.37).expandDims(1);
    const wave = start.add(tf.range(0, 7).mul(0.5)).sin();
    return { x: wave.slice([0, 0], [count, 6]).expandDims(2), y: wave.slice([0, 6], [count, 1]) };
  });
}

async function train(model: LayersModel, epochs: number): Promise<number[]> {
  const { x, y } = waves(64);
  const { history } = await model.fit(x, y, { epochs, verbose: 0, callbacks: decomposedLoss() });
  tf.dispose([x, y]);
  return history['regularization_loss'] as number[];
}

export async function main({ epochs = 5 } = {}): Promise<{ before: string[]; after: string[]; penalties: number[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'audit-'));
  try {
    const path = join(folder, 'model.json');
    registerKerasClasses();
    await saveModel(await tf.models.modelFromJSON(kerasTopology()), path);

    const model = await loadModel(path);
    model.compile({ optimizer: tf.train.adam(0.01), loss: 'meanSquaredError' });
    const before = auditRegularizers(model);
    before.print();

    console.log('\nenforceRegularizers(model) changes how often a training step adds each penalty:');
    for (const { layer, weight, callsBefore, calls } of enforceRegularizers(model).changes) {
      console.log(`  ${layer}/${weight}: ${callsBefore} -> ${calls}`);
    }
    const after = auditRegularizers(model);
    console.log(`\n${after.toString()}\n`);

    const penalties = await train(model, epochs);
    console.log(`regularization_loss, epoch by epoch: ${penalties.map((value) => value.toFixed(4)).join('  ')}`);
    const codes = ({ findings }: typeof after) => findings.map(({ code }) => code);
    return { before: codes(before), after: codes(after), penalties };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

runIfMain(module, () => main({ epochs: numberArgument('epochs') }));
