import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, evaluate, evaluateDataset, regularizationTerms } from 'tfjs-decomposed-loss';
import { activityRegularization } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { tensorsLeftBy, tensorsLeftByFailing } from '../helpers/memory';
import { batches, data, regressor, twoOutputs } from '../helpers/models';

const [x, y] = [() => data([10, 4]), () => data([10, 1])];
const targets = () => [y(), tf.cast(tf.greater(data([10, 1], 3), 0), 'float32')];

const penalty = (model: tfjs.LayersModel): number =>
  regularizationTerms(model).reduce((sum, { value }) => sum + value, 0);

it("returns the host's loss and metrics, the penalty, and their sum", async () => {
  const model = regressor({ metrics: ['mae', 'mse'] });
  const [loss, mae, mse] = (model.evaluate(x(), y(), { batchSize: 4 }) as tfjs.Scalar[]).map(
    (value) => value.dataSync()[0]!,
  );
  const result = await evaluate(model, x(), y(), { batchSize: 4 });
  expect(result.data).toBe(loss);
  expect(result.metrics).toEqual({ mae, mse });
  expect(result.parts).toEqual({ out: loss });
  expect(result.weights).toEqual({ out: 1 });
  expect(result.regularization).toBeNear(penalty(model));
  expect(result.total).toBe(result.data + result.regularization);
});

it('has the true sum and each output where the host shifts its values', async () => {
  const model = twoOutputs({ metrics: ['mae'] });
  const [price, sold] = model.predict(x()) as [tfjs.Tensor, tfjs.Tensor];
  const [prices, sales] = targets() as [tfjs.Tensor, tfjs.Tensor];
  const mean = (tensor: tfjs.Tensor): number => tensor.mean().dataSync()[0]!;
  const expected = [mean(tf.squaredDifference(prices, price)), mean(tf.metrics.binaryCrossentropy(sales, sold))];
  const result = await evaluate(model, x(), targets());
  expect(result.data).toBeNear(expected[0]! + expected[1]!, 1e-5);
  expect(Object.keys(result.parts)).toEqual(['price', 'sold']);
  Object.values(result.parts).forEach((part, index) => expect(part).toBeNear(expected[index]!, 1e-5));
  expect(Object.keys(result.metrics)).toEqual(['price_mae', 'sold_mae']);
  expect(result.metrics['price_mae']).toBeNear(mean(tf.abs(tf.sub(prices, price))), 1e-5);
  expect(result.metrics['sold_mae']).toBeNear(mean(tf.abs(tf.sub(sales, sold))), 1e-5);
});

it('evaluates the batches of a dataset, all or some', async () => {
  const model = regressor({ metrics: ['mae'] });
  const dataset = batches([data([4, 4]), data([4, 1])], [data([2, 4], 5), data([2, 1], 6)]);
  const whole = await evaluate(
    model,
    tf.concat([data([4, 4]), data([2, 4], 5)]),
    tf.concat([data([4, 1]), data([2, 1], 6)]),
  );
  const streamed = await evaluateDataset(model, dataset);
  expect(streamed.data).toBeNear(whole.data);
  expect(streamed.metrics['mae']).toBeNear(whole.metrics['mae']!);
  expect(streamed.regularization).toBe(whole.regularization);
  const first = await evaluateDataset(model, dataset, { batches: 1 });
  expect(first.data).toBeNear((await evaluate(model, data([4, 4]), data([4, 1]))).data);
});

it('takes data by name, and the iterator of a dataset', async () => {
  const model = twoOutputs();
  const [price, sold] = targets() as [tfjs.Tensor, tfjs.Tensor];
  const listed = await evaluate(model, x(), [price, sold]);
  expect(await evaluate(model, { [model.inputNames[0]!]: x() }, { sold, price })).toEqual(listed);
  const iterator = await batches([x(), [price, sold]]).iterator();
  expect((await evaluateDataset(model, iterator)).data).toBeNear(listed.data);
});

it('changes nothing in the model', async () => {
  const model = regressor();
  const before = model.getWeights().map((weight) => Array.from(weight.dataSync()));
  await evaluate(model, x(), y());
  expect(model.getWeights().map((weight) => Array.from(weight.dataSync()))).toEqual(before);
});

describe('several evaluations of one model at the same time', () => {
  /** A model whose only penalty is that of an activation, and is the mean of the squares of the data. */
  const activityModel = (): tfjs.LayersModel => {
    const model = tf.sequential({
      layers: [
        activityRegularization({ l2: 1, inputShape: [1] }),
        tf.layers.dense({ units: 1, useBias: false, kernelInitializer: 'zeros' }),
      ],
    });
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
    return model;
  };
  /** Each sample is `value`, so the penalty is `value ** 2`; other tasks run between the batches. */
  const slow = (value: number, count = 3): tfjs.data.Dataset<tfjs.TensorContainerObject> =>
    tf.data
      .generator(function* () {
        for (let drawn = 0; drawn < count; drawn += 1) yield { xs: tf.fill([2, 1], value), ys: tf.zeros([2, 1]) };
      })
      .mapAsync(async (batch): Promise<tfjs.TensorContainerObject> => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        return batch;
      });
  const host = (model: tfjs.LayersModel, value: number) => model.evaluateDataset(slow(value), {});

  it('keep their sums apart, with those of the host', async () => {
    const model = activityModel();
    const left = await tensorsLeftBy(async () => {
      const [one, other, ofHost] = await Promise.all([
        evaluateDataset(model, slow(1)),
        evaluateDataset(model, slow(10)),
        host(model, 100),
      ]);
      tf.dispose(ofHost);
      expect([one.regularization, other.regularization]).toEqual([1, 100]);
    });
    expect(left).toBe(0);
  });

  it.each(['fit', 'fitDataset'] as const)('keep them apart beside a %s that validates', async (by) => {
    const model = activityModel();
    const begun: Array<ReturnType<typeof host>> = [];
    const beginning = new tf.CustomCallback({ onBatchEnd: () => void begun.push(host(model, 7), host(model, 8)) });
    const training = { epochs: 3, verbose: 0 as const, callbacks: [decomposedLoss(), beginning] };
    const [x, y] = [tf.fill([2, 1], 3), tf.zeros([2, 1])];
    const [train, evaluated, ofHost] = await Promise.all([
      by === 'fit'
        ? model.fit(x, y, { ...training, batchSize: 1, validationData: [tf.fill([3, 1], 4), tf.zeros([3, 1])] })
        : model.fitDataset(slow(3), { ...training, validationData: slow(4) }),
      evaluateDataset(model, slow(10, 20)),
      host(model, 100),
    ]);
    tf.dispose([ofHost, await Promise.all(begun)]);
    expect(train.history['regularization_loss']).toEqual([9, 9, 9]);
    expect(train.history['val_regularization_loss']).toEqual([16, 16, 16]);
    expect(evaluated.regularization).toBe(100);
  });

  it('keep them apart where a loss or a metric evaluates the model too', async () => {
    const model = activityModel();
    let depth = 0;
    const evaluating = (yTrue: tfjs.Tensor, yPred: tfjs.Tensor): tfjs.Tensor => {
      if (depth === 0) {
        depth += 1;
        model.predict(tf.fill([2, 1], 50));
        model.evaluate(tf.fill([2, 1], 60), tf.zeros([2, 1]));
        depth -= 1;
      }
      return tf.metrics.meanSquaredError(yTrue, yPred);
    };
    model.compile({ loss: evaluating, metrics: [evaluating], optimizer: tf.train.sgd(0) });
    const result = await evaluate(model, tf.tensor2d([[1], [3], [1], [3]]), tf.zeros([4, 1]), { batchSize: 2 });
    expect(result.regularization).toBe(5);
  });

  it('leave the model as it was, also where a dataset throws in the middle', async () => {
    const model = activityModel();
    const trained = (model as unknown as { model: tfjs.LayersModel }).model;
    const traces = () =>
      Object.entries(Object.getOwnPropertyDescriptors(trained)).map(([name, { value, get }]) => [
        name,
        typeof value,
        get,
      ]);
    tf.dispose(await host(model, 1));
    const before = traces();
    const failing = tf.data.generator(function* () {
      yield { xs: tf.ones([2, 1]), ys: tf.zeros([2, 1]) };
      throw new Error('the dataset failed');
    });
    const plain = await tensorsLeftByFailing(() => model.evaluateDataset(failing, {}));
    expect(await tensorsLeftByFailing(() => evaluateDataset(model, failing))).toBe(plain);
    expect((await evaluateDataset(model, slow(2))).regularization).toBe(4);
    expect(traces()).toEqual(before);
  });
});
