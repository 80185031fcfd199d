import { decomposedLoss, evaluate, evaluateDataset, regularizationTerms, trainStep } from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { batches, classifier, data, oneHot, regressor, twoOutputs } from '../helpers/models';
import { tensorsLeftBy } from '../helpers/memory';

const callbacks = () => [decomposedLoss({ breakdown: 'weight' })];

/** How many tensors there are at the end of each batch. */
function counter(): { counts: number[]; callback: InstanceType<typeof tf.CustomCallback> } {
  const counts: number[] = [];
  return { counts, callback: new tf.CustomCallback({ onBatchEnd: () => void counts.push(tf.memory().numTensors) }) };
}

/** The callback collects the scalars of 32 batches, then adds them up. */
it('does not grow over 200 steps of fit', async () => {
  const { counts, callback } = counter();
  const args = { epochs: 1, batchSize: 1, verbose: 0 as const, callbacks: [...callbacks(), callback] };
  await regressor().fit(data([200, 4]), data([200, 1]), args);
  expect(counts).toHaveLength(200);
  expect(counts.slice(64)).toEqual(counts.slice(32, -32));
});

it('does not grow over 200 steps of fitDataset', async () => {
  const { counts, callback } = counter();
  const args = { epochs: 1, batchesPerEpoch: 200, verbose: 0 as const, callbacks: [...callbacks(), callback] };
  await regressor().fitDataset(batches([data([4, 4]), data([4, 1])]).repeat(), args);
  expect(counts).toHaveLength(200);
  expect(counts.slice(64)).toEqual(counts.slice(32, -32));
});

it('leaves nothing after fit and fitDataset, with several outputs, validation and many epochs', async () => {
  const model = twoOutputs({ metrics: ['mae'] });
  const [x, y] = [data([8, 4]), [data([8, 1], 2), tf.ones([8, 1])]];
  const dataset = batches([x, y], [x, y]);
  const train = async (own: { callbacks?: ReturnType<typeof callbacks> }) => {
    await model.fit(x, y, { epochs: 5, batchSize: 3, verbose: 0, validationSplit: 0.25, ...own });
    await model.fitDataset(dataset, { epochs: 5, verbose: 0, validationData: dataset, ...own });
  };
  // With several outputs the host's fitDataset itself leaves a validation value an epoch.
  const left = await tensorsLeftBy(() => train({}));
  expect(await tensorsLeftBy(() => train({ callbacks: callbacks() }))).toBe(left);
});

it('leaves nothing where no layer has a regularizer', async () => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
  const [x, y] = [data([8, 4]), data([8, 1])];
  expect(await tensorsLeftBy(() => model.fit(x, y, { epochs: 3, verbose: 0, callbacks: callbacks() }))).toBe(0);
  expect(await tensorsLeftBy(() => trainStep(model, x, y))).toBe(0);
});

it('leaves nothing after 200 steps of trainStep, after evaluation and after regularizationTerms', async () => {
  const model = regressor({ metrics: ['mae'] });
  const [x, y] = [data([8, 4]), data([8, 1])];
  const sampleWeight = tf.ones([8]);
  expect(
    await tensorsLeftBy(async () => {
      for (let step = 0; step < 200; step += 1) await trainStep(model, x, y, { sampleWeight });
      await evaluate(model, x, y, { batchSize: 3 });
      await evaluateDataset(model, batches([x, y]));
      regularizationTerms(model);
    }),
  ).toBe(0);
});

it('leaves nothing after a batch of rank 1, which the host reshapes', async () => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
  const [x, y] = [data([8]), data([8])];
  expect(await tensorsLeftBy(() => trainStep(model, x, y))).toBe(0);
});

it('leaves nothing of class and sample weights together', async () => {
  const model = classifier();
  const [x, y, sampleWeight] = [data([6, 4]), oneHot(6), tf.ones([6])];
  const classWeight = { 0: 1, 1: 2, 2: 3 };
  expect(await tensorsLeftBy(() => trainStep(model, x, y, { classWeight, sampleWeight }))).toBe(0);
  expect(sampleWeight.isDisposed).toBe(false);
});

it('leaves nothing of the steps that other callbacks make within its batches', async () => {
  const model = regressor();
  const [x, y] = [data([6, 4]), data([6, 1])];
  const onBatchBegin = async () => {
    await model.trainOnBatch(x, y);
    await trainStep(model, x, y);
  };
  const args = { verbose: 0 as const, callbacks: [...callbacks(), new tf.CustomCallback({ onBatchBegin })] };
  expect(await tensorsLeftBy(() => model.fit(x, y, args))).toBe(0);
});

it('counts a penalty of integers', async () => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
  model.layers[0]!.addLoss([() => tf.scalar(4, 'int32'), () => tf.scalar(1)]);
  const [x, y] = [data([6, 4]), data([6, 1])];
  const args = { verbose: 0 as const, validationSplit: 0.5, callbacks: callbacks() };
  expect(
    await tensorsLeftBy(async () => {
      expect((await evaluate(model, x, y)).regularization).toBe(5);
      expect((await trainStep(model, x, y)).regularization).toBe(5);
      const { history } = await model.fit(x, y, args);
      expect([history['regularization_loss'], history['val_regularization_loss']]).toEqual([[5], [5]]);
      expect(regularizationTerms(model).map(({ value }) => value)).toEqual([4, 1]);
    }),
  ).toBe(0);
});

it("does not dispose a tensor of the user's that is a penalty", async () => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
  const constant = tf.scalar(0.25);
  model.layers[0]!.addLoss(() => constant);
  const [x, y] = [data([6, 4]), data([6, 1])];
  expect((await evaluate(model, x, y)).regularization).toBe(0.25);
  expect((await trainStep(model, x, y)).regularization).toBe(0.25);
  const args = { verbose: 0 as const, validationSplit: 0.5, callbacks: callbacks() };
  const { history } = await model.fit(x, y, args);
  expect(history['val_regularization_loss']).toEqual([0.25]);
  expect(constant.isDisposed).toBe(false);
});
