import type * as tfjs from '@tensorflow/tfjs';
import {
  decomposedLoss,
  evaluate,
  evaluateDataset,
  regularizationLoss,
  regularizationTerms,
  trainStep,
  type DecomposedLossArgs,
} from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { tensorsLeftByFailing } from '../helpers/memory';
import { batches, classifier, data, oneHot, regressor, state, twoOutputs } from '../helpers/models';

const [x, y] = [() => data([6, 4]), () => data([6, 1])];
const silent = { verbose: 0 as const };

const trainedMetrics = (model: tfjs.Sequential) => (model as unknown as { model: tfjs.LayersModel }).model.metricsNames;

const notCompiled = (): tfjs.LayersModel => {
  const inputs = tf.input({ shape: [4] });
  return tf.model({
    name: 'encoder',
    inputs,
    outputs: tf.layers.dense({ units: 1 }).apply(inputs) as tfjs.SymbolicTensor,
  });
};
const notBuilt = (): tfjs.LayersModel =>
  tf.sequential({ name: 'encoder', layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });
const changed = (): tfjs.LayersModel => {
  const model = regressor();
  model.add(tf.layers.dense({ units: 1 }));
  return model;
};

/** What looks like a model of another copy of tfjs-layers. */
const foreign = () => ({ makeTrainFunction() {}, calculateLosses() {} });
const graphModel = () => ({ executor: {}, predict() {} });

const functions: Array<[name: string, call: (model: never) => unknown]> = [
  ['trainStep', async (model) => trainStep(model, x(), y())],
  ['evaluate', async (model) => evaluate(model, x(), y())],
  ['evaluateDataset', async (model) => evaluateDataset(model, batches([x(), y()]))],
  ['regularizationTerms', async (model) => regularizationTerms(model)],
];

describe.each(functions)('%s', (_, call) => {
  it.each([
    ['a tf.GraphModel', graphModel, /got a tf\.GraphModel, which cannot be trained.*tf\.loadLayersModel/],
    ["a second copy's model", foreign, /got one from a second copy of @tensorflow\/tfjs-layers.*npm ls.*npm dedupe/],
    [
      'a layer',
      () => tf.layers.dense({ units: 1 }),
      /Expected `model` to be a tf\.LayersModel or a tf\.Sequential, got a Dense/,
    ],
    ['nothing', () => undefined, /got undefined\. Pass what `tf\.model`/],
    ['a string', () => 'model', /got 'model'/],
    ['an object', () => ({ model: 1 }), /got an object with `model`/],
    [
      'a Sequential that is not built',
      notBuilt,
      /Expected `model` to be built, got `encoder`, a Sequential that is not built\. Call/,
    ],
    ['a Sequential that was changed since', changed, /to be built, got/],
  ])('refuses %s', async (_name, model, message) => {
    await expect(call(model() as never)).rejects.toThrow(message);
  });
});

it('regularizationLoss refuses a Sequential without layers, and leaves one that is built as it is', async () => {
  expect(() => regularizationLoss(tf.sequential({ name: 'empty' }))).toThrow(
    /Expected `model` to be built, got `empty`, a Sequential that is not built\. Call/,
  );
  const model = regressor();
  regularizationLoss(model).dispose();
  expect((await trainStep(model, x(), y())).total).toBeGreaterThan(0);
});

it.each(functions.slice(0, 3))('%s refuses a model that is not compiled', async (_, call) => {
  await expect(call(notCompiled() as never)).rejects.toThrow(
    /Expected `model` to be compiled, got `encoder`.*model\.compile\(\{optimizer, loss\}\)/,
  );
});

it('refuses data without a sample', async () => {
  const model = regressor();
  const [none, nothing] = [tf.zeros([0, 4]), tf.zeros([0, 1])];
  await expect(trainStep(model, none, nothing)).rejects.toThrow(/Expected `x`.*got an empty batch of shape \[0,4\]/);
  await expect(trainStep(model, x(), nothing)).rejects.toThrow(/Expected `y`.*got an empty batch of shape \[0,1\]/);
  await expect(trainStep(model, { in: none }, nothing)).rejects.toThrow(/empty batch/);
  await expect(evaluate(model, none, nothing)).rejects.toThrow(/Expected `x`.*empty batch of shape \[0,4\]/);
  await expect(evaluate(model, [none], nothing)).rejects.toThrow(/empty batch/);
  await expect(evaluateDataset(model, batches())).rejects.toThrow(/Expected `dataset` to hold .*got no batch/);
});

it.each<[string, unknown]>([
  ['undefined', undefined],
  ['an array of 2', [1, 2]],
  ["'x'", 'x'],
  ['a Float32Array', new Float32Array(4)],
  ['an object with no keys', {}],
])('refuses data that is no tensor: %s', async (got, value) => {
  const model = regressor();
  const message = (caller: string, name: string) =>
    `Expected \`${name}\` of \`${caller}\` to be a tensor, an array of tensors, or an object of tensors by name, got ${got}`;
  await expect(trainStep(model, value as never, y())).rejects.toThrow(message('trainStep', 'x'));
  await expect(trainStep(model, x(), value as never)).rejects.toThrow(message('trainStep', 'y'));
  await expect(evaluate(model, value as never, y())).rejects.toThrow(message('evaluate', 'x'));
  await expect(evaluate(model, x(), value as never)).rejects.toThrow(message('evaluate', 'y'));
  await expect(evaluateDataset(model, value as never)).rejects.toThrow(
    /Expected `dataset` of `evaluateDataset` to be a tf\.data\.Dataset/,
  );
});

it('refuses arguments that it does not know', async () => {
  const model = regressor();
  await expect(trainStep(model, x(), y(), { sampleWeights: tf.ones([6]) } as never)).rejects.toThrow(
    'Expected the arguments `classWeight`, `sampleWeight`, `returnTensors`, `warn` of `trainStep`, got `sampleWeights`. Use one of those.',
  );
  await expect(trainStep(model, x(), y(), null as never)).rejects.toThrow(/to be an object .* got null/);
  await expect(evaluate(model, x(), y(), { batchsize: 1 } as never)).rejects.toThrow(
    /`batchSize` of `evaluate`, got `batchsize`/,
  );
  await expect(evaluateDataset(model, batches([x(), y()]), { steps: 1 } as never)).rejects.toThrow(
    /`batches` of `evaluateDataset`, got `steps`/,
  );
});

describe('sampleWeight', () => {
  const one = () => [regressor(), x(), y()] as const;
  const two = () => [twoOutputs(), x(), [y(), tf.ones([6, 1])]] as const;
  it.each<[string, typeof one | typeof two, unknown, RegExp]>([
    [
      'of a wrong length',
      one,
      () => tf.ones([5]),
      /`sampleWeight` of output `out` to have the shape \[6\] and the type float32, got \[5\] and float32\. Pass one weight/,
    ],
    [
      'of a wrong rank',
      one,
      () => tf.ones([6, 1]),
      /`sampleWeight` of output `out` to have the shape of its loss, \[6\], or the first axes of it, got \[6,1\]/,
    ],
    ['that is a scalar', one, () => tf.scalar(1), /to have the shape \[6\] .* got \[\]/],
    ['that is no tensor', one, () => 0.5, /to hold a tensor for each output \(`out`\), got 0\.5 \(number\)/],
    ['that is null', one, () => null, /got null/],
    ['of words', one, () => tf.tensor1d(['a', 'b', 'c', 'd', 'e', 'f']), /type float32, got \[6\] and string/],
    ['for too many outputs', one, () => [tf.ones([6]), tf.ones([6])], /got an array of 2\. Pass one tensor an output/],
    [
      'as one tensor for two outputs',
      two,
      () => tf.ones([6]),
      /\(`price`, `sold`\), got one tensor\. Pass an array of 2/,
    ],
    [
      'for an output that there is not',
      two,
      () => ({ cost: tf.ones([6]) }),
      /got an object with `cost`\. Pass tensors under/,
    ],
    ['for an output and for one that there is not', two, () => ({ price: tf.ones([6]), cost: tf.ones([6]) }), /`cost`/],
    ['in a list with something else', two, () => [tf.ones([6]), 1], /got an array of 2\. Pass one tensor an output/],
    ['without an output', two, () => ({}), /got an object with no keys/],
  ])('%s is refused, and changes nothing', async (_, model, weights, message) => {
    const [subject, inputs, targets] = model();
    const sampleWeight = (weights as () => never)();
    const before = await state(subject);
    const step = () => trainStep(subject, inputs, targets as never, { sampleWeight });
    expect(await tensorsLeftByFailing(step)).toBe(0);
    await expect(step()).rejects.toThrow(message);
    expect(await state(subject)).toEqual(before);
  });
});

it('refuses class weights that do not fit, as the host does', async () => {
  const [inputs, targets] = [x(), oneHot(6)];
  await expect(trainStep(classifier(), inputs, targets, { classWeight: { 0: 1 } })).rejects.toThrow(
    /classWeight must contain/,
  );
  const both = [y(), tf.ones([6, 1])];
  await expect(trainStep(twoOutputs(), inputs, both, { classWeight: [{ 0: 1 }] })).rejects.toThrow(
    /classWeight is an array of 1/,
  );
});

describe('decomposedLoss', () => {
  it.each<[string, unknown, RegExp]>([
    [
      'breakdown',
      { breakdown: 'layers' },
      /Expected `breakdown` of `decomposedLoss` to be 'none', 'layer' or 'weight', got 'layers'/,
    ],
    ['breakdown', { breakdown: null }, /`breakdown`.*got null/],
    ['logKeys', { logKeys: 'loss' }, /Expected `logKeys` of `decomposedLoss` to be an object of names, got 'loss'/],
    [
      'logKeys',
      { logKeys: { data_loss: 'x' } },
      /Expected `logKeys` of `decomposedLoss` to rename `dataLoss`.*got `data_loss`/,
    ],
    ['logKeys', { logKeys: { dataLoss: 3 } }, /Expected `logKeys\.dataLoss` to be a name, got 3 \(number\)/],
    ['logKeys', { logKeys: { dataLoss: '' } }, /`logKeys\.dataLoss` to be a name, got ''/],
    ['logKeys', { logKeys: { dataLoss: 'constructor' } }, /got 'constructor'.*member of every object/],
    ['argument', { logkeys: {} }, /Expected the arguments `logKeys`, `breakdown`.* of `decomposedLoss`, got `logkeys`/],
    [
      'argument',
      'layer',
      /Expected the arguments of `decomposedLoss` to be an object with `logKeys`, `breakdown`.*, got 'layer'/,
    ],
    ['argument', null, /got null\. Pass \{\}, or leave it out/],
    [
      'logKeys',
      { logKeys: { dataLoss: 'a', regularizationLoss: 'a' } },
      /`logKeys\.dataLoss` and `logKeys\.regularizationLoss` to differ, got 'a'/,
    ],
    [
      'logKeys',
      { logKeys: { valTotalLoss: 'val_data_loss' } },
      /`logKeys\.valDataLoss` and `logKeys\.valTotalLoss` to differ/,
    ],
  ])('refuses a %s that it does not know: %j', (_, args, message) => {
    expect(() => decomposedLoss(args as DecomposedLossArgs)).toThrow(message);
  });

  it.each([
    ['the loss', { dataLoss: 'loss' }, "Expected `logKeys.dataLoss` to be a name of its own, got 'loss'"],
    [
      'a metric',
      { regularizationLoss: 'mae' },
      "got 'mae', which is there already: the host, the model's own loss, a metric or another callback has it (`batch`, `size`, `loss`, `mae`",
    ],
    [
      'a validation metric',
      { valTotalLoss: 'val_mae' },
      "`logKeys.valTotalLoss` to be a name of its own, got 'val_mae'",
    ],
    ['a count of the host', { dataLoss: 'size' }, "got 'size', which is there already: the host"],
  ])('refuses the name of %s before training', async (_, logKeys, message) => {
    const model = regressor({ metrics: ['mae'] });
    const before = await state(model);
    const args = { ...silent, validationSplit: 0.5, callbacks: decomposedLoss({ logKeys }) };
    await expect(model.fit(x(), y(), args)).rejects.toThrow(message);
    expect(await state(model)).toEqual(before);
  });

  it.each([
    ['a key', [], { dataLoss: 'regularization_loss/hidden' }, "got 'regularization_loss/hidden'"],
    [
      'a metric',
      [Object.assign((a: tfjs.Tensor, b: tfjs.Tensor) => tf.sub(a, b), { fnName: 'r/q' })],
      { regularizationLoss: 'r' },
      "got 'r/",
    ],
  ])('refuses %s that reads as a part of the breakdown', async (_, metrics, logKeys, message) => {
    const fit = (breakdown: 'none' | 'layer') => {
      const model = regressor({ metrics: metrics as never });
      if (metrics.length > 0) trainedMetrics(model)[1] = 'r/q';
      return model.fit(x(), y(), { ...silent, callbacks: decomposedLoss({ breakdown, logKeys }) });
    };
    await expect(fit('layer')).rejects.toThrow(message);
    await expect(fit('none')).resolves.toBeDefined();
  });

  it("takes a metric's name that only validation would need", async () => {
    const model = regressor({ metrics: ['mae'] });
    const logKeys = { valTotalLoss: 'val_mae' };
    const { history } = await model.fit(x(), y(), { ...silent, callbacks: decomposedLoss({ logKeys }) });
    expect(history['data_loss']).toHaveLength(1);
  });

  it('refuses a second one with the same names in one fit', async () => {
    const callbacks = [decomposedLoss(), decomposedLoss()];
    await expect(regressor().fit(x(), y(), { ...silent, callbacks })).rejects.toThrow(
      /'data_loss', which is there already.*another callback/,
    );
  });

  it('refuses to watch two trainings at once, and goes on with the first', async () => {
    const callback = decomposedLoss();
    const first = regressor().fit(x(), y(), { ...silent, epochs: 3, callbacks: callback });
    await expect(regressor().fit(x(), y(), { ...silent, callbacks: callback })).rejects.toThrow(
      /Expected each `decomposedLoss\(\)` to be in one training at a time, got one that is in the training of `sequential/,
    );
    expect((await first).history['data_loss']).toHaveLength(3);
  });

  it('refuses to be in one list twice', async () => {
    const callback = decomposedLoss();
    await expect(regressor().fit(x(), y(), { ...silent, callbacks: [callback, callback] })).rejects.toThrow(
      /once, got the same one twice/,
    );
  });

  it('explains why the host does not take it after a plain object', async () => {
    const callbacks = [{ onEpochEnd: () => undefined }, decomposedLoss()] as never;
    await expect(regressor().fit(x(), y(), { ...silent, callbacks })).rejects.toThrow(
      /Expected `decomposedLoss\(\)` itself in `callbacks`, got a copy of its methods.*combineCallbacks/,
    );
  });

  it('explains what to do about a second copy of tfjs-layers', async () => {
    const callback = decomposedLoss();
    // What another copy's fit does with an instance that it does not know: it calls its methods on an object of its own.
    await expect(callback.onTrainBegin.call({} as never)).rejects.toThrow(
      /of one tfjs-layers, got a second copy\. Install one copy/,
    );
  });

  it("explains that a training step of the user's own cannot be watched, and leaves nothing of it", async () => {
    const model = notCompiled();
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    Object.assign(model, { makeTrainFunction: () => () => [tf.scalar(1)] });
    const message =
      /Expected the training step of `encoder` to hand the sum .* got a step that does not\. The step was made\./;
    await expect(model.fit(x(), y(), { ...silent, callbacks: decomposedLoss() })).rejects.toThrow(message);
    const [inputs, targets] = [x(), y()];
    expect(await tensorsLeftByFailing(() => trainStep(model, inputs, targets))).toBe(0);
    await expect(trainStep(model, inputs, targets)).rejects.toThrow(message);
  });

  it('does not mind operations between the data loss and the penalties', async () => {
    const [model, plain] = [regressor(), regressor()];
    const trained = (model as unknown as { model: tfjs.LayersModel }).model;
    const calculateLosses = trained.calculateLosses.bind(trained);
    Object.assign(trained, { calculateLosses: () => (tf.mean(tf.tensor1d([1, 2])), calculateLosses()) });
    expect(await trainStep(model, x(), y())).toEqual(await trainStep(plain, x(), y()));
  });
});
