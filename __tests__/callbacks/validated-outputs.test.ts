import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, evaluate, lossTerm } from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { tensorsLeftBy, tensorsLeftByFailing } from '../helpers/memory';
import { batches, data, numbers, twoOutputs } from '../helpers/models';

const silent = { verbose: 0 as const };

it('has each output in validation also where its loss is lost in the sum, which is float32', async () => {
  const inputs = tf.input({ shape: [1] });
  const outputs = ['a', 'b'].map(
    (name) => tf.layers.dense({ units: 1, name, kernelInitializer: 'zeros' }).apply(inputs) as tfjs.SymbolicTensor,
  );
  const model = tf.model({ inputs, outputs });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
  const x = tf.ones([5, 1]);
  const ys = [tf.fill([5, 1], 3000.5), tf.fill([5, 1], 0.31)] as [tfjs.Tensor, tfjs.Tensor];
  // The outputs are 0. The next float32 after 3000.5² is 1 more, so that the sum says nothing of b.
  const expected = { 'val_data_loss/a': 3000.5 ** 2, 'val_data_loss/b': 0.31 ** 2 };
  const callbacks = () => decomposedLoss();
  const fitted = await model.fit(x, ys, { ...silent, batchSize: 2, validationData: [x, ys], callbacks: callbacks() });
  const validationData = batches([x, ys]);
  const streamed = await model.fitDataset(validationData, {
    ...silent,
    epochs: 1,
    validationData,
    callbacks: callbacks(),
  });
  for (const [key, value] of Object.entries(expected)) {
    expect(fitted.history[key]![0]).toBeNear(value);
    expect(streamed.history[key]![0]).toBeNear(value);
  }
  expect((await evaluate(model, x, ys)).parts).toEqual({
    a: streamed.history['val_data_loss/a']![0],
    b: streamed.history['val_data_loss/b']![0],
  });
});

it('has validation also where fitDataset loses the value: outputs of one name', async () => {
  const inputs = tf.input({ shape: [4] });
  const shared = tf.layers.dense({ units: 1, name: 'twice' });
  const other = tf.layers.dense({ units: 4 }).apply(inputs) as tfjs.SymbolicTensor;
  const outputs = [shared.apply(inputs), shared.apply(other)] as tfjs.SymbolicTensor[];
  const model = tf.model({ inputs, outputs });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  const [x, ys] = [data([8, 4]), [data([8, 1]), data([8, 1], 2)]] as const;
  const dataset = batches([x, [...ys]]);
  const args = { epochs: 1, ...silent, validationData: dataset, callbacks: decomposedLoss() };
  const { history } = await model.fitDataset(dataset, args);
  const [one, two] = ys.map((y, output) =>
    tf.losses.meanSquaredError(y, (model.predict(x) as tfjs.Tensor[])[output]!).dataSync(),
  );
  expect(history['val_data_loss/twice']![0]).toBeNear(one![0]!);
  expect(history['val_data_loss/twice_1']![0]).toBeNear(two![0]!);
  expect(history['val_data_loss']![0]).toBeNear(one![0]! + two![0]!);
});

/** Three outputs, `p`, `q` and `r`, of which the weights are known and don't move, and a term on the input. */
function threeOutputs(): { model: tfjs.LayersModel; kernels: number[][] } {
  const inputs = tf.input({ shape: [2] });
  const term = lossTerm({ name: 'kl', loss: ([z]) => tf.mean(tf.square(z!)), weight: 0.5 }).apply(inputs);
  const kernels = [1, 2, 3].map((seed) => numbers(2, seed));
  const outputs = ['p', 'q', 'r'].map(
    (name) => tf.layers.dense({ name, units: 1, useBias: false }).apply(term) as tfjs.SymbolicTensor,
  );
  const model = tf.model({ inputs, outputs });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
  model.setWeights(kernels.map((kernel) => tf.tensor2d(kernel, [2, 1])));
  return { model, kernels };
}

const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

it.each(['fit', 'fitDataset', 'fitDataset with tensors'])(
  'is what float64 gives by hand for batches of different sizes: %s',
  async (by) => {
    const { model, kernels } = threeOutputs();
    const sizes = by === 'fitDataset' ? [5, 1, 3] : [4, 4, 1];
    const [rows, targets] = [numbers(18, 7), [4, 5, 6].map((seed) => numbers(9, seed))];
    const [x, ys] = [tf.tensor2d(rows, [9, 2]), targets.map((target) => tf.tensor2d(target, [9, 1]))];
    const starts = sizes.map((_, batch) => sizes.slice(0, batch).reduce((sum, size) => sum + size, 0));
    const dataset = batches(
      ...sizes.map((size, batch): [tfjs.Tensor, tfjs.Tensor[]] => [
        x.slice([starts[batch]!, 0], [size, 2]),
        ys.map((y) => y.slice([starts[batch]!, 0], [size, 1])),
      ]),
    );
    const callbacks = decomposedLoss();
    const args = { ...silent, epochs: 2, callbacks };
    const tensors = [x, ys] as never;
    const { history } =
      by === 'fit'
        ? await model.fit(x, ys, { ...args, batchSize: 4, validationData: tensors })
        : await model.fitDataset(dataset, {
            ...args,
            validationData: by === 'fitDataset' ? dataset : tensors,
            validationBatchSize: 4,
          });
    const losses = kernels.map(([w, v], output) =>
      mean(targets[output]!.map((target, row) => (rows[2 * row]! * w! + rows[2 * row + 1]! * v! - target) ** 2)),
    );
    const kl = mean(rows.map((value) => value ** 2));
    const expected = {
      'val_data_loss/p': losses[0]!,
      'val_data_loss/q': losses[1]!,
      'val_data_loss/r': losses[2]!,
      'val_data_loss/kl': kl,
      val_data_loss: losses[0]! + losses[1]! + losses[2]! + 0.5 * kl,
    };
    for (const [key, value] of Object.entries(expected)) {
      expect(history[key]).toHaveLength(2);
      history[key]!.forEach((one) => expect(one).toBeNear(value));
      // The data of training is the same, and the weights don't move.
      expect(history[key.slice('val_'.length)]![1]).toBeNear(value);
    }
  },
);

it('leaves nothing of a validation that throws in the middle, and serves the next fit', async () => {
  const [x, ys] = [data([4, 4]), [data([4, 1]), tf.ones([4, 1])]];
  const one = () => ({ xs: x.clone(), ys: ys.map((y) => y.clone()) });
  const failing = tf.data.generator(function* () {
    yield one();
    throw new Error('the dataset failed');
  });
  const training = batches([x, ys]);
  const callback = decomposedLoss();
  const run = (callbacks: unknown) => () =>
    twoOutputs().fitDataset(training, {
      ...silent,
      epochs: 2,
      validationData: failing,
      callbacks: callbacks as tfjs.CustomCallback[],
    });
  const plain = await tensorsLeftByFailing(run([]));
  expect(await tensorsLeftByFailing(run([callback]))).toBe(plain);
  const args = { ...silent, epochs: 1, validationData: training, callbacks: callback };
  const { history } = await twoOutputs().fitDataset(training, args);
  expect(history['val_data_loss/sold']).toHaveLength(1);
});

it('leaves no tensor that the host does not leave, also where callbacks evaluate too', async () => {
  const [x, ys] = [data([4, 4]), [data([4, 1]), tf.ones([4, 1])]];
  const fit = async (callback: unknown[], evaluates: boolean) => {
    const model = twoOutputs();
    const look = async () => tf.dispose(model.evaluate(x, ys));
    const hooks = ['onEpochBegin', 'onBatchBegin', 'onBatchEnd', 'onEpochEnd', 'onTrainEnd'];
    const looking = new tf.CustomCallback(evaluates ? Object.fromEntries(hooks.map((hook) => [hook, look])) : {});
    const callbacks = [...callback, looking] as tfjs.CustomCallback[];
    const args = { ...silent, epochs: 3, batchSize: 2, validationData: [x, ys] as never, callbacks };
    const { history } = await model.fit(x, ys, { ...args, shuffle: false });
    model.dispose();
    model.optimizer.dispose();
    return history;
  };
  const histories: unknown[] = [];
  for (const evaluates of [false, true]) {
    const plain = await tensorsLeftBy(() => fit([], evaluates));
    expect(await tensorsLeftBy(async () => void histories.push(await fit([decomposedLoss()], evaluates)))).toBe(plain);
  }
  expect(histories[1]).toEqual(histories[0]);
});
