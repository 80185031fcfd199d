import { Writable } from 'node:stream';
import type * as tfjs from '@tensorflow/tfjs';
import { earlyStopping, evaluateLoss, minimize, trainingLoop, type LossParts } from 'tfjs-decomposed-loss';
import { lossLogger } from 'tfjs-decomposed-loss/node';
import { tf } from '../helpers/backend';
import { dense, meanSquaredError, rows } from '../helpers/float64-network';
import { penaltyOf, term, weightsOf } from '../helpers/loops';
import { tensorsLeftBy } from '../helpers/memory';
import { data, regressor } from '../helpers/models';

/** Two networks with a step each in a batch, validated over several batches, under all kinds of callbacks. */
const sizes = [4, 4, 1];
const batches = sizes.map((size, place) => ({ x: data([size, 4], place + 1), y: data([size, 1], place + 20) }));

function network() {
  const model = regressor();
  const [hidden, out] = model.layers as [tfjs.layers.Layer, tfjs.layers.Layer];
  const terms = [term(hidden, { l2: 0.1 }), term(out, { l1: 0.02, l2: 0.3 }), term(out, { l1: 0.4 }, 1)];
  const optimizer = tf.train.adam(0.1);
  const loss = (batch: number) => () => {
    const { x, y } = batches[batch]!;
    return tf.losses.meanSquaredError<tfjs.Tensor, tfjs.Scalar>(y, model.apply(x, { training: true }) as tfjs.Tensor);
  };
  return {
    model,
    step: (batch: number): LossParts =>
      minimize(optimizer, loss(batch), { models: model, variables: model, returnTensors: true }),
    validated: (batch: number): LossParts => evaluateLoss(loss(batch), { models: model, returnTensors: true }),
    dataByHand(batch: number): number {
      const { x, y } = batches[batch]!;
      return meanSquaredError(rows(y), dense(dense(rows(x), hidden, Math.tanh), out));
    },
    penaltyByHand: () => penaltyOf(terms),
  };
}

const weighted = (of: (batch: number) => number): number =>
  sizes.reduce((sum, size, batch) => sum + size * of(batch), 0) / sizes.reduce((a, b) => a + b);

type Network = ReturnType<typeof network>;

const train = (d: Network, g: Network, callbacks: object[], epochs: number, atEnd = () => {}) =>
  trainingLoop({ callbacks, models: [d.model, g.model], epochs }, async (loop) => {
    for (let epoch = 0; epoch < epochs && !loop.stopTraining; epoch += 1) {
      for (const [batch, size] of sizes.entries()) {
        await loop.step(() => ({ d: d.step(batch), g: batch === 0 ? g.step(batch) : undefined }), size);
      }
      for (const [batch, size] of sizes.entries()) {
        await loop.validate(() => ({ d: d.validated(batch), g: g.validated(batch) }), size);
      }
      atEnd();
      await loop.endEpoch();
    }
  });

it('validates over several batches: each key is the mean over samples, as float64 has it by hand', async () => {
  const [d, g] = [network(), network()];
  const expected: number[][] = [];
  const { history } = await train(d, g, [], 3, () => {
    expected.push([weighted(d.dataByHand), d.penaltyByHand(), weighted(g.dataByHand), g.penaltyByHand()]);
  });
  const keys = ['val_d/data_loss', 'val_d/regularization_loss', 'val_g/data_loss', 'val_g/regularization_loss'];
  expected.forEach((values, epoch) => {
    keys.forEach((key, place) => expect(history[key]![epoch]).toBeNear(values[place]!, 1e-5));
    expect(history['val_d/loss']![epoch]).toBeNear(values[0]! + values[1]!, 1e-5);
  });
  expect(Object.keys(history)).not.toContain('val_loss');
});

it("is stopped by TensorFlow.js's early stopping, and sends its events to a CustomCallback", async () => {
  const [d, g] = [network(), network()];
  const stop = tf.callbacks.earlyStopping({ monitor: 'val_g/loss', mode: 'max', patience: 2 });
  const events: string[] = [];
  const note = new tf.CustomCallback({
    onEpochEnd: async (epoch, logs) => void events.push(`epoch ${epoch}: ${typeof logs?.['val_g/loss']}`),
    onBatchEnd: async (batch, logs) => void events.push(`batch ${batch}: ${'g/loss' in logs!}, ${logs!['size']}`),
    onTrainEnd: async () => void events.push('end'),
  });
  const { epoch } = await train(d, g, [stop, note], 20);
  expect(epoch).toEqual([0, 1, 2]);
  expect(events.slice(0, 4)).toEqual(['batch 0: true, 4', 'batch 1: false, 4', 'batch 2: false, 1', 'epoch 0: number']);
  expect(events.at(-1)).toBe('end');
});

it('gives both networks the weights of the best epoch, and logs each under its name', async () => {
  const [d, g] = [network(), network()];
  const models = [d.model, g.model];
  const stop = earlyStopping({ monitor: 'val_d/data_loss', mode: 'max', patience: 2, restoreBestWeights: true });
  let text = '';
  const lines = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  const after: number[][][] = [];
  const { history, epoch } = await train(d, g, [stop, lossLogger(lines)], 20, () => after.push(weightsOf(models)));
  expect(stop.stoppedEpoch).toBe(stop.bestEpoch! + 2);
  expect(weightsOf(models)).toEqual(after[stop.bestEpoch!]);
  const [header, ...logged] = text.trim().split('\n');
  expect(header!.split(',')).toEqual(['epoch', ...Object.keys(history)]);
  expect(logged).toHaveLength(epoch.length);
  const column = header!.split(',').indexOf('val_d/data_loss');
  expect(logged.map((line) => Number(line.split(',')[column]))).toEqual(history['val_d/data_loss']);
});

it('has no tensor more after 100 steps', async () => {
  const [d, g] = [network(), network()];
  await train(d, g, [], 1);
  const callbacks = [earlyStopping({ monitor: 'val_d/loss', patience: 99, restoreBestWeights: true })];
  expect(await tensorsLeftBy(() => train(d, g, callbacks, 25))).toBe(0);
});
