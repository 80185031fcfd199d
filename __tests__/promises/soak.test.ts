import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  combineCallbacks,
  decomposedLoss,
  earlyStopping,
  evaluate,
  evaluateLoss,
  lossTerm,
  minimize,
  trainStep,
  trainingLoop,
  variableGrads,
} from 'tfjs-decomposed-loss';
import { accumulateGradients, gradientBalance, lossAndGradients } from 'tfjs-decomposed-loss/gradients';
import { lossLogger } from 'tfjs-decomposed-loss/node';
import {
  activityRegularization,
  addWeightDecay,
  enforceRegularizers,
  fuseRegularizers,
  regularizationSchedule,
  withWeightDecay,
} from 'tfjs-decomposed-loss/regularizers';
import { tensorBoard } from 'tfjs-decomposed-loss/tensorboard';
import type * as tfjs from '@tensorflow/tfjs';
import { backend, tf } from '../helpers/backend';
import { data } from '../helpers/models';

/** 10,000 in the long form; see CONTRIBUTING.md. */
const STEPS = Number(process.env['SOAK_STEPS'] ?? 200);
const STEPS_A_ROUND = 100;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const l2 = () => tf.regularizers.l1l2({ l1: 0.001, l2: 0.01 });

/** Layers of every kind that the package watches or changes. */
function modelOfAll(): tfjs.LayersModel {
  const input = tf.input({ shape: [4, 3] });
  const layers = [
    tf.layers.bidirectional({
      layer: tf.layers.lstm({ units: 3, kernelRegularizer: l2(), recurrentRegularizer: l2() }),
    }),
    tf.layers.batchNormalization({ gammaRegularizer: l2() }),
    tf.layers.dropout({ rate: 0.2 }),
    activityRegularization({ l2: 0.01 }),
    tf.layers.dense({ units: 5, activation: 'tanh', kernelRegularizer: l2(), biasRegularizer: l2() }),
    lossTerm({ name: 'size', loss: ([hidden]) => tf.mean(tf.square(hidden!)), weight: () => 0.1 }),
    tf.layers.dense({ units: 1 }),
  ];
  const output = layers.reduce((flow, layer) => layer.apply(flow) as tfjs.SymbolicTensor, input);
  const model = tf.model({ inputs: input, outputs: output });
  const optimizer = withWeightDecay(tf.train.adam(0.001), { rate: 0.01 });
  model.compile({ optimizer, loss: 'meanSquaredError', metrics: ['mae'] });
  return model;
}

it(`leaves tensors, bytes and heap as they are in ${STEPS} steps with everything on`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'soak-'));
  const model = modelOfAll();
  enforceRegularizers(model);
  addWeightDecay(model, { l2: 0.001 });
  fuseRegularizers(model);
  const [x, y] = [data([40, 4, 3]), data([40, 1], 2)];
  const [small, target] = [data([4, 4, 3], 3), data([4, 1], 4)];
  const sampleWeight = data([4], 5);
  const optimizer = tf.train.momentum(0.001, 0.9);
  const loss = () => tf.losses.meanSquaredError(target, model.apply(small, { training: true }) as tfjs.Tensor);
  const accumulated = accumulateGradients(model);
  const callbacks = (...ofFit: tfjs.Callback[]) =>
    combineCallbacks(
      ...ofFit,
      regularizationSchedule((epoch) => 1 / (epoch + 1)),
      earlyStopping({ monitor: 'val_data_loss', patience: 9, restoreBestWeights: true }),
      lossLogger(join(folder, 'log.csv'), { append: false }),
      ...(backend === 'tensorflow' ? [tensorBoard(join(folder, 'events'))] : []),
      { onEpochEnd: () => {} },
    );

  /** As many steps as a round has, by every way that there is. */
  async function round(): Promise<void> {
    const fit = { epochs: 3, batchSize: 4, validationData: [x, y] as [tfjs.Tensor, tfjs.Tensor], verbose: 0 as const };
    await model.fit(x, y, {
      ...fit,
      callbacks: callbacks(decomposedLoss({ breakdown: 'weight' }), gradientBalance({ every: 7 })),
    });
    const minimizing = { models: model, variables: model };
    await trainingLoop({ epochs: 2, models: model, callbacks: callbacks(decomposedLoss()) }, async (loop) => {
      for (let batch = 0; batch < 10; batch += 1) await loop.step(() => minimize(optimizer, loss, minimizing), 4);
      await loop.validate(() => evaluateLoss(loss, { models: model }), 4);
      await loop.endEpoch();
    });
    for (let step = 0; step < 20; step += 1) await trainStep(model, small, target, { sampleWeight });
    for (let step = 0; step < 10; step += 1) {
      await accumulated.add(small, target);
      await accumulated.add(small, target);
      await accumulated.apply();
    }
    for (let step = 0; step < 10; step += 1) {
      (await lossAndGradients(model, small, target)).dispose();
      const gradients = variableGrads(loss, minimizing);
      optimizer.applyGradients(Object.entries(gradients.grads).map(([name, tensor]) => ({ name, tensor })));
      tf.dispose(gradients.grads);
      await gradients.loss.read();
    }
    await evaluate(model, x, y);
  }

  /** What is there after a round. */
  async function state(): Promise<{ tensors: number; bytes: number; heap: number }> {
    await round();
    // Timers and events of the round end first.
    await new Promise((resolve) => setTimeout(resolve, 20));
    collectGarbage();
    const { numTensors, numBytes } = tf.memory();
    return { tensors: numTensors, bytes: numBytes, heap: process.memoryUsage().heapUsed };
  }

  const states = [];
  for (let step = 0; step < STEPS; step += STEPS_A_ROUND) states.push(await state());
  rmSync(folder, { recursive: true });
  const [first] = states;
  for (const { tensors, bytes } of states) {
    expect({ tensors, bytes }).toEqual({ tensors: first!.tensors, bytes: first!.bytes });
  }
  if (states.length < 20) return;
  const quarter = Math.floor(states.length / 4);
  const growth = (states.at(-1)!.heap - states[quarter]!.heap) / (states.length - 1 - quarter) / 1024;
  console.log(`The heap grows by ${growth.toFixed(1)} KiB in ${STEPS_A_ROUND} steps`);
  expect(growth).toBeLessThan(10);
}, 3_600_000);
