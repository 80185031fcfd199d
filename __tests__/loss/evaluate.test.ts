import type * as tfjs from '@tensorflow/tfjs';
import { evaluate, evaluateDataset, regularizationTerms } from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
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
