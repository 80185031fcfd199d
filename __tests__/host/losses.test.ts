/** What TensorFlow.js itself counts into its losses: facts of the host that this library is there for. */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../helpers/backend';
import { chain, compiled, dataset, firstEpoch, half, internals, numbers, penalties, sum } from './hand-made';

const x = () => tf.tensor2d([[1, 2]]);
const y = (value = 0) => tf.tensor2d([[value]]);

describe('the penalty is in the training loss, and in no other', () => {
  // The output is 1 + 2 = 3 and the target 0, a data loss of 9; the kernel is [1, 1], a penalty of 0.5 * (1 + 1) = 1.
  const model = () => compiled(chain([2], sum('out', { kernelRegularizer: half() })));
  const rows = () => dataset([[1, 2]], [[0]]);

  it('fit', async () => {
    const training = model().fit(x(), y(), { validationData: [x(), y()], verbose: 0 });
    expect(await firstEpoch(training)).toEqual({ loss: 10, val_loss: 9 });
  });

  it.each([
    ['a dataset', rows],
    ['tensors', (): [tfjs.Tensor, tfjs.Tensor] => [x(), y()]],
  ])('fitDataset, validated on %s', async (_, validationData) => {
    const training = model().fitDataset(rows(), { epochs: 1, validationData: validationData(), verbose: 0 });
    expect(await firstEpoch(training)).toEqual({ loss: 10, val_loss: 9 });
  });

  it('trainOnBatch', async () => {
    expect(await model().trainOnBatch(x(), y())).toBe(10);
  });

  it('evaluate and evaluateDataset', async () => {
    expect(numbers(model().evaluate(x(), y()))).toEqual([9]);
    expect(numbers(await model().evaluateDataset(rows(), { batches: 1 }))).toEqual([9]);
  });
});

describe('with several outputs the values of an evaluation are shifted under their names', () => {
  // Every output is 1 + 2 = 3. Against 0, 1 and 2 that makes absolute errors of 3, 2 and 1, squared ones of 9, 4 and 1.
  const model = (names: string[], metrics?: string[]) => {
    const inputs = tf.input({ shape: [2] });
    const outputs = names.map((name) => sum(name).apply(inputs) as tfjs.SymbolicTensor);
    return compiled(tf.model({ inputs, outputs }), { metrics });
  };
  const targets = [0, 1, 2].map((target) => [[target]]);
  const two = () => model(['first', 'second'], ['mae']);
  const epoch = {
    loss: 13,
    first_loss: 9,
    second_loss: 4,
    first_mae: 3,
    second_mae: 2,
    val_loss: 9,
    val_first_loss: 13,
    val_second_loss: 9,
    val_first_mae: 4,
    val_second_mae: 3,
  };

  it('evaluate returns a running sum for each output where the names are those of one loss', () => {
    const model = two();
    expect(model.metricsNames).toEqual(Object.keys(epoch).slice(0, 5));
    // 9, then 9 + 4; only after them what the second to the fifth name promise.
    expect(numbers(model.evaluate(x(), [y(0), y(1)]))).toEqual([9, 13, 9, 4, 3, 2]);
  });

  it('the last of the running sums is the whole, also for three outputs', () => {
    const values = model(['first', 'second', 'third']).evaluate(x(), [y(0), y(1), y(2)]);
    expect(numbers(values)).toEqual([9, 13, 14, 9, 4, 1]);
  });

  it('fit', async () => {
    const data: [tfjs.Tensor, tfjs.Tensor[]] = [x(), [y(0), y(1)]];
    // The types allow single tensors only, the code takes both.
    const validationData = data as unknown as [tfjs.Tensor, tfjs.Tensor];
    expect(await firstEpoch(two().fit(...data, { validationData, verbose: 0 }))).toEqual(epoch);
  });

  it('fitDataset', async () => {
    const rows = () => dataset([[1, 2]], targets[0]!, targets[1]!);
    const training = two().fitDataset(rows(), { epochs: 1, validationData: rows(), verbose: 0 });
    expect(await firstEpoch(training)).toEqual(epoch);
  });

  it('fit numbers outputs of one name, fitDataset lets the last one overwrite the whole', async () => {
    const inputs = tf.input({ shape: [2] });
    const layer = sum('twice');
    const outputs = [layer.apply(inputs), layer.apply(inputs)] as tfjs.SymbolicTensor[];
    const model = compiled(tf.model({ inputs, outputs }));
    const rows = () => dataset([[1, 2]], targets[0]!, targets[1]!);

    const validationData = [x(), [y(0), y(1)]] as unknown as [tfjs.Tensor, tfjs.Tensor];
    const byFit = await firstEpoch(model.fit(x(), [y(0), y(1)], { validationData, verbose: 0 }));
    expect(byFit).toMatchObject({ val_loss: 9, val_twice_loss_0: 13, val_twice_loss_1: 9 });

    const training = model.fitDataset(rows(), { epochs: 1, validationData: rows(), verbose: 0 });
    const byFitDataset = Object.entries(await firstEpoch(training)).filter(([key]) => key.startsWith('val_'));
    expect(Object.fromEntries(byFitDataset)).toEqual({ val_loss: 9, val_twice_loss: 9 });
  });
});

describe('what is called k times is penalised k times', () => {
  const weight = (layer: tfjs.layers.Layer) => numbers(layer.getWeights() as tfjs.Scalar[])[0];

  it('and the optimizer minimises that', async () => {
    const layer = sum('twice', { kernelRegularizer: half() });
    const model = compiled(chain([1], layer, layer), { learningRate: 0.1 });
    // The output is w * w, the loss w^4 + 2 * 0.5 w^2. At w = 1 that is 2 and its gradient 4 + 2, so w becomes 0.4;
    // counted once, the loss would be 1.5, the gradient 4 + 1 and the new w 0.5.
    expect(await model.trainOnBatch(tf.ones([1, 1]), y())).toBe(2);
    expect(weight(layer)).toBeNear(0.4);
  });

  it('a model as well as a layer', () => {
    const inner = chain([1], sum('inner', { kernelRegularizer: half() }));
    expect(penalties(chain([1], inner, inner, inner))).toEqual([0.5, 0.5, 0.5]);
  });

  it('but calls outside the model do not count', () => {
    const layer = sum('shared', { kernelRegularizer: half() });
    const model = chain([1], layer);
    chain([1], layer, layer);
    expect(penalties(model)).toEqual([0.5]);
  });
});

describe('a frozen layer is still penalised', () => {
  it('in the loss of fit', async () => {
    const frozen = sum('frozen', { kernelRegularizer: half(), trainable: false });
    const model = compiled(chain([2], frozen, sum('out')));
    expect(model.trainableWeights).toHaveLength(1);
    // The output is 3 and the target 0, a data loss of 9; the kernel [1, 1] has a penalty of 1.
    expect(await model.trainOnBatch(x(), y())).toBe(10);
  });

  it.each([
    ['frozen after compile stops moving at once', true, false],
    ['freed after compile does not move either', false, true],
  ])('%s', async (_, atCompile, afterwards) => {
    const [changed, other] = [sum('changed', { trainable: atCompile }), sum('other')];
    const model = compiled(chain([1], changed, other), { learningRate: 0.1 });
    changed.trainable = afterwards;
    await model.trainOnBatch(tf.ones([1, 1]), y());
    // The loss is (v w)^2, whose derivative to either is 2 at v = w = 1: the one that trains becomes 0.8.
    expect(numbers(changed.getWeights() as tfjs.Scalar[])).toEqual([1]);
    expect(numbers(other.getWeights() as tfjs.Scalar[])[0]).toBeNear(0.8);
  });
});

describe('the penalty cannot be subtracted afterwards', () => {
  it('after the step it belongs to the updated weights', async () => {
    const model = compiled(chain([1], sum('out', { kernelRegularizer: half() })), { learningRate: 0.1 });
    let naive: number | undefined;
    const onBatchEnd = async (_: number, logs?: tfjs.Logs) => {
      naive = logs!['loss']! - penalties(model)[0]!;
    };
    await model.fit(tf.ones([1, 1]), y(), { verbose: 0, callbacks: new tf.CustomCallback({ onBatchEnd }) });
    // At w = 1: data w^2 = 1, penalty 0.5 w^2 = 0.5, gradient 2 + 1, so w becomes 0.7, whose penalty is 0.245.
    // Right would be 1.5 - 0.5 = 1; what one gets is 1.5 - 0.245.
    expect(naive).toBeNear(1.255);
  });

  it('a large one has taken the digits of the data loss with it', async () => {
    const kernelRegularizer = tf.regularizers.l2({ l2: 70000 });
    const model = compiled(chain([1], sum('out', { kernelRegularizer })));
    const target = y(0.05);
    // (1 - 0.05)^2 = 0.9025. Float32 numbers about 70000 are 1/128 apart, and 0.9025 * 128 = 115.52.
    expect(numbers(model.evaluate(tf.ones([1, 1]), target))[0]).toBeNear(0.9025);
    expect(await model.trainOnBatch(tf.ones([1, 1]), target)).toBe(70000 + 116 / 128);
  });
});

describe('a Sequential trains a LayersModel that it hides', () => {
  const layer = (inputShape?: number[]) => sum('out', { kernelRegularizer: half(), inputShape });

  it('made by compile, anew each time, or by build', () => {
    const model = tf.sequential({ layers: [layer([2])] });
    expect([model.built, typeof internals(model).model]).toEqual([false, 'undefined']);
    compiled(model);
    const first = internals(model).model;
    expect(model.built).toBe(true);
    expect([first instanceof tf.LayersModel, first instanceof tf.Sequential]).toEqual([true, false]);
    compiled(model);
    expect(internals(model).model === first).toBe(false);

    const uncompiled = tf.sequential({ layers: [layer([2])] });
    uncompiled.build();
    expect(internals(uncompiled).model instanceof tf.LayersModel).toBe(true);
  });

  it('which is stale after add(), while `built` says so', () => {
    const model = compiled(tf.sequential({ layers: [layer([2])] }));
    model.add(sum('more'));
    expect(model.built).toBe(false);
    expect(internals(model).model!.layers.at(-1)!.name).toBe('out');
  });

  it('without which it knows of no penalty', () => {
    const model = tf.sequential({ layers: [layer([2])] });
    expect(penalties(model)).toEqual([]);
    model.build();
    expect(penalties(model)).toEqual([1]);
  });

  it('and whose inner penalties the outer Sequential does not list', async () => {
    const inner = tf.sequential({ layers: [sum('inner', { kernelRegularizer: half(), inputShape: [2] })] });
    const model = compiled(tf.sequential({ layers: [inner, layer()] }));
    // The kernels are [1, 1] and [1]: penalties of 1 and 0.5. The output is 3 and the target 0, a data loss of 9.
    expect(penalties(model)).toEqual([0.5]);
    expect(penalties(internals(model).model!)).toEqual([1, 0.5]);
    expect(await model.trainOnBatch(x(), y())).toBe(10.5);
  });

  it('so that they are lost where that one is itself a layer', () => {
    const inner = tf.sequential({ layers: [sum('inner', { kernelRegularizer: half(), inputShape: [2] })] });
    expect(penalties(chain([2], tf.sequential({ layers: [inner, layer()] })))).toEqual([0.5]);
  });

  it('and which is the one that callbacks are given', async () => {
    const model = compiled(tf.sequential({ layers: [layer([2])] }));
    const callback = new (class extends tf.Callback {})();
    await model.fit(x(), y(), { verbose: 0, callbacks: callback });
    expect(callback.model === internals(model).model).toBe(true);
  });
});
