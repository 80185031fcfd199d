import { join } from 'node:path';
import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, earlyStopping, minimize, trainingLoop, type DecomposedLossArgs } from 'tfjs-decomposed-loss';
import { gradientBalance } from 'tfjs-decomposed-loss/gradients';
import { tensorBoard } from 'tfjs-decomposed-loss/tensorboard';
import { tf } from '../helpers/backend';
import { tensorsLeftBy, tensorsLeftByFailing } from '../helpers/memory';
import { batches, data, numbersOf, regressor, twoOutputs } from '../helpers/models';

type Callback = InstanceType<typeof tf.Callback> | tfjs.CustomCallback;

const [x, y] = [() => data([6, 4]), () => data([6, 1], 2)];
const [xVal, yVal] = [() => data([5, 4], 8), () => data([5, 1], 9)];
const inOrder = { epochs: 3, batchSize: 4, shuffle: false, verbose: 0 as const };
const ours = (args: DecomposedLossArgs = {}) => decomposedLoss({ loss: 'data', ...args });
const other = (loss?: 'total') =>
  decomposedLoss({ loss, logKeys: { dataLoss: 'd', regularizationLoss: 'r', valTotalLoss: 'v' } });

/** The histories of the same training, with the total and with the data loss under `loss`. */
async function both(
  train: (model: tfjs.LayersModel, callbacks: Callback[]) => Promise<tfjs.History>,
  model: () => tfjs.LayersModel = regressor,
) {
  const plain = await train(model(), [decomposedLoss()]);
  const renamed = await train(model(), [ours()]);
  return { plain, renamed };
}

const trainings = {
  fit: (model: tfjs.LayersModel, callbacks: Callback[]) =>
    model.fit(x(), y(), { ...inOrder, validationData: [xVal(), yVal()], callbacks }),
  fitDataset: (model: tfjs.LayersModel, callbacks: Callback[]) =>
    model.fitDataset(batches([x(), y()], [xVal(), yVal()]), {
      ...{ epochs: 3, verbose: 0, validationData: batches([xVal(), yVal()]), callbacks },
    }),
};

describe.each(['fit', 'fitDataset'] as const)('%s', (by) => {
  it('has the data loss under `loss`, the total under `total_loss`, and all else as before', async () => {
    const { plain, renamed } = await both(trainings[by]);
    const { loss, ...kept } = plain.history;
    const { loss: shown, total_loss: total, ...others } = renamed.history;
    expect(total).toEqual(loss);
    expect(shown).toEqual(kept['data_loss']);
    expect(others).toEqual(kept);
    expect(shown).not.toEqual(total);
  });

  it('has the same in the logs of the batches and epochs, wherever the callback is', async () => {
    for (const place of [0, 1]) {
      const seen: tfjs.Logs[] = [];
      const reader = new tf.CustomCallback({
        onBatchEnd: (_, logs) => void seen.push({ ...logs }),
        onEpochEnd: (_, logs) => void seen.push({ ...logs }),
      });
      const callbacks: Callback[] = [reader];
      callbacks.splice(place, 0, ours());
      await trainings[by](regressor(), callbacks);
      expect(seen.length).toBeGreaterThanOrEqual(6);
      for (const { loss, total_loss: total, data_loss: value, regularization_loss: penalty } of seen) {
        expect(loss).toBe(value);
        expect(total).toBeNear(value! + penalty!);
        expect(penalty).toBeGreaterThan(0.1);
      }
    }
  });

  it('leaves no tensor', async () => {
    const model = regressor();
    const before = await tensorsLeftBy(() => trainings[by](model, [decomposedLoss()]));
    expect(await tensorsLeftBy(() => trainings[by](model, [ours()]))).toBe(before);
  });
});

it.each(['fit', 'fitDataset'] as const)('makes val_loss the true sum of several outputs: %s', async (by) => {
  const targets = () => [y(), tf.tensor2d([0, 1, 0, 1, 1, 0], [6, 1])];
  const model = twoOutputs({ metrics: ['mae'] });
  const callbacks = [earlyStopping({ monitor: 'val_loss', patience: 9 }), ours()];
  const validationData: [tfjs.Tensor, tfjs.Tensor[]] = [x(), targets()];
  const { history } = await (by === 'fit'
    ? model.fit(x(), targets(), { ...inOrder, validationData, callbacks })
    : model.fitDataset(batches([x(), targets()]), {
        ...{ epochs: 1, verbose: 0, validationData: batches(validationData), callbacks },
      }));
  const [price, sold] = targets();
  const [prices, chances] = model.predict(x()) as [tfjs.Tensor, tfjs.Tensor];
  const byHand =
    tf.losses.meanSquaredError(price!, prices).dataSync()[0]! +
    tf.metrics.binaryCrossentropy(sold!, chances).mean().dataSync()[0]!;
  expect(history['val_loss']!.at(-1)).toBeNear(byHand, 1e-5);
  expect(callbacks[0]).toMatchObject({ best: Math.min(...(history['val_loss'] as number[])) });
});

it('has the true val_loss also where the host lost it', async () => {
  const inputs = tf.input({ shape: [4] });
  const dense = tf.layers.dense({ name: 'twin', units: 1 });
  const model = tf.model({ inputs, outputs: [dense.apply(inputs), dense.apply(inputs)] as tfjs.SymbolicTensor[] });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  const drawn = () => batches([x(), [y(), y()]]);
  const args = { epochs: 1, verbose: 0, validationData: drawn() };
  const { history } = await model.fitDataset(drawn(), { ...args, callbacks: ours() });
  expect(Object.keys(history)).toEqual(expect.arrayContaining(['loss', 'total_loss', 'data_loss']));
  const byHand = tf.losses.meanSquaredError(y(), (model.predict(x()) as tfjs.Tensor[])[0]!).dataSync()[0]!;
  expect(history['val_loss']![0]).toBeNear(2 * byHand);
});

describe('beside', () => {
  it("the host's early stopping, val_loss stops", async () => {
    const stopping = tf.callbacks.earlyStopping({ monitor: 'val_loss', patience: 1 });
    const model = regressor({ optimizer: tf.train.sgd(-0.1) });
    const { epoch } = await trainings.fit(model, [stopping, ours()]);
    expect(epoch).toHaveLength(2);
  });

  it.each([0, 1])('other callbacks of the library at place %i, each finds the step and its values', async (place) => {
    const callbacks: Callback[] = [gradientBalance({ every: 1 }), other()];
    callbacks.splice(place * 2, 0, ours());
    const { history } = await trainings.fit(regressor(), callbacks);
    expect(history['d']).toEqual(history['data_loss']);
    expect(history['v']).toEqual(history['val_total_loss']);
    expect(history['val_d']).toEqual(history['val_loss']);
    expect(history['gradient/data/hidden']).toHaveLength(3);
  });

  it.each([0, 1])('tensorBoard at place %i, the total is drawn as the total', async (place) => {
    const written: Array<[run: string, tag: string, value: number]> = [];
    const node = {
      summaryFileWriter: (folder: string) => ({
        scalar: (tag: string, value: number | tfjs.Scalar) =>
          void written.push([folder, tag, typeof value === 'number' ? value : value.dataSync()[0]!]),
        flush: () => {},
      }),
    };
    const callbacks: Callback[] = [ours()];
    callbacks.splice(place, 0, tensorBoard('logs', { node, updateFreq: 'batch' }));
    const history = await trainings.fit(regressor(), callbacks);
    const drawn = (run: string, tag: string) =>
      written.filter(([folder, name]) => folder === join('logs', run) && name === tag).map(([, , value]) => value);
    expect(drawn('train', 'total_loss')).toEqual(numbersOf(history, 'total_loss'));
    expect(drawn('train', 'data_loss')).toEqual(numbersOf(history, 'loss'));
    expect(drawn('validation', 'total_loss')).toEqual(numbersOf(history, 'val_total_loss'));
    expect(drawn('validation', 'data_loss')).toEqual(numbersOf(history, 'val_loss'));
    expect(drawn('train', 'batch_total_loss')).toHaveLength(6);
    expect(new Set(written.map(([, tag]) => tag))).toEqual(
      new Set(['total_loss', 'data_loss', 'regularization_loss'].flatMap((tag) => [tag, `batch_${tag}`])),
    );
  });
});

describe('in a loop outside of fit', () => {
  const numbersOfStep = { total: 3, data: 2, regularization: 1, parts: { loss: 2 }, weights: { loss: 1 }, metrics: {} };

  it('is the same for steps of numbers and of tensors, and leaves no tensor', async () => {
    const model = regressor();
    const [inputs, targets, optimizer] = [x(), y(), tf.train.sgd(0.1)];
    const seen: tfjs.Logs[] = [];
    const reader = new tf.CustomCallback({ onBatchEnd: (_, logs) => void seen.push({ ...logs }) });
    const train = (returnTensors: boolean) => () =>
      trainingLoop({ models: model, callbacks: [ours(), reader] }, async (loop) => {
        const step = () => tf.losses.meanSquaredError(targets, model.predict(inputs) as tfjs.Tensor).asScalar();
        await loop.step(() => minimize(optimizer, step, { models: model, returnTensors } as { returnTensors: true }));
        await loop.validate(() => numbersOfStep);
        const logs = await loop.endEpoch();
        expect(logs).toMatchObject({ val_loss: 2, val_total_loss: 3, loss: logs['data_loss'] });
        expect(logs['total_loss']).toBeNear(logs['loss']! + logs['regularization_loss']!);
      });
    for (const returnTensors of [false, true]) expect(await tensorsLeftBy(train(returnTensors))).toBe(0);
    expect(seen).toHaveLength(2);
    seen.forEach(({ loss, data_loss: value, total_loss: total }) =>
      expect([loss, total! > value!]).toEqual([value, true]),
    );
  });

  it('leaves several steps in a batch, each under its name, as they are', async () => {
    const train = (callbacks: Callback[]) =>
      trainingLoop({ callbacks }, async (loop) => {
        await loop.step(() => ({ d: numbersOfStep, g: numbersOfStep }));
        await loop.endEpoch();
      });
    expect((await train([ours()])).history).toEqual((await train([])).history);
  });
});

it('lets a callback take one value out of a log and leave the others', async () => {
  const seen: number[][] = [];
  class Taking extends tf.Callback {
    override async onBatchEnd(_: number, logs: Record<string, number | tfjs.Scalar> = {}) {
      const { loss, data_loss: value, total_loss: total } = logs as Record<string, tfjs.Scalar>;
      logs['loss'] = loss!.dataSync()[0]!;
      loss!.dispose();
      seen.push([logs['loss'], value!.dataSync()[0]!, total!.dataSync()[0]!]);
    }
  }
  await trainings.fit(regressor(), [new Taking(), ours()] as Callback[]);
  expect(seen).toHaveLength(6);
  seen.forEach(([loss, value, total]) => expect([loss, total! > value!]).toEqual([value, true]));
});

it('leaves no tensor of its own after a training that throws', async () => {
  const [inputs, targets] = [x(), y()];
  for (const hook of ['onBatchEnd', 'onEpochEnd']) {
    class Failing extends tf.Callback {}
    (Failing.prototype as unknown as Record<string, () => Promise<void>>)[hook] = async () => {
      throw new Error('the callback failed');
    };
    const left = (callback: Callback) => {
      const model = regressor();
      const args = { ...inOrder, validationSplit: 0.5, callbacks: [callback, new Failing()] };
      return tensorsLeftByFailing(() => model.fit(inputs, targets, args));
    };
    expect(await left(ours())).toBeLessThanOrEqual(await left(decomposedLoss()));
  }
});

describe('refuses', () => {
  it.each([
    [{ dataLoss: 'd' }, "got `loss: 'data'`, which names it 'loss', and `logKeys.dataLoss` of `decomposedLoss`."],
    [{ valDataLoss: 'd' }, "got `loss: 'data'`, which names it 'val_loss', and `logKeys.valDataLoss`"],
  ])('another name for the data loss: %o', (logKeys, message) => {
    expect(() => ours({ logKeys })).toThrow(message);
  });

  it('what else is called total_loss', async () => {
    const message =
      "Expected `total_loss` to be free for the total loss, where `loss: 'data'` of `decomposedLoss` puts it";
    const fit = (model: tfjs.LayersModel, callbacks: Callback[]) =>
      model.fit(x(), model.outputs.length > 1 ? [y(), y()] : y(), { ...inOrder, callbacks });
    const inputs = tf.input({ shape: [4] });
    const outputs = ['total', 'rest'].map((name) => tf.layers.dense({ name, units: 1 }).apply(inputs));
    const model = tf.model({ inputs, outputs: outputs as tfjs.SymbolicTensor[] });
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    await expect(fit(model, [ours()])).rejects.toThrow(message);
    await expect(fit(regressor(), [ours({ logKeys: { valTotalLoss: 'total_loss' } })])).rejects.toThrow(message);
    await expect(fit(regressor(), [ours(), ours()])).rejects.toThrow('logKeys.dataLoss');
  });

  it.each(['both', null, 1])('loss: %p', (loss) => {
    expect(() => decomposedLoss({ loss } as DecomposedLossArgs)).toThrow(
      "`loss` of `decomposedLoss` to be 'total' or 'data'",
    );
  });
});
