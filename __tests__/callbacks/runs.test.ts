import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { batches, classifier, data, oneHot, regressor, twoOutputs } from '../helpers/models';

const silent = { verbose: 0 as const };

/** `loss = data_loss + regularization_loss` in every epoch, with penalties that count. */
function expectToAddUp({ history }: tfjs.History, epochs: number): void {
  expect(history['data_loss']).toHaveLength(epochs);
  (history['loss'] as number[]).forEach((loss, epoch) => {
    const regularization = history['regularization_loss']![epoch] as number;
    expect(regularization).toBeGreaterThan(1e-3);
    expect(Math.abs(((history['data_loss']![epoch] as number) + regularization) / loss - 1)).toBeLessThan(1e-6);
  });
}

it('works with fitDataset, batchesPerEpoch and a dataset that repeats', async () => {
  const model = regressor();
  const dataset = batches([data([4, 4]), data([4, 1])], [data([2, 4], 5), data([2, 1], 6)]).repeat();
  expectToAddUp(
    await model.fitDataset(dataset, { ...silent, epochs: 3, batchesPerEpoch: 3, callbacks: decomposedLoss() }),
    3,
  );
});

it('works with initialEpoch', async () => {
  const model = regressor();
  const args = { ...silent, epochs: 5, initialEpoch: 3, callbacks: decomposedLoss() };
  expectToAddUp(await model.fit(data([6, 4]), data([6, 1]), args), 2);
});

it.each(['never', 'batch', 'epoch', 'auto', 1] as const)('works with yieldEvery %s', async (yieldEvery) => {
  const model = regressor();
  const args = { ...silent, epochs: 2, yieldEvery, callbacks: decomposedLoss() };
  expectToAddUp(await model.fit(data([6, 4]), data([6, 1]), args), 2);
});

it('works with several inputs, several outputs and metrics', async () => {
  const a = tf.input({ shape: [4] });
  const b = tf.input({ shape: [2] });
  const joined = tf.layers.concatenate().apply([a, b]);
  const kernelRegularizer = tf.regularizers.l2({ l2: 0.1 });
  const heads = ['p', 'q', 'r'].map((name) => tf.layers.dense({ units: 1, name, kernelRegularizer }).apply(joined));
  const model = tf.model({ inputs: [a, b], outputs: heads as tfjs.SymbolicTensor[] });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd', metrics: ['mae'] });
  const x = [data([6, 4]), data([6, 2], 2)];
  const y = [3, 4, 5].map((seed) => data([6, 1], seed));
  const run = await model.fit(x, y, { ...silent, epochs: 2, validationData: [x, y], callbacks: decomposedLoss() });
  expectToAddUp(run, 2);
  const own = (key: string) => run.history[key]![0] as number;
  expect(own('data_loss')).toBeNear(own('p_loss') + own('q_loss') + own('r_loss'));
});

it('counts class weights with fitDataset as with fit, by output', async () => {
  const x = data([6, 4]);
  const y = oneHot(6);
  const classWeight = { 0: 1, 1: 5, 2: 0.5 };
  const fitted = await classifier().fit(x, y, { ...silent, classWeight, shuffle: false, callbacks: decomposedLoss() });
  const args = { ...silent, epochs: 1, classWeight, callbacks: decomposedLoss() };
  const streamed = await classifier().fitDataset(batches([x, y]), args);
  expect(streamed.history['data_loss']![0]).toBeNear(fitted.history['data_loss']![0] as number);
  expectToAddUp(streamed, 1);
  const labels = [tf.tensor2d([0, 1, 0, 1, 1, 0], [6, 1]), tf.tensor2d([1, 1, 0, 0, 1, 0], [6, 1])];
  const perOutput = { price: { 0: 1, 1: 2 }, sold: { 0: 3, 1: 1 } };
  expectToAddUp(
    await twoOutputs().fit(x, labels, { ...silent, classWeight: perOutput, callbacks: decomposedLoss() }),
    1,
  );
});

it('serves several fits in a row, with a recompile in between', async () => {
  const model = regressor();
  const callback = decomposedLoss();
  const [x, y] = [data([6, 4]), data([6, 1])];
  expectToAddUp(await model.fit(x, y, { ...silent, callbacks: callback }), 1);
  model.compile({ loss: 'meanAbsoluteError', optimizer: 'adam', metrics: ['mse'] });
  const second = await model.fit(x, y, { ...silent, epochs: 2, validationSplit: 0.3, callbacks: callback });
  expectToAddUp(second, 2);
  expect(second.history['val_data_loss']).toEqual(second.history['val_loss']);
  expectToAddUp(await regressor().fit(x, y, { ...silent, callbacks: callback }), 1);
});

it('watches several models at once, each with its own instance', async () => {
  const [x, y] = [data([6, 4]), data([6, 1])];
  const args = () => ({ ...silent, epochs: 4, yieldEvery: 'batch' as const, callbacks: decomposedLoss() });
  const alone = await Promise.all([regressor().fit(x, y, args())]);
  const models = [regressor(), regressor({ loss: 'meanAbsoluteError' }), regressor()];
  const together = await Promise.all(models.map((model) => model.fit(x, y, args())));
  together.forEach((run) => expectToAddUp(run, 4));
  expect(together[1]!.history['data_loss']).not.toEqual(together[0]!.history['data_loss']);
  expect(together[2]!.history['data_loss']).toHaveLength(alone[0].history['data_loss']!.length);
});

it('may stand twice in one fit, as two instances with names of their own', async () => {
  const other = decomposedLoss({ logKeys: { dataLoss: 'd', regularizationLoss: 'r', valTotalLoss: 'v' } });
  const args = { ...silent, epochs: 2, validationSplit: 0.5, callbacks: [decomposedLoss(), other] };
  const { history } = await regressor().fit(data([6, 4]), data([6, 1]), args);
  expect(history['d']).toEqual(history['data_loss']);
  expect(history['r']).toEqual(history['regularization_loss']);
  expect(history['v']).toEqual(history['val_total_loss']);
});

it('reads the step of fit, not those that other callbacks make beside it', async () => {
  const [x, y] = [data([6, 4]), data([6, 1])];
  const seen: number[] = [];
  const model = regressor({ optimizer: tf.train.sgd(0) });
  const elsewhere = tf.mul(y, 100);
  const intruder = new tf.CustomCallback({
    onBatchBegin: async () => {
      await model.trainOnBatch(x, elsewhere);
    },
    onBatchEnd: async (_, logs) => {
      await model.trainOnBatch(x, elsewhere);
      seen.push(logs!['data_loss']!);
    },
  });
  const { history } = await model.fit(x, y, { ...silent, callbacks: [intruder, decomposedLoss()] });
  expect(seen[0]).toBeLessThan(10);
  expectToAddUp({ history } as tfjs.History, 1);
});

it('reads the step of fit also where a loop beside it steps the same model', async () => {
  const model = regressor();
  const [x, y] = [data([16, 4]), data([16, 1])];
  const elsewhere = tf.mul(y, 10);
  let training = true;
  const beside = (async () => {
    for (let step = 0; training && step < 500; step += 1) await model.trainOnBatch(x, elsewhere);
  })();
  const sums: number[] = [];
  const onBatchEnd = (_: number, logs?: Record<string, number>) =>
    void sums.push((logs!['data_loss']! + logs!['regularization_loss']!) / logs!['loss']!);
  // The loop never lets go of the thread, so neither may wait for its turn.
  const check = new tf.CustomCallback({ onBatchEnd }, 'never');
  await model.fit(x, y, { ...silent, batchSize: 4, epochs: 5, callbacks: [decomposedLoss(), check] });
  training = false;
  await beside;
  expect(sums).toHaveLength(20);
  sums.forEach((ratio) => expect(ratio).toBeNear(1, 1e-5));
});

describe('a model that is part of another', () => {
  const l2 = () => tf.regularizers.l2({ l2: 0.1 });

  function nested(): { inner: tfjs.LayersModel; outer: tfjs.LayersModel } {
    const innerInput = tf.input({ shape: [4] });
    const hidden = tf.layers.dense({ units: 4, kernelRegularizer: l2() }).apply(innerInput) as tfjs.SymbolicTensor;
    const inner = tf.model({ inputs: innerInput, outputs: hidden });
    const inputs = tf.input({ shape: [4] });
    const before = tf.layers.dense({ units: 4, kernelRegularizer: l2() }).apply(inputs);
    const outputs = tf.layers
      .dense({ units: 1, kernelRegularizer: l2() })
      .apply(inner.apply(before)) as tfjs.SymbolicTensor;
    const outer = tf.model({ inputs, outputs });
    [inner, outer].forEach((model) => model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.01) }));
    return { inner, outer };
  }

  it('trains at the same time as the other, each watched', async () => {
    const { inner, outer } = nested();
    const args = () => ({ ...silent, batchSize: 2, epochs: 3, callbacks: decomposedLoss() });
    const [one, other] = await Promise.all([
      inner.fit(data([6, 4]), data([6, 4]), args()),
      outer.fit(data([6, 4]), data([6, 1]), args()),
    ]);
    expectToAddUp(one, 3);
    expectToAddUp(other, 3);
  });

  it('trains where a callback steps the other, or takes a gradient of its penalties', async () => {
    const { inner, outer } = nested();
    const onBatchBegin = async () => {
      await outer.trainOnBatch(data([6, 4]), data([6, 1]));
      tf.dispose(tf.variableGrads(() => tf.addN(inner.calculateLosses())));
    };
    const callbacks = [decomposedLoss(), new tf.CustomCallback({ onBatchBegin })];
    expectToAddUp(await inner.fit(data([6, 4]), data([6, 4]), { ...silent, epochs: 2, callbacks }), 2);
  });
});

it('leaves an epoch without a batch without values', async () => {
  const args = { ...silent, epochs: 1, callbacks: decomposedLoss() };
  const { history } = await regressor().fitDataset(batches(), args);
  expect(history).not.toHaveProperty('data_loss');
});

it('trains nested and functional models', async () => {
  const inner = tf.sequential({ name: 'encoder' });
  inner.add(tf.layers.dense({ units: 3, inputShape: [4], kernelRegularizer: tf.regularizers.l2({ l2: 0.1 }) }));
  const inputs = tf.input({ shape: [4] });
  const outputs = tf.layers.dense({ units: 1 }).apply(inner.apply(inputs)) as tfjs.SymbolicTensor;
  const model = tf.model({ inputs, outputs });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  expectToAddUp(await model.fit(data([6, 4]), data([6, 1]), { ...silent, callbacks: decomposedLoss() }), 1);
});
