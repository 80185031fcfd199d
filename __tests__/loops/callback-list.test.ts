import { Writable } from 'node:stream';
import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, earlyStopping, trainStep, type DecomposedLoss } from 'tfjs-decomposed-loss';
import { gradientBalance } from 'tfjs-decomposed-loss/gradients';
import { lossLogger } from 'tfjs-decomposed-loss/node';
import { regularizationSchedule } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { dense, mean, meanSquaredError, rows } from '../helpers/float64-network';
import { penaltyOf, term, weightsOf } from '../helpers/loops';
import { tensorsLeftBy } from '../helpers/memory';
import { data, regressor, state } from '../helpers/models';

/** A loop that drives a `tf.CallbackList` by hand around `trainOnBatch`. */
const SAMPLES = 4;
const batches = [0, 1, 2].map((batch) => ({ x: data([SAMPLES, 4], batch + 1), y: data([SAMPLES, 1], batch + 20) }));

interface Logs {
  [key: string]: number;
}

async function train(
  model: tfjs.LayersModel,
  callbacks: object[],
  { epochs = 2, step = async (x: tfjs.Tensor, y: tfjs.Tensor) => (await model.trainOnBatch(x, y)) as number } = {},
): Promise<{ batches: Logs[]; epochs: Logs[] }> {
  const list = new tf.CallbackList(callbacks as tfjs.CustomCallback[]);
  list.setParams({ epochs, steps: batches.length });
  list.setModel(model);
  const logs: { batches: Logs[]; epochs: Logs[] } = { batches: [], epochs: [] };
  model.stopTraining = false;
  await list.onTrainBegin();
  for (let epoch = 0; epoch < epochs && !model.stopTraining; epoch += 1) {
    await list.onEpochBegin(epoch);
    const losses: number[] = [];
    for (const [batch, { x, y }] of batches.entries()) {
      const log: Logs = { batch, size: SAMPLES };
      await list.onBatchBegin(batch, log);
      log['loss'] = await step(x, y);
      await list.onBatchEnd(batch, log);
      losses.push(log['loss']);
      logs.batches.push(log);
    }
    const log: Logs = { loss: mean(losses) };
    await list.onEpochEnd(epoch, log);
    logs.epochs.push(log);
  }
  await list.onTrainEnd();
  return logs;
}

/** The members that listening could leave behind. */
function members(model: tfjs.Sequential): string[] {
  const { model: trained } = model as unknown as { model: tfjs.LayersModel };
  return [model, trained, model.optimizer, tf.CallbackList.prototype].flatMap((one) => Object.getOwnPropertyNames(one));
}

const nowhere = () => new Writable({ write: (_chunk, _encoding, done) => done() });

describe('a tf.CallbackList that is driven by hand', () => {
  const all = () => [
    ...[decomposedLoss(), gradientBalance({ every: 1 }), lossLogger(nowhere())],
    ...[
      earlyStopping({ monitor: 'data_loss', restoreBestWeights: true }),
      tf.callbacks.earlyStopping({ monitor: 'loss' }),
    ],
  ];

  it('trains as without callbacks, bit for bit, and logs what float64 gives by hand', async () => {
    const [own, host] = [regressor(), regressor()];
    const [hidden, out] = own.layers as [tfjs.layers.Layer, tfjs.layers.Layer];
    const terms = [term(hidden, { l2: 0.1 }), term(out, { l1: 0.02, l2: 0.3 }), term(out, { l1: 0.4 }, 1)];
    const byHand: Array<[data: number, regularization: number]> = [];
    const logs = await train(own, [decomposedLoss(), gradientBalance({ every: 1 })], {
      step: async (x, y) => {
        const output = dense(dense(rows(x), hidden, Math.tanh), out);
        byHand.push([meanSquaredError(rows(y), output), penaltyOf(terms)]);
        return (await own.trainOnBatch(x, y)) as number;
      },
    });
    for (let epoch = 0; epoch < 2; epoch += 1) for (const { x, y } of batches) await host.trainOnBatch(x, y);
    expect(await state(own)).toEqual(await state(host));
    const expectLogs = (all: Logs[], expected: Array<[number, number]>) => {
      expect(all).toHaveLength(expected.length);
      all.forEach((log, index) => {
        expect(log['data_loss']).toBeNear(expected[index]![0], 1e-5);
        expect(log['regularization_loss']).toBeNear(expected[index]![1], 1e-5);
        expect(log['loss']).toBeNear(expected[index]![0] + expected[index]![1], 1e-5);
      });
    };
    expectLogs(logs.batches, byHand);
    const means = [byHand.slice(0, 3), byHand.slice(3)].map((epoch): [number, number] => [
      mean(epoch.map(([data]) => data)),
      mean(epoch.map(([, regularization]) => regularization)),
    ]);
    expectLogs(logs.epochs, means);
    expect(Object.keys(logs.epochs[0]!)).toContain('gradient/cosine/hidden');
  });

  it('may make its steps with trainStep, and move the total to another key', async () => {
    const model = regressor();
    const made: DecomposedLoss[] = [];
    const { batches: logs } = await train(model, [decomposedLoss({ loss: 'data' })], {
      step: async (x, y) => {
        made.push(await trainStep(model, x, y));
        return made.at(-1)!.total;
      },
    });
    logs.forEach((log, index) => {
      const { data, total } = made[index]!;
      expect([log['loss'], log['total_loss']]).toEqual([data, total]);
    });
  });

  it('has the factor of a schedule in the loss', async () => {
    const [plain, scheduled] = [regressor(), regressor()];
    const callbacks = [regularizationSchedule((_epoch, batch) => (batch === 0 ? 0.5 : 1)), decomposedLoss()];
    const [first, second] = [
      await train(plain, [decomposedLoss()], { epochs: 1 }),
      await train(scheduled, callbacks, { epochs: 1 }),
    ];
    const of = ({ batches: [log] }: typeof first) => log!['regularization_loss']!;
    expect(of(second)).toBeNear(of(first) / 2);
  });

  it('is stopped, and gets the best weights back', async () => {
    const model = regressor();
    const after: number[][][] = [];
    const stop = earlyStopping({ monitor: 'data_loss', mode: 'max', patience: 2, restoreBestWeights: true });
    const note = new tf.CustomCallback({ onEpochEnd: async () => void after.push(weightsOf([model])) });
    const { epochs } = await train(model, [decomposedLoss(), stop, note], { epochs: 9 });
    expect(epochs).toHaveLength(stop.bestEpoch! + 3);
    expect(weightsOf([model])).toEqual(after[stop.bestEpoch!]);
  });

  it('is over at its end: nothing stays attached, no tensor is left, and the callbacks can be used again', async () => {
    const model = regressor();
    await train(model, [], { epochs: 1 });
    const before = members(model);
    const callbacks = all();
    expect(await tensorsLeftBy(() => train(model, callbacks, { epochs: 34 }))).toBe(0);
    expect(members(model)).toEqual(before);
    const { epochs } = await train(model, callbacks.slice(0, 2), { epochs: 1 });
    expect(epochs[0]).toHaveProperty('data_loss');
    const { history } = await model.fit(batches[0]!.x, batches[0]!.y, { verbose: 0, callbacks: callbacks[0] as never });
    expect(history).toHaveProperty('data_loss');
  });

  it('begins anew where the last one threw before its end: nothing stays watched', async () => {
    const model = regressor();
    const { x, y } = batches[0]!;
    await model.fit(x, y, { verbose: 0 });
    const before = members(model);
    const callbacks = [decomposedLoss(), regularizationSchedule(() => 0.5), earlyStopping({ monitor: 'loss' })];
    for (const fails of [true, true, false]) {
      const step = async (x: tfjs.Tensor, y: tfjs.Tensor) => {
        if (fails) throw new Error('the step failed');
        return (await model.trainOnBatch(x, y)) as number;
      };
      const run = train(model, callbacks, { epochs: 1, step });
      if (fails) await expect(run).rejects.toThrow('the step failed');
      else expect((await run).epochs[0]).toHaveProperty('data_loss');
    }
    expect(members(model)).toEqual(before);
    await expect(train(model, callbacks, { step: () => Promise.reject(new Error('failed')) })).rejects.toThrow(
      'failed',
    );
    const { history } = await model.fit(x, y, { verbose: 0, callbacks: callbacks as never });
    expect(history).toHaveProperty('data_loss');
    expect(members(model)).toEqual(before);
  });

  it('leaves a later fit its schedule, also where its own last step threw', async () => {
    const model = regressor();
    const fails = train(model, [decomposedLoss()], { step: () => Promise.reject(new Error('the step failed')) });
    await expect(fails).rejects.toThrow('the step failed');
    const { x, y } = batches[0]!;
    const callbacks = [decomposedLoss(), regularizationSchedule(() => 0)];
    const { history } = await model.fit(x, y, { verbose: 0, callbacks });
    expect(history['regularization_loss']).toEqual([0]);
  });

  it.each<[string, (model: tfjs.Sequential) => Promise<unknown>, RegExp]>([
    [
      'without a step',
      (model) => train(model, [decomposedLoss()], { step: async () => 1 }),
      /Expected one step of `sequential_\d+_model` between `onBatchBegin` and `onBatchEnd` .* got none or several.*`trainingLoop`/,
    ],
    [
      'with two steps in a batch',
      (model) =>
        train(model, [decomposedLoss()], {
          step: async (x, y) => (await trainStep(model, x, y), (await trainStep(model, x, y)).total),
        }),
      /got none or several/,
    ],
    [
      'without setParams',
      async (model) => new tf.CallbackList([decomposedLoss()] as never).setModel(model),
      /Expected `setParams` of the `tf.CallbackList` that `decomposedLoss\(\)` is in before its `setModel`, got none/,
    ],
    [
      'of a model that is not compiled',
      async () => {
        const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });
        model.build();
        await train(model, [decomposedLoss()]);
      },
      /Expected `model` to be compiled/,
    ],
  ])('%s says so', async (_, run, message) => {
    await expect(run(regressor())).rejects.toThrow(message);
  });
});
