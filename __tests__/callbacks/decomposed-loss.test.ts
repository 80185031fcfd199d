import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, type DecomposedLossArgs } from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { penalty } from '../helpers/float64';
import { batches, classifier, data, numbersOf, oneHot, regressor, twoOutputs } from '../helpers/models';

type Log = Record<string, number>;

/** Collects what another callback sees. */
function spy(): { batches: Log[]; epochs: Log[]; callback: tfjs.CustomCallback } {
  const batches: Log[] = [];
  const epochs: Log[] = [];
  const callback = new tf.CustomCallback({
    onBatchEnd: (_, logs) => void batches.push({ ...(logs as Log) }),
    onEpochEnd: (_, logs) => void epochs.push({ ...(logs as Log) }),
  });
  return { batches, epochs, callback };
}

/** The penalty of `regressor()` in float64, from its declaration and its weights. */
function regressorPenalty(model: tfjs.LayersModel): number {
  const [hidden, , out, bias] = model.getWeights() as [tfjs.Tensor, tfjs.Tensor, tfjs.Tensor, tfjs.Tensor];
  return penalty(hidden, { l2: 0.1 }) + penalty(out, { l1: 0.02, l2: 0.3 }) + penalty(bias, { l1: 0.4 });
}

const evaluated = (model: tfjs.LayersModel, x: tfjs.Tensor, y: tfjs.Tensor): number =>
  (model.evaluate(x, y, { batchSize: 1000 }) as tfjs.Scalar).dataSync()[0]!;

describe('what a batch reports', () => {
  it('is the loss and the penalty at the weights before the step', async () => {
    const model = regressor();
    const [x, y] = [data([6, 4]), data([6, 1], 2)];
    const expected = { data: evaluated(model, x, y), regularization: regressorPenalty(model) };
    const { batches: seen, callback } = spy();
    await model.fit(x, y, { epochs: 1, verbose: 0, callbacks: [decomposedLoss(), callback] });
    expect(seen[0]!['data_loss']).toBeNear(expected.data);
    expect(seen[0]!['regularization_loss']).toBeNear(expected.regularization);
    expect(seen[0]!['loss']).toBeNear(expected.data + expected.regularization);
  });

  it('keeps the digits of a data loss that the penalty dwarfs', async () => {
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 1, inputShape: [4], kernelRegularizer: tf.regularizers.l2({ l2: 1e5 }) })],
    });
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(1e-9) });
    const [x, y] = [data([6, 4]), data([6, 1], 2)];
    const expected = evaluated(model, x, y);
    const { batches: seen, callback } = spy();
    await model.fit(x, y, { verbose: 0, callbacks: [decomposedLoss(), callback] });
    expect(seen[0]!['loss']! / expected).toBeGreaterThan(1e4);
    expect(Math.abs(seen[0]!['data_loss']! / expected - 1)).toBeLessThan(1e-6);
  });

  it('counts the class weights in the data loss', async () => {
    const [plain, weighted] = [classifier(), classifier()];
    const [x, y] = [data([6, 4]), oneHot(6)];
    const args = { verbose: 0 as const, callbacks: [decomposedLoss()] };
    const one = await plain.fit(x, y, args);
    const three = await weighted.fit(x, y, { ...args, classWeight: { 0: 3, 1: 3, 2: 3 } });
    expect(numbersOf(three, 'data_loss')[0]).toBeNear(3 * numbersOf(one, 'data_loss')[0]!, 1e-5);
    expect(numbersOf(three, 'regularization_loss')).toEqual(numbersOf(one, 'regularization_loss'));
  });

  it('is all data where no layer has a regularizer', async () => {
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    const { history } = await model.fit(data([6, 4]), data([6, 1]), { verbose: 0, callbacks: decomposedLoss() });
    expect(history['data_loss']).toEqual(history['loss']);
    expect(history['regularization_loss']).toEqual([0]);
  });

  it('reports a loss that is not a number as it is', async () => {
    const model = regressor();
    const y = tf.fill([6, 1], NaN);
    const { history } = await model.fit(data([6, 4]), y, { verbose: 0, callbacks: decomposedLoss() });
    expect(history['data_loss']).toEqual([NaN]);
    expect(history['regularization_loss']![0]).toBeGreaterThan(0);
    const after = await model.fit(data([6, 4]), y, { verbose: 0, callbacks: decomposedLoss({ breakdown: 'layer' }) });
    expect(after.history['regularization_loss']).toEqual([NaN]);
    expect(after.history['regularization_loss/hidden']).toEqual([NaN]);
  });
});

describe('what an epoch reports', () => {
  it("adds up to the host's loss, also with a smaller last batch", async () => {
    const model = regressor();
    const args = { epochs: 3, batchSize: 4, verbose: 0 as const, callbacks: [decomposedLoss()] };
    const { history } = await model.fit(data([10, 4]), data([10, 1]), args);
    (history['loss'] as number[]).forEach((loss, epoch) => {
      const sum = (history['data_loss']![epoch] as number) + (history['regularization_loss']![epoch] as number);
      expect(Math.abs(sum / loss - 1)).toBeLessThan(1e-6);
    });
  });

  it('is the mean of the batches by their sizes', async () => {
    const model = regressor();
    const { batches: seen, callback } = spy();
    const args = { batchSize: 4, verbose: 0 as const, callbacks: [decomposedLoss(), callback] };
    const { history } = await model.fit(data([10, 4]), data([10, 1]), args);
    expect(seen.map((batch) => batch['size'])).toEqual([4, 4, 2]);
    for (const key of ['data_loss', 'regularization_loss']) {
      const mean = seen.reduce((sum, batch) => sum + batch[key]! * batch['size']!, 0) / 10;
      expect(history[key]![0]).toBeNear(mean);
    }
  });

  it('compares validation with training: data, penalty at the validated weights, and total', async () => {
    const model = regressor();
    const [x, y] = [data([10, 4]), data([10, 1])];
    const [xVal, yVal] = [data([5, 4], 8), data([5, 1], 9)];
    const args = { epochs: 2, verbose: 0 as const, validationData: [xVal, yVal] as [tfjs.Tensor, tfjs.Tensor] };
    const { history } = await model.fit(x, y, { ...args, callbacks: [decomposedLoss()] });
    expect(history['val_data_loss']).toEqual(history['val_loss']);
    expect(history['val_data_loss']![1]).toBeNear(evaluated(model, xVal, yVal));
    expect(history['val_regularization_loss']![1]).toBeNear(regressorPenalty(model));
    expect(history['val_total_loss']![1]).toBeNear(evaluated(model, xVal, yVal) + regressorPenalty(model));
  });

  it('takes the penalty of the validated weights although a callback moves them before the epoch ends', async () => {
    const model = regressor();
    let validated = 0;
    const mover = new tf.CustomCallback({
      onBatchEnd: () => {
        validated = regressorPenalty(model);
        model.setWeights(model.getWeights().map((weight) => tf.zerosLike(weight)));
      },
    });
    const args = { verbose: 0 as const, validationSplit: 0.5, callbacks: [mover, decomposedLoss()] };
    const { history } = await model.fit(data([10, 4]), data([10, 1]), args);
    expect(history['val_regularization_loss']![0]).toBeNear(validated);
    expect(validated).toBeGreaterThan(0.1);
  });

  it('has the true sum over several outputs in validation, where the host shifts its values', async () => {
    const model = twoOutputs({ metrics: ['mae'] });
    const x = data([8, 4]);
    const ys = [data([8, 1], 2), tf.cast(tf.greater(data([8, 1], 3), 0), 'float32')] as [tfjs.Tensor, tfjs.Tensor];
    const byHand = () => {
      const [price, sold] = model.predict(x) as [tfjs.Tensor, tfjs.Tensor];
      const mse = tf.losses.meanSquaredError(ys[0], price).dataSync()[0]!;
      return mse + tf.metrics.binaryCrossentropy(ys[1], sold).mean().dataSync()[0]!;
    };
    const fitted = await model.fit(x, ys, { verbose: 0, validationData: [x, ys], callbacks: decomposedLoss() });
    expect(fitted.history['val_data_loss']![0]).toBeNear(byHand(), 1e-5);
    const dataset = batches([x, ys]);
    const args = { epochs: 1, verbose: 0 as const, validationData: dataset, callbacks: decomposedLoss() };
    const streamed = await model.fitDataset(dataset, args);
    expect(streamed.history['val_data_loss']![0]).toBeNear(byHand(), 1e-5);
    expect(streamed.history['val_loss']![0]).not.toBeCloseTo(byHand(), 2);
  });
});

describe('what verbose prints', () => {
  let log: jest.SpyInstance;
  beforeEach(() => void (log = jest.spyOn(console, 'log').mockImplementation()));
  afterEach(() => log.mockRestore());

  /** Stops after the first epoch. */
  class Stopping extends tf.Callback {
    override async onEpochEnd() {
      this.model.stopTraining = true;
    }
  }

  /** A model whose only weight is 1 and stays 1: for the input 1 the data loss is (1 - y)², and the penalty l2. */
  async function printed(l2: number, [data, validation]: number[], args: DecomposedLossArgs = {}): Promise<unknown[]> {
    const kernelRegularizer = tf.regularizers.l2({ l2 });
    const dense = tf.layers.dense({
      units: 1,
      inputShape: [1],
      useBias: false,
      kernelInitializer: 'ones',
      kernelRegularizer,
    });
    const model = tf.sequential({ layers: [dense] });
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
    const target = (loss: number) => tf.tensor2d([[1 - Math.sqrt(loss)]]);
    const callbacks = [new Stopping(), decomposedLoss({ verbose: true, ...args })];
    const validationData: [tfjs.Tensor, tfjs.Tensor] | undefined =
      validation === undefined ? undefined : [tf.ones([1, 1]), target(validation)];
    const fit = { initialEpoch: 2, epochs: 20, verbose: 0 as const, callbacks, validationData };
    await model.fit(tf.ones([1, 1]), target(data!), fit);
    return log.mock.calls.flat() as unknown[];
  }

  it('is a line an epoch', async () => {
    expect(await printed(0.277, [0.414, 0.133])).toEqual([
      'Epoch 3/20  loss 0.691 = data 0.414 + regularization 0.277   val 0.410 = 0.133 + 0.277',
    ]);
  });

  it('has no part for validation without validation', async () => {
    expect(await printed(12.3, [1234.5])).toEqual([
      'Epoch 3/20  loss 1246.800 = data 1234.500 + regularization 12.300',
    ]);
  });

  it('keeps the digits of small values, and says what is not a number', async () => {
    expect(await printed(1e-5, [0.0625, NaN])).toEqual([
      'Epoch 3/20  loss 0.0625 = data 0.0625 + regularization 0.0000100   val NaN = NaN + 0.0000100',
    ]);
    log.mockClear();
    expect(await printed(0, [0.25])).toEqual(['Epoch 3/20  loss 0.250 = data 0.250 + regularization 0.000']);
  });

  it('is the same with other keys, and calls the total so where `loss` is the data loss', async () => {
    const parts = ' 0.691 = data 0.414 + regularization 0.277   val 0.410 = 0.133 + 0.277';
    const logKeys = { dataLoss: 'd', valTotalLoss: 'v' };
    expect(await printed(0.277, [0.414, 0.133], { logKeys })).toEqual([`Epoch 3/20  loss${parts}`]);
    log.mockClear();
    expect(await printed(0.277, [0.414, 0.133], { loss: 'data' })).toEqual([`Epoch 3/20  total${parts}`]);
  });

  it('is nothing without it', async () => {
    expect(await printed(0.277, [0.414], { verbose: false })).toEqual([]);
    expect(await printed(0.277, [0.414], { verbose: undefined, warn: false })).toEqual([]);
  });
});

it.each([
  [{ verbose: 1 }, '`verbose` of `decomposedLoss` to be true or false, got 1 (number)'],
  [{ warn: 'no' }, "`warn` of `decomposedLoss` to be true or false, got 'no'"],
  [{ breakdown: 'all' }, "`breakdown` of `decomposedLoss` to be 'none', 'layer' or 'weight', got 'all'"],
  [{ quiet: true }, 'got `quiet`'],
])('refuses %o', (args, message) => {
  expect(() => decomposedLoss(args as DecomposedLossArgs)).toThrow(message);
});
