/** The training step of TensorFlow.js, and what surrounds it, as far as src/host relies on it. */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../helpers/backend';
import { chain, compiled, dataset, firstEpoch, half, internals, numbers, sum } from './hand-made';

// The output is 1 + 2 = 3 for both rows; against 0 and 1 that makes squared errors of 9 and 4, a data loss of 6.5.
const rows = [
  [1, 2],
  [1, 2],
];
const targets = [[0], [1]];
const x = () => tf.tensor2d(rows);
const y = () => tf.tensor2d(targets);

/** Its kernel is [1, 1], a penalty of 0.5 * (1 + 1) = 1. */
const single = (args?: Partial<tfjs.ModelCompileArgs>) =>
  compiled(chain([2], sum('out', { kernelRegularizer: half() })), args);

/** Its outputs are those of `single`, twice. */
const twofold = (args?: Partial<tfjs.ModelCompileArgs>) => {
  const inputs = tf.input({ shape: [2] });
  const outputs = ['first', 'second'].map((name) => sum(name).apply(inputs) as tfjs.SymbolicTensor);
  return compiled(tf.model({ inputs, outputs }), args);
};

const step = (model: tfjs.LayersModel, ...data: tfjs.Tensor[]) =>
  tf.tidy(() => internals(model).makeTrainFunction()(data));

describe('the training step', () => {
  it('takes inputs, targets and weights, and returns the total and what getDedupedMetricsNames names', () => {
    const model = twofold({ metrics: ['mae'] });
    // The first output against 0 and 1; the second against 3 and 3, which it hits.
    const values = step(model, x(), y(), tf.tensor2d([[3], [3]]), tf.tensor1d([2, 0.5]), tf.tensor1d([1, 1]));
    const names = ['loss', 'first_loss', 'second_loss', 'first_mae', 'second_mae'];
    expect(internals(model).getDedupedMetricsNames()).toEqual(names);
    // Weighted, the errors are 2 * 9 and 0.5 * 4, on average 10; no weight acts on the absolute ones, (3 + 2) / 2.
    expect(numbers(values)).toEqual([10, 10, 0, 2.5, 0]);
  });

  it('calls each loss function once, unreduced, then calculateLosses once', () => {
    const model = twofold();
    const calls: string[] = [];
    const host = internals(model);
    host.lossFunctions.forEach((loss, output) => {
      host.lossFunctions[output] = (yTrue, yPred) => {
        const result = loss(yTrue, yPred);
        calls.push(`${output}: ${yTrue.arraySync()} ${yPred.arraySync()} -> ${result.arraySync()}`);
        return result;
      };
    });
    const calculateLosses = host.calculateLosses;
    host.calculateLosses = function () {
      calls.push('penalties');
      return calculateLosses.call(this);
    };
    step(model, x(), y(), y());
    expect(calls).toEqual(['0: 0,1 3,3 -> 9,4', '1: 0,1 3,3 -> 9,4', 'penalties']);
  });

  it('looks both up on the instance in each step', () => {
    const model = single();
    const run = internals(model).makeTrainFunction();
    expect(numbers(run([x(), y()]))).toEqual([6.5 + 1]);
    internals(model).lossFunctions[0] = (_, yPred) => yPred.mul(10);
    internals(model).calculateLosses = () => [tf.scalar(3), tf.scalar(4)];
    // Ten times the outputs, which are 3.
    expect(numbers(run([x(), y()]))).toEqual([30 + 7]);
  });

  it.each<[string, (model: tfjs.LayersModel) => Promise<unknown>]>([
    ['fit', (model) => model.fit(x(), y(), { verbose: 0 })],
    ['fitDataset', (model) => model.fitDataset(dataset(rows, targets), { epochs: 1, verbose: 0 })],
    ['trainOnBatch', (model) => model.trainOnBatch(x(), y())],
  ])('is what %s runs', async (_, train) => {
    const model = single();
    const run = jest.fn(() => [tf.scalar(7)]);
    internals(model).makeTrainFunction = () => run;
    await train(model);
    expect(run).toHaveBeenCalledTimes(1);
  });

  const scalarLoss = (yTrue: tfjs.Tensor, yPred: tfjs.Tensor) => tf.losses.meanSquaredError(yTrue, yPred);

  it.each([
    ['one output', () => single(), [], 6.5],
    ['metrics', () => single({ metrics: ['mae'] }), [], 6.5],
    ['a loss function that takes the mean itself', () => single({ loss: scalarLoss }), [], 6.5],
    // (2 * 9 + 0.5 * 4) / 2 = 10.
    ['class weights', () => single(), [[2, 0.5]], 10],
    // Twice 6.5.
    ['two outputs', () => twofold(), [], 13],
  ])(
    'has the mean of the data loss as the newest entry of its tape in calculateLosses: %s',
    (_, build, weights, data) => {
      const model = build();
      const seen: Array<[string, number[], number[]]> = [];
      const calculateLosses = internals(model).calculateLosses;
      internals(model).calculateLosses = function () {
        const { activeTape, gradientDepth } = tf.engine().state;
        const { kernelName, outputs } = activeTape.at(-1)!;
        expect(gradientDepth).toBe(1);
        seen.push([kernelName, outputs[0]!.shape, numbers(outputs as tfjs.Scalar[])]);
        return calculateLosses.call(this);
      };
      step(model, x(), ...model.outputs.map(y), ...weights.map((each) => tf.tensor1d(each)));
      expect(seen).toEqual([['Mean', [], [data]]]);
      expect(tf.engine().state).toMatchObject({ activeTape: null, gradientDepth: 0 });
    },
  );

  it('does not clear its tape when it throws', () => {
    const model = single();
    internals(model).calculateLosses = () => {
      throw new Error('stop');
    };
    expect(() => step(model, x(), y())).toThrow('stop');
    const { activeTape, gradientDepth } = tf.engine().state;
    expect([activeTape.at(-1)!.kernelName, gradientDepth]).toEqual(['Mean', 0]);
    // The next step begins a new one.
    expect(numbers(step(single(), x(), y()))).toEqual([6.5 + 1]);
    expect(tf.engine().state.activeTape).toBeNull();
  });
});

describe('isTraining', () => {
  const stop = () => {
    throw new Error('stop');
  };
  const inStep = (model: tfjs.LayersModel) => void (internals(model).calculateLosses = stop);
  const nothing = () => undefined;
  const noCallback = {};
  const broken = tf.data.generator(function* () {
    yield { xs: x(), ys: y() };
    stop();
  });

  const fit = (model: tfjs.LayersModel, args: tfjs.CustomCallbackArgs) =>
    model.fit(x(), y(), { verbose: 0, callbacks: args });
  const fitDataset = (model: tfjs.LayersModel, args: tfjs.CustomCallbackArgs) =>
    model.fitDataset(dataset(rows, targets), { epochs: 1, verbose: 0, callbacks: args });
  const fitBroken = (model: tfjs.LayersModel, args: tfjs.CustomCallbackArgs) =>
    model.fitDataset(broken, { epochs: 1, verbose: 0, callbacks: args });

  it.each([
    ['fit ends', fit, nothing, noCallback, false],
    ['fitDataset ends', fitDataset, nothing, noCallback, false],
    ['a step of fit throws', fit, inStep, noCallback, true],
    ['a step of fitDataset throws', fitDataset, inStep, noCallback, true],
    ['a callback of fit throws', fit, nothing, { onTrainBegin: stop }, true],
    ['a callback of fitDataset throws', fitDataset, nothing, { onBatchEnd: stop }, true],
    ['the dataset throws', fitBroken, nothing, noCallback, true],
  ])('is set to false on the model when %s', async (_, train, prepare, callbacks, throws) => {
    const model = single();
    const events: unknown[] = [];
    let isTraining = false;
    Object.defineProperty(model, 'isTraining', {
      get: () => isTraining,
      set: (value: boolean) => void events.push((isTraining = value)),
    });
    prepare(model);
    const training = train(model, { ...callbacks, onTrainEnd: () => void events.push('onTrainEnd') });
    await (throws ? expect(training).rejects.toThrow('stop') : training);
    // No callback is called when a training throws.
    expect(events).toEqual(throws ? [true, false] : [true, 'onTrainEnd', false]);
  });
});

describe('standardizeUserData', () => {
  it('returns lists of inputs, targets and weights: what fits is not copied, and no weights are null', async () => {
    const [given, target] = [x(), y()];
    const [inputs, outputs, weights] = await internals(single()).standardizeUserData(given, target);
    expect(inputs[0]).toBe(given);
    expect(outputs[0]).toBe(target);
    expect([inputs.length, outputs.length, weights]).toEqual([1, 1, null]);
  });

  it('makes columns of rank 1, and finds tensors by name', async () => {
    const flat = tf.tensor1d([0, 1]);
    const model = single();
    const [inputs, outputs] = await internals(model).standardizeUserData(
      { [model.inputNames[0]!]: x() },
      { out: flat },
    );
    expect([...inputs, ...outputs].map(({ shape }) => shape)).toEqual([
      [2, 2],
      [2, 1],
    ]);
    expect(outputs[0]).not.toBe(flat);
  });

  it('looks up class weights by the number, or by the place of the largest, in the targets', async () => {
    const classWeight = { first: { 0: 2, 1: 0.5 } };
    const ys = { first: y(), second: y() };
    const [, , weights] = await internals(twofold()).standardizeUserData(x(), ys, undefined, classWeight);
    expect(weights!.map((weight) => weight && [...weight.dataSync()])).toEqual([[2, 0.5], null]);

    const oneHot = tf.tensor2d([
      [0, 1],
      [1, 0],
    ]);
    const wide = compiled(chain([2], sum('out', { units: 2 })));
    const [, , byPlace] = await internals(wide).standardizeUserData(x(), oneHot, undefined, { 0: 2, 1: 0.5 });
    expect([...byPlace![0]!.dataSync()]).toEqual([0.5, 2]);
  });
});

describe('weights of samples', () => {
  it('class weights act in training only', async () => {
    const validationData: [tfjs.Tensor, tfjs.Tensor] = [x(), y()];
    const training = single().fit(x(), y(), { classWeight: { 0: 2, 1: 0.5 }, validationData, verbose: 0 });
    // (2 * 9 + 0.5 * 4) / 2 and the penalty of 1; without weights 6.5.
    expect(await firstEpoch(training)).toEqual({ loss: 11, val_loss: 6.5 });
  });

  it('sampleWeight throws', async () => {
    const training = single().fit(x(), y(), { sampleWeight: tf.ones([2]), verbose: 0 });
    await expect(training).rejects.toThrow('sample weight is not supported yet');
  });
});
