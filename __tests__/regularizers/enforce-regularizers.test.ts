import type * as tfjs from '@tensorflow/tfjs';
import fc from 'fast-check';
import { activityRegularization, addWeightDecay, enforceRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { decomposedLoss, evaluate, regularizationTerms, trainStep } from 'tfjs-decomposed-loss';
import { declaredRegularizers } from '../../src/regularizers/declared-regularizers';
import { enforcedCases } from '../fixtures/cases';
import type { KerasFixture } from '../fixtures/keras';
import { backend, tf } from '../helpers/backend';
import { penalty } from '../helpers/float64';
import { tensorsLeftBy } from '../helpers/memory';
import { data, fillWeights, numbersOf, state } from '../helpers/models';
import { buildNested, nestedRecipes } from '../helpers/random-nested-models';

const cases = enforcedCases.filter(({ trainsOnWasm }) => backend !== 'wasm' || trainsOnWasm);

/** Within a fraction of Keras's number. */
function expectClose(actual: number | undefined, keras: number, fraction = 1e-5): void {
  expect(Math.abs(actual! - keras)).toBeLessThanOrEqual(fraction * Math.abs(keras));
}

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

/** TensorFlow.js's name of a weight where Keras has the cell's name in it. */
const withoutCell = (name: string) => name.replace(/\/(simple_rnn|lstm|gru)_cell\//, '/');

function expectFinalWeights(model: tfjs.LayersModel, { finalWeights }: KerasFixture): void {
  const variables = new Map(model.weights.map((weight) => [weight.originalName, weight.read()]));
  expect(variables.size).toBe(finalWeights.length);
  for (const { name, sum: total, sumOfSquares } of finalWeights) {
    const values = Array.from(variables.get(withoutCell(name))!.dataSync());
    // The sum may cancel; what matters is how far off it is for weights of that size.
    const size = Math.sqrt(sumOfSquares * values.length);
    expect(Math.abs(sum(values) - total)).toBeLessThanOrEqual(1e-4 * size);
    expectClose(sum(values.map((value) => value * value)), sumOfSquares, 1e-4);
  }
}

const l2 = (coefficient: number) => tf.regularizers.l2({ l2: coefficient });

/** An LSTM with a penalty on each weight, and a dense layer with one. */
function lstmModel(): tfjs.Sequential {
  const model = tf.sequential({
    layers: [
      tf.layers.lstm({
        name: 'lstm',
        units: 3,
        inputShape: [4, 2],
        kernelRegularizer: l2(0.1),
        recurrentRegularizer: tf.regularizers.l1({ l1: 0.05 }),
        biasRegularizer: l2(0.3),
      }),
      tf.layers.dense({ name: 'out', units: 1, kernelRegularizer: l2(0.2) }),
    ],
  });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
  return fillWeights(model);
}

function lstmPenalty(model: tfjs.LayersModel): number {
  const [kernel, recurrent, bias, out] = model.getWeights() as [tfjs.Tensor, tfjs.Tensor, tfjs.Tensor, tfjs.Tensor];
  return (
    penalty(kernel, { l2: 0.1 }) +
    penalty(recurrent, { l1: 0.05 }) +
    penalty(bias, { l2: 0.3 }) +
    penalty(out, { l2: 0.2 })
  );
}

const batch = (): [tfjs.Tensor, tfjs.Tensor] => [data([6, 4, 2]), data([6, 1], 2)];

/** A frozen dense layer, one that is called twice, and an output; all have penalties. */
function sharedAndFrozen(): tfjs.LayersModel {
  const inputs = tf.input({ shape: [3] });
  const frozen = tf.layers.dense({ name: 'frozen', units: 3, trainable: false, kernelRegularizer: l2(0.1) });
  const shared = tf.layers.dense({ name: 'shared', units: 3, kernelRegularizer: l2(0.2) });
  const out = tf.layers.dense({ name: 'out', units: 1, kernelRegularizer: l2(0.4) });
  const layers = [frozen, shared, shared, out];
  const outputs = layers.reduce((h, layer) => layer.apply(h) as tfjs.SymbolicTensor, inputs);
  const model = tf.model({ inputs, outputs });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
  return fillWeights(model);
}

const kernelPenalty = (model: tfjs.LayersModel, name: string, coefficient: number): number =>
  penalty(model.getLayer(name).getWeights()[0]!, { l2: coefficient });

const plainFit = async (model: tfjs.LayersModel, x: tfjs.Tensor, y: tfjs.Tensor, epochs = 1): Promise<number[]> =>
  numbersOf(await model.fit(x, y, { epochs, verbose: 0, shuffle: false }), 'loss');

describe('as Keras', () => {
  it.each(cases)('the plain host trains: $name', async ({ build, expected }) => {
    const { model, x, y, fitArgs, dispose } = build(tf);
    enforceRegularizers(model);
    const { history } = await model.fit(x, y, fitArgs);
    expected.epochs.forEach(({ total }, epoch) => expectClose(history['loss']![epoch] as number, total));
    expectFinalWeights(model, expected);
    dispose();
  });

  it.each(cases)('the library reports: $name', async ({ build, expected }) => {
    const { model, x, y, dispose } = build(tf);
    enforceRegularizers(model);
    for (const keras of expected.steps) {
      const terms = regularizationTerms(model);
      expect(terms.map(({ calls }) => calls)).toEqual(terms.map(() => 1));
      expectClose(sum(terms.map(({ value }) => value)), keras.regularization);
      const values = new Map<string, number>();
      for (const { layer, weight, value } of terms) {
        values.set(`${layer}/${weight}`, (values.get(`${layer}/${weight}`) ?? 0) + value);
      }
      const byValue = (numbers: number[]) => [...numbers].sort((a, b) => a - b);
      byValue([...values.values()]).forEach((value, index) => expectClose(value, byValue(keras.terms)[index]!, 1e-4));
      const step = await trainStep(model, x, y);
      expectClose(step.total, keras.total);
      expectClose(step.data, keras.data);
      expectClose(step.regularization, keras.regularization);
      const evaluation = await evaluate(model, x, y);
      expectClose(evaluation.total, keras.evaluation.total);
      expectClose(evaluation.regularization, keras.evaluation.regularization);
    }
    dispose();
  });

  it.each(cases.filter(({ name }) => !name.startsWith('frozen')))(
    'and only because of it: $name',
    async ({ build, expected }) => {
      const { model, x, y, fitArgs, dispose } = build(tf);
      const { history } = await model.fit(x, y, { ...fitArgs, epochs: 1 });
      expect(Math.abs((history['loss']![0] as number) / expected.steps[0]!.total - 1)).toBeGreaterThan(1e-3);
      dispose();
    },
  );
});

describe('what the callback shows', () => {
  it('are the enforced penalties, by layer and weight', async () => {
    const inputs = tf.input({ shape: [4, 2] });
    const layer = tf.layers.gru({ name: 'gru', units: 3, kernelRegularizer: l2(0.1), biasRegularizer: l2(0.2) });
    const both = tf.layers.bidirectional({ name: 'both', layer, mergeMode: 'sum' });
    const out = tf.layers.dense({ name: 'out', units: 1, kernelRegularizer: l2(0.3) });
    const model = fillWeights(tf.model({ inputs, outputs: out.apply(both.apply(inputs)) as tfjs.SymbolicTensor }));
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
    enforceRegularizers(model);
    const callbacks = decomposedLoss({ breakdown: 'weight' });
    const { history } = await model.fit(...batch(), { verbose: 0, callbacks });
    const [forward, , forwardBias, backward, , backwardBias, kernel] = model.getWeights() as [
      tfjs.Tensor,
      tfjs.Tensor,
      tfjs.Tensor,
      tfjs.Tensor,
      tfjs.Tensor,
      tfjs.Tensor,
      tfjs.Tensor,
    ];
    const expected = {
      'both/forward_gru/kernel': penalty(forward, { l2: 0.1 }),
      'both/forward_gru/bias': penalty(forwardBias, { l2: 0.2 }),
      'both/backward_gru/kernel': penalty(backward, { l2: 0.1 }),
      'both/backward_gru/bias': penalty(backwardBias, { l2: 0.2 }),
      'out/kernel': penalty(kernel, { l2: 0.3 }),
    };
    for (const [name, value] of Object.entries(expected)) {
      expect(history[`regularization_loss/${name}`]![0]).toBeNear(value, 1e-5);
    }
    expect(Object.keys(history).filter((key) => key.includes('/'))).toHaveLength(5);
    expect(history['regularization_loss']![0]).toBeNear(sum(Object.values(expected)), 1e-5);
    expect(history['loss']![0]).toBeNear((history['data_loss']![0] as number) + sum(Object.values(expected)), 1e-5);
  });
});

describe('what it reports', () => {
  it('are the penalties that count otherwise than before', () => {
    const model = sharedAndFrozen();
    expect(enforceRegularizers(model).changes).toEqual([
      { layer: 'shared', weight: 'kernel', callsBefore: 2, calls: 1 },
    ]);
    expect(enforceRegularizers(model, { frozen: true }).changes).toEqual([
      { layer: 'frozen', weight: 'kernel', callsBefore: 1, calls: 0 },
      { layer: 'shared', weight: 'kernel', callsBefore: 2, calls: 1 },
    ]);
    expect(enforceRegularizers(lstmModel()).changes).toEqual([
      { layer: 'lstm', weight: 'kernel', callsBefore: 0, calls: 1 },
      { layer: 'lstm', weight: 'recurrent_kernel', callsBefore: 0, calls: 1 },
      { layer: 'lstm', weight: 'bias', callsBefore: 0, calls: 1 },
    ]);
  });

  it('is nothing where the host has it right', () => {
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 1, inputShape: [2], kernelRegularizer: l2(0.1) })],
    });
    model.build();
    expect(enforceRegularizers(model).changes).toEqual([]);
  });

  it('names no weight for a loss that was added by hand', async () => {
    const inputs = tf.input({ shape: [2] });
    const shared = tf.layers.dense({ name: 'shared', units: 2 });
    shared.addLoss(() => tf.scalar(0.5));
    const outputs = shared.apply(shared.apply(inputs)) as tfjs.SymbolicTensor;
    const model = tf.model({ inputs, outputs });
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
    expect(enforceRegularizers(model).changes).toEqual([{ layer: 'shared', weight: null, callsBefore: 2, calls: 1 }]);
    expect(regularizationTerms(model)).toMatchObject([{ layer: 'shared', kind: 'added', value: 0.5, calls: 1 }]);
  });
});

describe('its options', () => {
  const losses = async (args: Parameters<typeof enforceRegularizers>[1]) => {
    const model = sharedAndFrozen();
    enforceRegularizers(model, args);
    const [x, y] = [data([6, 3]), data([6, 1], 2)];
    const { data: fitted } = await evaluate(model, x, y);
    const [frozen, shared, out] = [
      kernelPenalty(model, 'frozen', 0.1),
      kernelPenalty(model, 'shared', 0.2),
      kernelPenalty(model, 'out', 0.4),
    ];
    return { loss: (await plainFit(model, x, y))[0]! - fitted, frozen, shared, out };
  };

  it('count a shared layer once, and a frozen one as the host does, unless told otherwise', async () => {
    const { loss, frozen, shared, out } = await losses({});
    expect(loss).toBeNear(frozen + shared + out, 1e-5);
  });

  it('sharedOnce: false counts each call', async () => {
    const { loss, frozen, shared, out } = await losses({ sharedOnce: false });
    expect(loss).toBeNear(frozen + 2 * shared + out, 1e-5);
  });

  it('frozen: true leaves out what training does not move', async () => {
    const { loss, shared, out } = await losses({ frozen: true });
    expect(loss).toBeNear(shared + out, 1e-5);
  });

  it('frozen: true follows what the model was last compiled with', async () => {
    const model = sharedAndFrozen();
    enforceRegularizers(model, { frozen: true });
    const terms = () => regularizationTerms(model).map(({ layer }) => layer);
    model.getLayer('frozen').trainable = true;
    expect(terms()).toEqual(['shared', 'out']);
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
    expect(terms()).toEqual(['frozen', 'shared', 'out']);
  });

  it('frozen: true moves the weights to the very same places', async () => {
    const [all, some] = [sharedAndFrozen(), sharedAndFrozen()];
    enforceRegularizers(all);
    enforceRegularizers(some, { frozen: true });
    const [x, y] = [data([6, 3]), data([6, 1], 2)];
    await plainFit(all, x, y, 3);
    await plainFit(some, x, y, 3);
    expect(await state(some)).toEqual(await state(all));
  });

  it('recurrent: false leaves cells out', () => {
    const model = lstmModel();
    expect(enforceRegularizers(model, { recurrent: false }).changes).toEqual([]);
    expect(regularizationTerms(model).map(({ layer }) => layer)).toEqual(['out']);
  });

  it.each([
    [{ shared: true }, /`recurrent`, `sharedOnce`, `frozen` of `enforceRegularizers`, got `shared`/],
    [{ frozen: 'yes' }, /`frozen` of `enforceRegularizers` to be true or false, got 'yes'/],
    [null, /arguments of `enforceRegularizers` to be an object with .* got null/],
  ])('are refused where they are not understood: %j', (args, message) => {
    const model = lstmModel();
    const before = Object.getOwnPropertyDescriptors(model);
    expect(() => enforceRegularizers(model, args as never)).toThrow(message);
    expect(Object.getOwnPropertyDescriptors(model)).toEqual(before);
  });

  it('need a built model', () => {
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2] })] });
    expect(() => enforceRegularizers(model)).toThrow(/`model` to be built/);
  });
});

describe('once more', () => {
  it('changes nothing, and is undone at once', async () => {
    const model = lstmModel();
    const first = enforceRegularizers(model);
    const second = enforceRegularizers(model, { recurrent: true });
    expect(second).toBe(first);
    expect(regularizationTerms(model)).toHaveLength(4);
    second.restore();
    expect(regularizationTerms(model)).toHaveLength(1);
  });

  it('with other options replaces the former ones', () => {
    const model = sharedAndFrozen();
    const calls = () => regularizationTerms(model).map(({ calls }) => calls);
    const first = enforceRegularizers(model);
    const second = enforceRegularizers(model, { frozen: true });
    expect(calls()).toEqual([1, 1]);
    first.restore();
    expect(calls()).toEqual([1, 1]);
    second.restore();
    expect(calls()).toEqual([1, 2, 1]);
  });
});

describe('restore', () => {
  it.each([
    ['a Sequential', lstmModel, [4, 2]],
    ['a functional model', sharedAndFrozen, [3]],
  ])('leaves nothing on %s', async (_, build, shape) => {
    const [model, twin] = [build(), build()];
    const hidden = (one: tfjs.LayersModel) => (one as unknown as { model?: tfjs.LayersModel }).model;
    const own = () => [model, hidden(model)].map((one) => one && Object.getOwnPropertyDescriptors(one));
    const before = own();
    const enforced = enforceRegularizers(model);
    const [x, y] = [data([6, ...shape]), data([6, 1], 2)];
    for (const one of [model, twin]) {
      await trainStep(one, x, y);
      fillWeights(one);
    }
    enforced.restore();
    enforced.restore();
    expect(own()).toEqual(before);
    expect(await plainFit(model, x, y, 3)).toEqual(await plainFit(twin, x, y, 3));
    expect(await state(model)).toEqual(await state(twin));
  });

  it('puts a Sequential back that was compiled again', async () => {
    const [model, twin] = [lstmModel(), lstmModel()];
    const { restore } = enforceRegularizers(model);
    for (const one of [model, twin]) one.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
    restore();
    const trained = (model as unknown as { model: tfjs.LayersModel }).model;
    expect(Object.getOwnPropertyDescriptor(model, 'model')).toMatchObject({ writable: true, value: trained });
    expect(Object.hasOwn(trained, 'calculateLosses')).toBe(false);
    await plainFit(model, ...batch());
    await plainFit(twin, ...batch());
    expect(await state(model)).toEqual(await state(twin));
  });

  it('puts a Sequential back that a callback compiled again, and what it was when training began', async () => {
    const model = lstmModel();
    const compile = () => model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
    const trained = () => (model as unknown as { model: tfjs.LayersModel }).model;
    const isChanged = (one: tfjs.LayersModel) => Object.hasOwn(one, 'calculateLosses');
    compile();
    const models = [trained()];
    const { restore } = enforceRegularizers(model);
    compile();
    models.push(trained());
    expect(models.map(isChanged)).toEqual([false, true]);
    const callbacks = new tf.CustomCallback({
      onEpochBegin: async (epoch) => {
        if (epoch === 1) compile();
      },
    });
    const { history } = await model.fit(...batch(), { epochs: 2, shuffle: false, verbose: 0, callbacks });
    models.push(trained());
    // What runs goes on as it began.
    expect(history['loss']![1]).toBe(history['loss']![0]);
    expect(models.map(isChanged)).toEqual([false, true, true]);
    restore();
    expect(models.map(isChanged)).toEqual([false, false, false]);
  });
});

it('adds nothing of what is in a layer with a method of its own for its penalties', () => {
  class Own extends tf.layers.Layer {
    static className = 'OwnWrapper';
    readonly layer = tf.layers.dense({ units: 2, inputShape: [2], kernelRegularizer: 'l1l2' });
    override build(shape: tfjs.Shape): void {
      this.layer.build(shape);
      super.build(shape);
    }
    override call(inputs: tfjs.Tensor | tfjs.Tensor[]): tfjs.Tensor {
      return this.layer.apply([inputs].flat()[0]!) as tfjs.Tensor;
    }
    override calculateLosses = (): tfjs.Scalar[] => [tf.scalar(3)];
  }
  const model = tf.sequential({ layers: [new Own({ name: 'own', inputShape: [2] })] });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  enforceRegularizers(model);
  expect(regularizationTerms(model)).toMatchObject([{ layer: 'own', value: 3 }]);
});

it('adds what a model in a TimeDistributed declares, once for each call within it', () => {
  const inputs = tf.input({ shape: [2] });
  const kernelRegularizer = tf.regularizers.l2({ l2: 0.5 });
  const shared = tf.layers.dense({ name: 'shared', units: 2, kernelInitializer: 'ones', kernelRegularizer });
  const twice = shared.apply(shared.apply(inputs)) as tfjs.SymbolicTensor;
  const inner = tf.model({ name: 'inner', inputs, outputs: twice });
  // The host takes it for one of the wrapper.
  inner.addLoss(() => tf.scalar(5));
  const layer = tf.layers.timeDistributed({ name: 'outer', layer: inner, inputShape: [3, 2] });
  const model = tf.sequential({ layers: [layer] });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  for (const [sharedOnce, calls] of [
    [false, 2],
    [true, 1],
  ] as const) {
    // It is no recurrent layer.
    const { restore } = enforceRegularizers(model, { sharedOnce, recurrent: false });
    const rows = regularizationTerms(model).map(({ layer: name, weight, value, calls: times }) => [
      name,
      weight,
      value,
      times,
    ]);
    // Half the sum of four squares of 1, once a call.
    expect(rows).toEqual([
      ['outer/inner/shared', 'kernel', 2 * calls, calls],
      ['outer', null, 5, 1],
    ]);
    restore();
  }
});

it('adds the penalty on activations of a layer that a model in a TimeDistributed calls twice for both calls', async () => {
  const inputs = tf.input({ shape: [2] });
  const activity = activityRegularization({ l1: 0, l2: 0.5 });
  const double = tf.layers.dense({
    units: 2,
    useBias: false,
    kernelInitializer: tf.initializers.identity({ gain: 2 }),
  });
  const twice = [activity, double, activity].reduce((h, layer) => layer.apply(h) as tfjs.SymbolicTensor, inputs);
  const inner = tf.model({ inputs, outputs: twice });
  const model = tf.sequential({ layers: [tf.layers.timeDistributed({ layer: inner, inputShape: [3, 2] })] });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  enforceRegularizers(model);
  const { regularization } = await trainStep(model, tf.ones([4, 3, 2]), tf.zeros([4, 3, 2]));
  // Per sample and time step half the squares of two 1, and of two 2.
  expect(regularization).toBeNear(1 + 4);
});

describe('lasts', () => {
  it('while a Sequential is compiled again', async () => {
    const model = lstmModel();
    enforceRegularizers(model);
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
    const [x, y] = batch();
    const { data: fitted, regularization } = await evaluate(model, x, y);
    expect(regularization).toBeNear(lstmPenalty(model), 1e-5);
    const expected = fitted + lstmPenalty(model);
    expect((await plainFit(model, x, y))[0]).toBeNear(expected, 1e-5);
  });

  it('where the model is nested in another, and leaves other models of its layers alone', () => {
    const inner = sharedAndFrozen();
    const wrap = () => {
      const inputs = tf.input({ shape: [3] });
      const outer = tf.model({ inputs, outputs: inner.apply(inputs) as tfjs.SymbolicTensor });
      return { outer, calls: () => regularizationTerms(outer).map(({ layer, calls }) => [layer, calls]) };
    };
    const sibling = tf.model({ inputs: inner.inputs, outputs: inner.getLayer('out').output });
    enforceRegularizers(inner);
    const path = (name: string) => `${inner.name}/${name}`;
    const { outer, calls } = wrap();
    expect(calls()).toEqual([
      [path('frozen'), 1],
      [path('shared'), 1],
      [path('out'), 1],
    ]);
    const added = tf.tidy(() => sum(outer.calculateLosses().map((one) => one.dataSync()[0]!)));
    const byHand =
      kernelPenalty(inner, 'frozen', 0.1) + kernelPenalty(inner, 'shared', 0.2) + kernelPenalty(inner, 'out', 0.4);
    expect(added).toBeNear(byHand, 1e-5);
    expect(regularizationTerms(sibling).map(({ calls: times }) => times)).toEqual([1, 2, 1]);
  });

  it('not within a watched step', async () => {
    const model = sharedAndFrozen();
    const [x, y] = [data([6, 3]), data([6, 1], 2)];
    const late = new tf.CustomCallback({ onBatchBegin: () => void enforceRegularizers(model) });
    const args = { verbose: 0 as const, callbacks: [decomposedLoss(), late] };
    await expect(model.fit(x, y, args)).rejects.toThrow(/between training steps.*before `fit`/);
    expect(Object.hasOwn(model, 'calculateLosses')).toBe(false);
    const { restore } = enforceRegularizers(model);
    const undoing = new tf.CustomCallback({ onBatchBegin: () => restore() });
    await expect(model.fit(x, y, { ...args, callbacks: [decomposedLoss(), undoing] })).rejects.toThrow(/between/);
    expect(regularizationTerms(model).map(({ calls }) => calls)).toEqual([1, 1, 1]);
  });
});

describe('a saved model', () => {
  it('is the same, and loads as a model of which nothing is enforced', async () => {
    const model = lstmModel();
    const saved = () => model.toJSON(null, false);
    const before = saved();
    enforceRegularizers(model);
    expect(saved()).toEqual(before);
    const loaded = await tf.models.modelFromJSON(saved() as Parameters<typeof tf.models.modelFromJSON>[0]);
    loaded.setWeights(model.getWeights());
    expect(regularizationTerms(loaded).map(({ layer }) => layer)).toEqual(['out']);
    enforceRegularizers(loaded);
    expect(sum(regularizationTerms(loaded).map(({ value }) => value))).toBeNear(lstmPenalty(model), 1e-5);
  });
});

it('leaves no tensor behind', async () => {
  const model = lstmModel();
  const [x, y] = batch();
  await plainFit(model, x, y);
  const left = await tensorsLeftBy(async () => {
    const { restore } = enforceRegularizers(model, { frozen: true });
    await model.fit(x, y, { epochs: 3, verbose: 0, callbacks: decomposedLoss({ breakdown: 'weight' }) });
    regularizationTerms(model);
    await evaluate(model, x, y);
    tf.dispose(model.evaluate(x, y));
    restore();
  });
  expect(left).toBe(0);
});

it('tells cells of one name apart', () => {
  const cell = [1, 2].map((coefficient) =>
    tf.layers.simpleRNNCell({ name: 'twin', units: 2, kernelRegularizer: l2(coefficient) }),
  );
  const model = tf.sequential({ layers: [tf.layers.rnn({ name: 'rnn', cell, inputShape: [4, 2] })] });
  model.build();
  enforceRegularizers(model);
  expect(regularizationTerms(model)).toMatchObject([
    { layer: 'rnn/twin', weight: 'kernel', l2: 1, calls: 1 },
    { layer: 'rnn/twin', weight: 'kernel', l2: 2, calls: 1 },
  ]);
});

describe('beside other penalties', () => {
  it('counts those on activations once a call', async () => {
    const inputs = tf.input({ shape: [3] });
    const h = activityRegularization({ l2: 0.5, name: 'activity' });
    const shared = tf.layers.dense({ name: 'shared', units: 3, kernelRegularizer: l2(0.2) });
    const outputs = [shared, h, shared, h].reduce((x, layer) => layer.apply(x) as tfjs.SymbolicTensor, inputs);
    const model = tf.model({ inputs, outputs });
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
    fillWeights(model);
    const [x, y] = [data([6, 3]), data([6, 3], 2)];
    const [host] = await plainFit(model, x, y);
    expect(enforceRegularizers(model).changes).toEqual([
      { layer: 'shared', weight: 'kernel', callsBefore: 2, calls: 1 },
    ]);
    const [enforced] = await plainFit(model, x, y);
    expect(host! - enforced!).toBeNear(kernelPenalty(model, 'shared', 0.2), 1e-5);
    expect(kernelPenalty(model, 'shared', 0.2)).toBeGreaterThan(0.1);
  });

  it('counts what a layer computes on its own as the host does', () => {
    const inputs = tf.input({ shape: [3] });
    const own = tf.layers.dense({ name: 'own', units: 3 });
    own.calculateLosses = () => [tf.scalar(0.25)];
    const model = tf.model({ inputs, outputs: own.apply(own.apply(inputs)) as tfjs.SymbolicTensor });
    expect(enforceRegularizers(model).changes).toEqual([]);
    expect(regularizationTerms(model)).toMatchObject([{ layer: 'own', kind: 'added', value: 0.5, calls: 2 }]);
  });

  it.each(['before', 'after'])('agrees with weight decay that is added %s it', (when) => {
    const model = sharedAndFrozen();
    const decay = () => addWeightDecay(model, { l2: 0.7, alsoRegularized: true });
    if (when === 'before') decay();
    enforceRegularizers(model);
    if (when === 'after') decay();
    const coefficients = { frozen: 0.1, shared: 0.2, out: 0.4 };
    const terms = regularizationTerms(model);
    for (const [name, declared] of Object.entries(coefficients)) {
      const own = terms.filter(({ layer }) => layer === name);
      expect(own.map(({ calls }) => calls)).toEqual([1, 1]);
      expect(sum(own.map(({ value }) => value))).toBeNear(kernelPenalty(model, name, declared + 0.7), 1e-5);
    }
    expect(terms).toHaveLength(6);
  });
});

describe('of any nested model', () => {
  it('adds each declared penalty once', async () => {
    await fc.assert(
      fc.asyncProperty(nestedRecipes, async (recipe) => {
        const { model, x, y, declared, penalty: expected } = buildNested(recipe);
        const { changes, restore } = enforceRegularizers(model);
        const fitted = (await evaluate(model, x, y)).data;
        const close = (actual: number) =>
          expect(Math.abs(actual - expected())).toBeLessThan(1e-5 * (1 + expected() + fitted));
        const listed = declaredRegularizers(model);
        expect(listed).toHaveLength(declared.length);
        expect(listed.map(({ applied }) => applied)).toEqual(listed.map(() => 1));
        expect(new Set(listed.map(({ weight }) => weight))).toEqual(new Set(declared.map(({ weight }) => weight)));
        const terms = regularizationTerms(model);
        expect(terms.map(({ calls }) => calls)).toEqual(terms.map(() => 1));
        close(sum(terms.map(({ value }) => value)));
        close((await plainFit(model, x, y))[0]! - fitted);
        restore();
        const host = declaredRegularizers(model);
        expect(changes).toHaveLength(host.filter(({ applied }) => applied !== 1).length);
      }),
      { numRuns: 25 },
    );
  }, 120_000);
});
