import { createContext, runInContext } from 'node:vm';
import fc from 'fast-check';
import type * as tfjs from '@tensorflow/tfjs';
import {
  activityRegularization,
  addWeightDecay,
  enforceRegularizers,
  fuseRegularizers,
  registerKerasClasses,
} from 'tfjs-decomposed-loss/regularizers';
import { decomposedLoss, evaluate, regularizationTerms, trainStep } from 'tfjs-decomposed-loss';
import { backend, tf } from '../helpers/backend';
import { penalty } from '../helpers/float64';
import { tensorsLeftBy } from '../helpers/memory';
import { data, fillWeights, regressor, state, twoOutputs } from '../helpers/models';
import { build, recipes } from '../helpers/random-models';

const { l1, l2, l1l2 } = tf.regularizers;
const silent = { verbose: 0 as const, shuffle: false };
/** What a sum of 22,500 squares may be off by: wasm adds one after the other, in float32. */
const rounding = backend === 'wasm' ? 1e-5 : 1e-6;
const x = () => data([6, 4]);
const y = () => data([6, 1]);

/** A kernel with each kind of penalty, two small ones of one shape, one too large to be stacked, and zeros in a bias. */
function variety(): tfjs.LayersModel {
  registerKerasClasses();
  const kerasL1 = { className: 'L1', config: { l1: 0.03 } } as never;
  const kerasL2 = { className: 'L2', config: { l2: 0.04 } } as never;
  const input = tf.input({ shape: [4] });
  const layers = [
    tf.layers.dense({ name: 'a', units: 4, kernelRegularizer: l2({ l2: 0.1 }) }),
    tf.layers.dense({ name: 'b', units: 4, kernelRegularizer: l2({ l2: 0.1 }), biasRegularizer: l1({ l1: 0.2 }) }),
    tf.layers.dense({ name: 'c', units: 150, kernelRegularizer: l1l2({ l1: 0.01, l2: 0.02 }) }),
    tf.layers.dense({ name: 'large', units: 150, kernelRegularizer: l1l2({ l1: 0.01, l2: 0.02 }) }),
    tf.layers.dense({ name: 'd', units: 4, kernelRegularizer: kerasL1, biasRegularizer: kerasL2 }),
    tf.layers.dense({ name: 'e', units: 4, kernelRegularizer: kerasL1, biasRegularizer: l1({ l1: 0.2 }) }),
    tf.layers.dense({ name: 'out', units: 1, kernelRegularizer: l2({ l2: 0.1 }), useBias: false }),
  ];
  const output = layers.reduce((h, layer) => layer.apply(h) as tfjs.SymbolicTensor, input);
  const model = tf.model({ inputs: input, outputs: output });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.01) });
  fillWeights(model);
  model.weights.forEach((weight) => weight.write(tf.mul(weight.read(), 0.1)));
  const bias = model.getLayer('b').weights[1]!;
  (bias.read() as tfjs.Variable).assign(tf.tensor1d([0, -0, 0.5, -0.5]));
  return model;
}

/** What `calculateLosses` adds, and its gradient, as the host computes gradients. */
function valueAndGradients(model: tfjs.LayersModel): { value: number; gradients: Record<string, Float32Array> } {
  return tf.tidy(() => {
    const { value, grads } = tf.variableGrads(() => tf.addN<tfjs.Scalar>(model.calculateLosses()));
    const gradients = Object.entries(grads).map(([name, gradient]) => [name, gradient.dataSync() as Float32Array]);
    return { value: value.dataSync()[0]!, gradients: Object.fromEntries(gradients) as Record<string, Float32Array> };
  });
}

function expectSameNumbers(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(actual).toHaveLength(expected.length);
  const worst = Array.from(expected, (value, i) => Math.abs(actual[i]! - value) / Math.max(1e-3, Math.abs(value)));
  expect(Math.max(0, ...worst)).toBeLessThan(1e-6);
}

function expectSameGradients(actual: Record<string, Float32Array>, expected: Record<string, Float32Array>): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  Object.entries(expected).forEach(([name, gradient]) => expectSameNumbers(actual[name]!, gradient));
}

it("has the host's value and gradient, and those of float64", () => {
  const model = variety();
  const host = valueAndGradients(model);
  const { fused, leftAlone } = fuseRegularizers(model);
  expect(leftAlone).toEqual([]);
  expect(fused.map(({ layer, weight }) => `${layer}/${weight}`)).toEqual(
    'a/kernel b/kernel b/bias c/kernel large/kernel d/kernel d/bias e/kernel e/bias out/kernel'.split(' '),
  );
  const own = valueAndGradients(model);
  expect(own.value).toBeNear(host.value, rounding);
  expectSameGradients(own.gradients, host.gradients);

  const large = model.getLayer('large').weights[0]!.read() as tfjs.Variable;
  const byHand = Array.from(large.dataSync(), (w) => 0.01 * Math.sign(w) + 2 * 0.02 * w);
  expectSameNumbers(own.gradients[large.name]!, byHand);
  const terms = regularizationTerms(model).map(({ value }) => value);
  expect(own.value).toBeNear(
    terms.reduce((sum, value) => sum + value, 0),
    1e-5,
  );
});

it('leaves the penalty on integers to the host, beside one of the same shape', () => {
  class Mixed extends tf.layers.Layer {
    static className = 'MixedWeights';
    override build(shape: tfjs.Shape): void {
      const make = (name: string, dtype: 'float32' | 'int32', value: number) =>
        this.addWeight(name, [2], dtype, tf.initializers.constant({ value }), l1l2({ l1: 0.5, l2: 0.25 }));
      [make('scale', 'float32', 1.5), make('count', 'int32', 3)].forEach(
        (one) => (one.trainable = name(one) === 'scale'),
      );
      super.build(shape);
    }
    override call(inputs: tfjs.Tensor | tfjs.Tensor[]): tfjs.Tensor {
      return tf.mul([inputs].flat()[0]!, this.weights[0]!.read());
    }
  }
  const name = ({ originalName }: { originalName: string }) => originalName.split('/').at(-1);
  const model = tf.sequential({ layers: [new Mixed({ inputShape: [2] })] });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  const { fused, leftAlone } = fuseRegularizers(model);
  expect([fused, leftAlone].map((all) => all.map(({ weight }) => weight))).toEqual([['scale'], ['count']]);
  const total = tf.tidy(() => tf.addN(trainedBy(model).calculateLosses()).dataSync()[0]!);
  // 0.5 * 3 + 0.25 * 4.5, and 0.5 * 6 + 0.25 * 18.
  expect(total).toBeNear(2.625 + 7.5, rounding);
});

it('says nothing while it trains', async () => {
  const warn = jest.spyOn(console, 'warn').mockImplementation();
  const model = regressor();
  fuseRegularizers(model);
  warn.mockClear();
  await model.fit(x(), y(), { ...silent, epochs: 2 });
  expect(warn).not.toHaveBeenCalled();
  warn.mockRestore();
});

it("gives abs the host's gradient at zero, -1", () => {
  const model = variety();
  fuseRegularizers(model);
  const bias = model.getLayer('b').weights[1]!.read() as tfjs.Variable;
  expectSameNumbers(valueAndGradients(model).gradients[bias.name]!, [-0.2, -0.2, 0.2, -0.2]);
});

it('runs fewer kernels, and none over a whole large weight but its product in the gradient', async () => {
  const kernelsOf = async (model: tfjs.LayersModel) => {
    const { kernels } = await tf.profile(() => tf.tidy(() => tf.addN(model.calculateLosses())));
    return kernels.length;
  };
  const deep = tf.sequential();
  for (let i = 0; i < 10; i += 1) {
    deep.add(tf.layers.dense({ units: 3, inputShape: [3], kernelRegularizer: l2({ l2: 0.1 }) }));
  }
  deep.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  const plain = await kernelsOf(trainedBy(deep));
  fuseRegularizers(deep);
  expect(await kernelsOf(trainedBy(deep))).toBeLessThan(plain / 7);

  const kernel = tf.layers.dense({ units: 200, inputShape: [200], kernelRegularizer: l2({ l2: 0.1 }) });
  const model = tf.sequential({ layers: [kernel] });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  fuseRegularizers(model);
  const { kernels } = await tf.profile(() => tf.tidy(() => tf.addN(trainedBy(model).calculateLosses())));
  const whole = kernels.filter(({ outputShapes }) => outputShapes.some((shape) => shape.join() === '200,200'));
  expect(whole.map(({ name }) => name)).toEqual(backend === 'tensorflow' ? [] : ['Square']);
});

const trainedBy = (model: tfjs.Sequential): tfjs.LayersModel => (model as unknown as { model: tfjs.LayersModel }).model;

it('has the second derivative', () => {
  const model = variety();
  const out = model.getLayer('out').weights[0]!.read();
  fuseRegularizers(model);
  const slope = (w: tfjs.Tensor): tfjs.Tensor => {
    (out as tfjs.Variable).assign(w);
    const gradient = tf.grad(() => tf.addN(model.calculateLosses()))(out);
    return gradient;
  };
  const squared = (): tfjs.Scalar => tf.sum(tf.square(tf.grad(() => tf.addN(model.calculateLosses()))(out)));
  const second = tf.grad(() => squared())(out);
  // d/dw sum((2 * l2 * w)²) = 8 * l2² * w
  expectSameNumbers(
    second.dataSync(),
    Array.from(out.dataSync(), (w) => 8 * 0.1 * 0.1 * w),
  );
  expect(slope(tf.onesLike(out)).dataSync()[0]).toBeNear(0.2);
});

it('has second derivatives through stacked weights and absolute values', () => {
  const curvature = (model: tfjs.LayersModel) => {
    const kernels = ['a', 'b', 'e'].map((name) => model.getLayer(name).weights[0]!.read() as tfjs.Variable);
    const first = () => tf.variableGrads(() => tf.addN<tfjs.Scalar>(model.calculateLosses()), kernels).grads;
    const norm = () => tf.addN<tfjs.Scalar>(Object.values(first()).map((g) => tf.sum(tf.square(g))));
    return kernels.slice(0, 2).map((kernel) =>
      tf
        .grad(() => norm())(kernel)
        .dataSync(),
    );
  };
  const [plain, fused] = [variety(), variety()];
  fuseRegularizers(fused);
  const [host, own] = [curvature(plain), curvature(fused)];
  own.forEach((values, i) => expectSameNumbers(values, host[i]!));
});

it('trains as the plain host does', async () => {
  for (const make of [regressor, () => variety()]) {
    const [plain, fused] = [make(), make()];
    fuseRegularizers(fused);
    const args = { ...silent, epochs: 5, batchSize: 4 };
    const [before, after] = [await plain.fit(x(), y(), args), await fused.fit(x(), y(), args)];
    before.history['loss']!.forEach((loss, epoch) =>
      expect(after.history['loss']![epoch]).toBeNear(loss as number, rounding),
    );
    const [expected, actual] = [await state(plain), await state(fused)];
    actual.forEach((values, i) => values.forEach((value, j) => expect(value).toBeNear(expected[i]![j]!)));
  }
});

it.each(['none', 'layer', 'weight'] as const)('leaves the decomposition as it is: breakdown %s', async (breakdown) => {
  const [plain, fused] = [variety(), variety()];
  fuseRegularizers(fused);
  const run = (model: tfjs.LayersModel) =>
    model.fit(x(), y(), {
      ...silent,
      epochs: 2,
      validationData: [x(), y()],
      callbacks: decomposedLoss({ breakdown }),
    });
  const [expected, actual] = [(await run(plain)).history, (await run(fused)).history];
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  Object.entries(expected).forEach(([key, values]) =>
    values.forEach((value, epoch) => expect(actual[key]![epoch]).toBeNear(value as number, rounding)),
  );
});

it('tells trainStep, evaluate and the terms the same', async () => {
  const [plain, fused] = [twoOutputs(), twoOutputs()];
  fuseRegularizers(fused);
  const targets = [y(), tf.step(y())];
  const [expected, actual] = [await trainStep(plain, x(), targets), await trainStep(fused, x(), targets)];
  expect(actual.regularization).toBeNear(expected.regularization);
  expect(actual.total).toBeNear(expected.total);
  expect((await evaluate(fused, x(), targets)).regularization).toBeNear(
    (await evaluate(plain, x(), targets)).regularization,
  );
  expect(regularizationTerms(fused).map(({ layer, calls }) => [layer, calls])).toEqual(
    regularizationTerms(plain).map(({ layer, calls }) => [layer, calls]),
  );
});

it('is idempotent, and restore puts the model back', async () => {
  const [plain, model] = [regressor(), regressor()];
  const keys = Object.keys(model);
  const fused = fuseRegularizers(model);
  expect(fuseRegularizers(model)).toBe(fused);
  fused.restore();
  fused.restore();
  expect(Object.keys(model)).toEqual(keys);
  expect(Object.hasOwn(trainedBy(model), 'calculateLosses')).toBe(false);
  await Promise.all([plain, model].map((one) => one.fit(x(), y(), silent)));
  expect(await state(model)).toEqual(await state(plain));
  expect(fuseRegularizers(model)).not.toBe(fused);
});

it('stays in force when a Sequential is compiled again, beside enforceRegularizers', async () => {
  const model = regressor();
  const fused = fuseRegularizers(model);
  const enforced = enforceRegularizers(model, { frozen: true });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  expect(trainedBy(model).calculateLosses()).toHaveLength(1);
  fused.restore();
  expect(trainedBy(model).calculateLosses()).toHaveLength(3);
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  enforced.restore();
  expect(Object.hasOwn(trainedBy(model), 'calculateLosses')).toBe(false);
  const { value, writable } = Object.getOwnPropertyDescriptor(model, 'model')!;
  expect([value instanceof tf.LayersModel, writable]).toEqual([true, true]);
});

it.each([true, false])('goes together with enforce and weight decay; fused first: %s', async (first) => {
  const model = tf.sequential({
    layers: [
      tf.layers.lstm({ name: 'lstm', units: 3, inputShape: [2, 2], kernelRegularizer: l2({ l2: 0.3 }) }),
      tf.layers.dense({ name: 'out', units: 1 }),
    ],
  });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  const changes = [
    () => fuseRegularizers(model),
    () => enforceRegularizers(model),
    () => addWeightDecay(model, { l1: 0.1, include: 'out' }),
  ];
  const made = (first ? changes : changes.reverse()).map((change) => change());
  const [lstm, out] = [model.getLayer('lstm').weights[0]!.read(), model.getLayer('out').weights[0]!.read()];
  const expected = penalty(lstm, { l2: 0.3 }) + penalty(out, { l1: 0.1 });
  const [only, ...others] = trainedBy(model).calculateLosses();
  expect(others).toEqual([]);
  expect(only!.dataSync()[0]).toBeNear(expected);
  const { history } = await model.fit(data([4, 2, 2]), data([4, 1]), {
    ...silent,
    callbacks: decomposedLoss({ breakdown: 'weight' }),
  });
  expect(
    Object.keys(history)
      .filter((key) => key.includes('/'))
      .sort(),
  ).toEqual(['regularization_loss/lstm/kernel', 'regularization_loss/out/kernel']);
  made.forEach((one) => one.restore());
  expect(trainedBy(model).calculateLosses()).toEqual([]);
});

it('counts a shared layer as often as the host does, and breaks it down within a model around', async () => {
  const shared = tf.layers.dense({ name: 'shared', units: 4, kernelRegularizer: l2({ l2: 0.1 }) });
  const inner = tf.model(innerOf(shared));
  const input = tf.input({ shape: [4] });
  const head = tf.layers.dense({ name: 'head', units: 1, kernelRegularizer: l1({ l1: 0.2 }) });
  const model = tf.model({ inputs: input, outputs: head.apply(inner.apply(input)) as tfjs.SymbolicTensor });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  const once = penalty(shared.weights[0]!.read(), { l2: 0.1 });
  const rest = penalty(head.weights[0]!.read(), { l1: 0.2 });
  const run = () => model.fit(x(), y(), { ...silent, callbacks: decomposedLoss({ breakdown: 'layer' }) });

  const restored = fuseRegularizers(inner);
  expect(model.calculateLosses()).toHaveLength(2);
  const { history } = await run();
  const key = Object.keys(history).find((name) => name.endsWith('/shared'))!;
  expect(history[key]![0]).toBeNear(2 * once);
  expect(history['regularization_loss/head']![0]).toBeNear(rest);
  restored.restore();
});

function innerOf(shared: tfjs.layers.Layer): { inputs: tfjs.SymbolicTensor; outputs: tfjs.SymbolicTensor } {
  const inputs = tf.input({ shape: [4] });
  return { inputs, outputs: shared.apply(shared.apply(inputs)) as tfjs.SymbolicTensor };
}

class Half {
  apply(weight: tfjs.Tensor): tfjs.Scalar {
    return tf.tidy(() => tf.mul(0.5, tf.sum(weight)));
  }
}

it('leaves alone what it does not know, and still adds it', async () => {
  const custom = tf.layers.dense({ name: 'custom', units: 4, inputShape: [4] });
  const model = tf.sequential({
    layers: [
      custom,
      activityRegularization({ name: 'activity', l2: 0.1 }),
      tf.layers.dense({ name: 'out', units: 1, kernelRegularizer: l2({ l2: 0.1 }) }),
    ],
  });
  let step = 0;
  const schedule = () => l2({ l2: 0.1 * ++step }).apply(custom.weights[0]!.read());
  custom.addLoss(schedule);
  custom.addLoss(() => new Half().apply(custom.weights[0]!.read()));
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
  const { leftAlone, fused } = fuseRegularizers(model);
  expect(leftAlone.map(({ layer }) => layer)).toEqual(['custom', 'custom', 'activity']);
  expect(fused).toEqual([{ layer: 'out', weight: 'kernel' }]);

  step = 0;
  const kernel = custom.weights[0]!.read();
  const added = (l2Now: number) => penalty(kernel, { l2: l2Now }) + tf.sum(kernel).dataSync()[0]! / 2;
  const activity = penalty(custom.apply(x()) as tfjs.Tensor, { l2: 0.1 }) / 6;
  const own = penalty(model.getLayer('out').weights[0]!.read(), { l2: 0.1 });
  for (const l2Now of [0.1, 0.2]) {
    const { regularization } = await trainStep(model, x(), y());
    expect(regularization).toBeNear(added(l2Now) + activity + own, 1e-5);
  }
});

it('reads the coefficients at each step', async () => {
  const model = regressor({ optimizer: tf.train.sgd(0) });
  const regularizer = (model.getLayer('hidden') as unknown as { kernelRegularizer: { l2: number } }).kernelRegularizer;
  fuseRegularizers(model);
  const before = (await trainStep(model, x(), y())).regularization;
  regularizer.l2 = 1;
  const grown = penalty(model.getLayer('hidden').weights[0]!.read(), { l2: 0.9 });
  expect((await trainStep(model, x(), y())).regularization).toBeNear(before + grown);
});

it('leaves what is saved as it is', () => {
  const model = regressor();
  const saved = model.toJSON(null, false);
  fuseRegularizers(model);
  expect(model.toJSON(null, false)).toEqual(saved);
});

it('leaves no tensor behind, also after a step that throws', async () => {
  const model = variety();
  const fused = fuseRegularizers(model);
  const [xs, ys] = [x(), y()];
  const run = () => model.fit(xs, ys, { ...silent, epochs: 10, callbacks: decomposedLoss({ breakdown: 'weight' }) });
  await run();
  expect(await tensorsLeftBy(run)).toBe(0);
  expect(
    await tensorsLeftBy(async () => {
      for (let step = 0; step < 5; step += 1) await trainStep(model, xs, ys);
      await evaluate(model, xs, ys);
      fused.restore();
      fuseRegularizers(model);
    }),
  ).toBe(0);
  const sick = tf.layers.dense({ name: 'sick', units: 1, inputShape: [4], kernelRegularizer: l2({ l2: 0.1 }) });
  const failing = tf.sequential({ layers: [sick] });
  failing.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  fuseRegularizers(failing);
  await failing.fit(xs, ys, silent);
  sick.addLoss(() => {
    throw new Error('sick');
  });
  const fails = () => expect(trainStep(failing, xs, ys)).rejects.toThrow('sick');
  expect(await tensorsLeftBy(fails)).toBe(0);
});

it('refuses a model that it cannot change', async () => {
  expect(() => fuseRegularizers(tf.sequential())).toThrow('Expected `model` to be built');
  const odd = twoOutputs();
  odd.calculateLosses = () => [];
  expect(() => fuseRegularizers(odd)).toThrow(/with a `calculateLosses` of its own\. Leave that model as it is/);
  const model = regressor();
  const callback = new tf.CustomCallback({ onBatchBegin: () => void fuseRegularizers(model) });
  const args = { ...silent, callbacks: [decomposedLoss(), callback] };
  await expect(model.fit(x(), y(), args)).rejects.toThrow(/between training steps, got a change within one/);
  await model.fit(x(), y(), silent);
});

it('keeps value and gradients of random models', async () => {
  await fc.assert(
    fc.asyncProperty(recipes, async (recipe) => {
      const { model, x: xs, y: ys, penalty: byHand } = build(recipe);
      if (model.calculateLosses().length === 0) return;
      const [host, fused] = [valueAndGradients(model), fuseRegularizers(model)];
      const own = valueAndGradients(model);
      expect(own.value).toBeNear(byHand(), 1e-5);
      expectSameGradients(own.gradients, host.gradients);
      fused.restore();
      tf.dispose([xs, ys]);
    }),
    { numRuns: 20 },
  );
});

it('breaks down a single penalty, also that of a model within another', async () => {
  const alone = tf.sequential({
    layers: [tf.layers.dense({ name: 'out', units: 1, inputShape: [4], kernelRegularizer: l2({ l2: 0.1 }) })],
  });
  const input = tf.input({ shape: [4] });
  const around = tf.model({ inputs: input, outputs: alone.apply(input) as tfjs.SymbolicTensor });
  for (const model of [alone, around]) {
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    fuseRegularizers(alone);
    const expected = penalty(model.weights[0]!.read(), { l2: 0.1 });
    const { history } = await model.fit(x(), y(), { ...silent, callbacks: decomposedLoss({ breakdown: 'layer' }) });
    expect(history['regularization_loss']![0]).toBeNear(expected);
    expect(Object.entries(history).find(([key]) => key.endsWith('/out'))![1][0]).toBeNear(expected);
  }
});

it('leaves alone a loss that was added by hand, also one of the own regularizer, and does not ask it', async () => {
  const kernelRegularizer = l2({ l2: 0.1 });
  const layer = tf.layers.dense({ name: 'out', units: 1, inputShape: [4], kernelRegularizer });
  const model = tf.sequential({ layers: [layer] });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
  let [asked, isOn] = [0, true];
  const kernel = layer.weights[0]!.read();
  layer.addLoss(() => {
    asked += 1;
    return isOn ? kernelRegularizer.apply(kernel) : tf.scalar(0);
  });
  expect(fuseRegularizers(model)).toMatchObject({
    fused: [{ layer: 'out', weight: 'kernel' }],
    leftAlone: [{ layer: 'out', weight: null }],
  });
  expect(asked).toBe(0);
  const once = penalty(kernel, { l2: 0.1 });
  expect((await trainStep(model, x(), y())).regularization).toBeNear(2 * once);
  isOn = false;
  expect((await trainStep(model, x(), y())).regularization).toBeNear(once);
  expect(asked).toBe(2);
});

describe("a loss that was added by hand with the very text of the host's", () => {
  /** As in the host's `addWeight`, but what it closes over changes from step to step. */
  const build = () => {
    const layer = tf.layers.dense({ name: 'out', units: 1, inputShape: [4], kernelRegularizer: l2({ l2: 0.1 }) });
    const model = tf.sequential({ layers: [layer] });
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
    fillWeights(model);
    let calls = 0;
    const counted = {
      apply(tensor: tfjs.Tensor) {
        calls += 1;
        return tf.mean<tfjs.Scalar>(tensor);
      },
    };
    const scope: Record<string, unknown> = createContext({ regularizer: l2({ l2: 0.5 }), weight: layer.weights[0]! });
    layer.addLoss(runInContext(`(${String(layer.losses[0])})`, scope) as () => tfjs.Scalar);
    expect(String(layer.losses[1])).toBe(String(layer.losses[0]));
    const steps = [
      () => {},
      () => Object.assign(scope, { regularizer: tf.regularizers.l1({ l1: 0.25 }) }),
      () => Object.assign(scope, { weight: layer.weights[1]! }),
      () => Object.assign(scope, { regularizer: counted }),
      () => Object.assign(scope, { regularizer: l2({ l2: 0 }) }),
    ];
    return { model, steps, calls: () => calls };
  };

  it.each(['none', 'layer'] as const)('is followed when it changes, breakdown: %s', async (breakdown) => {
    const [ours, host] = [build(), build()];
    fuseRegularizers(ours.model);
    for (const [step, change] of ours.steps.entries()) {
      change();
      host.steps[step]!();
      const args = { ...silent, callbacks: decomposedLoss({ breakdown }) };
      const { history } = await ours.model.fit(x(), y(), args);
      const expected = await host.model.fit(x(), y(), silent);
      expect(history['loss']![0]).toBeNear(expected.history['loss']![0] as number, 1e-6);
    }
    ours.model.getWeights().forEach((weight, index) => {
      const expected = host.model.getWeights()[index]!.dataSync();
      weight.dataSync().forEach((value, place) => expect(value).toBeNear(expected[place]!, 1e-6));
    });
    expect(ours.calls()).toBe(1);
    expect(host.calls()).toBe(1);
  });
});

it("leaves alone a class that is derived from the host's and adds to its penalty", async () => {
  const L1L2 = l2({ l2: 1 }).constructor as new (args: object) => { apply(weight: tfjs.Tensor): tfjs.Scalar };
  class Doubled extends L1L2 {
    static className = 'Doubled';
    override apply(weight: tfjs.Tensor): tfjs.Scalar {
      return tf.mul(2, super.apply(weight));
    }
  }
  const build = () => {
    const kernelRegularizer = new Doubled({ l1: 0, l2: 0.1 }) as never;
    const model = tf.sequential({
      layers: [tf.layers.dense({ name: 'out', units: 1, inputShape: [4], kernelRegularizer })],
    });
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
    return fillWeights(model);
  };
  const [ours, host] = [build(), build()];
  expect(fuseRegularizers(ours)).toMatchObject({ fused: [], leftAlone: [{ layer: 'out', weight: 'kernel' }] });
  expect((await trainStep(ours, x(), y())).total).toBeNear((await host.trainOnBatch(x(), y())) as number);
  ours
    .getWeights()[0]!
    .dataSync()
    .forEach((value, index) => {
      expect(value).toBeNear(host.getWeights()[0]!.dataSync()[index]!);
    });
});

it('adds what a model within another adds by a method of its own', async () => {
  const inner = tf.sequential({
    layers: [tf.layers.dense({ units: 4, inputShape: [4], kernelRegularizer: l2({ l2: 0.1 }) })],
  });
  inner.calculateLosses = () => [tf.scalar(7)];
  const input = tf.input({ shape: [4] });
  const out = tf.layers.dense({ name: 'out', units: 1, kernelRegularizer: l2({ l2: 0.1 }) });
  const model = tf.model({ inputs: input, outputs: out.apply(inner.apply(input)) as tfjs.SymbolicTensor });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
  const expected = 7 + penalty(out.weights[0]!.read(), { l2: 0.1 });
  for (const change of [() => {}, fuseRegularizers]) {
    change(model);
    const args = { ...silent, callbacks: decomposedLoss({ breakdown: 'layer' }) };
    expect((await model.fit(x(), y(), args)).history['regularization_loss']![0]).toBeNear(expected);
  }
});

it('is one for a Sequential and the model that it hides', () => {
  const model = regressor();
  const fused = fuseRegularizers(model);
  expect(fuseRegularizers(trainedBy(model))).toBe(fused);
  const enforced = enforceRegularizers(model);
  expect(enforceRegularizers(trainedBy(model))).toBe(enforced);
  fused.restore();
  enforced.restore();
  expect(Object.hasOwn(trainedBy(model), 'calculateLosses')).toBe(false);
});

it('goes on in a training in which the model is compiled again', async () => {
  const model = tf.sequential({
    layers: [tf.layers.simpleRNN({ units: 2, inputShape: [2, 2], kernelRegularizer: l2({ l2: 1 }) })],
  });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
  const [fused, enforced] = [fuseRegularizers(model), enforceRegularizers(model)];
  const trained = trainedBy(model);
  const compile = () => model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
  const again = new tf.CustomCallback({ onEpochEnd: (epoch) => (epoch === 0 ? compile() : undefined) });
  const args = { ...silent, epochs: 3, callbacks: [decomposedLoss(), again] };
  const { history } = await model.fit(data([4, 2, 2]), data([4, 2]), args);
  const expected = penalty(model.getWeights()[0]!, { l2: 1 });
  history['regularization_loss']!.forEach((value) => expect(value).toBeNear(expected));
  fused.restore();
  enforced.restore();
  [trained, trainedBy(model)].forEach((one) => expect(Object.hasOwn(one, 'calculateLosses')).toBe(false));
});

it('leaves no part behind when a penalty behind it throws', async () => {
  const sick = tf.layers.dense({ units: 1, inputShape: [4], kernelRegularizer: l2({ l2: 0.1 }) });
  const model = tf.sequential({ layers: [sick] });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  const [xs, ys] = [x(), y()];
  await model.fit(xs, ys, silent);
  sick.addLoss(() => tf.scalar(1));
  sick.addLoss(() => {
    throw new Error('sick');
  });
  const failing = (callbacks: tfjs.CustomCallback[]) =>
    tensorsLeftBy(() => expect(model.fit(xs, ys, { ...silent, callbacks })).rejects.toThrow('sick'));
  const host = await failing([]);
  fuseRegularizers(model);
  const breakdown = decomposedLoss({ breakdown: 'layer' }) as unknown as tfjs.CustomCallback;
  expect(await failing([breakdown])).toBeLessThanOrEqual(host);
});

it('keeps a coefficient off that was 0 when the regularizer was made, as the host does', async () => {
  const model = regressor({ optimizer: tf.train.sgd(0) });
  const regularizer = (model.getLayer('hidden') as unknown as { kernelRegularizer: { l1: number } }).kernelRegularizer;
  regularizer.l1 = 5;
  const before = (await trainStep(model, x(), y())).regularization;
  fuseRegularizers(model);
  expect((await trainStep(model, x(), y())).regularization).toBeNear(before);
});
