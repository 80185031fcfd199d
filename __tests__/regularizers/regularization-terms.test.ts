import type * as tfjs from '@tensorflow/tfjs';
import fc from 'fast-check';
import { decomposedLoss, regularizationTerms, trainStep, type RegularizationTerm } from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { penalty } from '../helpers/float64';
import { data, fillWeights, regressor } from '../helpers/models';
import { build, recipes } from '../helpers/random-models';

const sum = (terms: RegularizationTerm[]): number => terms.reduce((whole, { value }) => whole + value, 0);
const l2 = (coefficient = 0.1) => tf.regularizers.l2({ l2: coefficient });

function compiled(inputs: tfjs.SymbolicTensor, outputs: tfjs.SymbolicTensor): tfjs.LayersModel {
  const model = tf.model({ inputs, outputs });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.01) });
  return fillWeights(model);
}

/** What a step of the host adds to the data loss. */
const addedByTraining = async (model: tfjs.LayersModel): Promise<number> =>
  (await trainStep(model, data([6, 4]), data([6, 1]))).regularization;

it('leaves out a coefficient that was 0 when the regularizer was made, as training does', async () => {
  const regularizer = l2();
  Object.assign(regularizer, { l1: 5 });
  const input = tf.input({ shape: [4] });
  const layer = tf.layers.dense({ units: 1, kernelRegularizer: regularizer });
  const model = compiled(input, layer.apply(input) as tfjs.SymbolicTensor);
  expect(sum(regularizationTerms(model))).toBeCloseTo(await addedByTraining(model), 5);
  expect(regularizationTerms(model)).toMatchObject([{ kind: 'l2', l1: 0, l2: 0.1 }]);
});

it('names each regularizer of each weight, L1 and L2 of one apart, with value and share', () => {
  const model = regressor();
  const [hidden, , out, bias] = model.getWeights() as [tfjs.Tensor, tfjs.Tensor, tfjs.Tensor, tfjs.Tensor];
  const terms = regularizationTerms(model);
  const named = { regularizer: 'L1L2', calls: 1 };
  expect(terms).toMatchObject([
    { ...named, layer: 'hidden', weight: 'kernel', kind: 'l2', l1: 0, l2: 0.1 },
    { ...named, layer: 'out', weight: 'kernel', kind: 'l1', l1: 0.02, l2: 0 },
    { ...named, layer: 'out', weight: 'kernel', kind: 'l2', l1: 0, l2: 0.3 },
    { ...named, layer: 'out', weight: 'bias', kind: 'l1', l1: 0.4, l2: 0 },
  ]);
  const values = [
    penalty(hidden, { l2: 0.1 }),
    penalty(out, { l1: 0.02 }),
    penalty(out, { l2: 0.3 }),
    penalty(bias, { l1: 0.4 }),
  ];
  const whole = values.reduce((a, b) => a + b);
  terms.forEach(({ value, share }, row) => {
    expect(value).toBeNear(values[row]!);
    expect(share).toBeNear(values[row]! / whole);
  });
});

it('sums to what training adds, for random models', async () => {
  await fc.assert(
    fc.asyncProperty(recipes, async (recipe) => {
      const { model, x, y, penalty: byHand } = build(recipe);
      const whole = sum(regularizationTerms(model));
      expect(Math.abs(whole - byHand())).toBeLessThanOrEqual(1e-5 * byHand());
      const { regularization } = await trainStep(model, x, y);
      expect(Math.abs(whole - regularization)).toBeLessThanOrEqual(1e-6 * regularization);
    }),
    { numRuns: 20 },
  );
});

it('counts a shared layer and a shared model as often as training calls them', async () => {
  const a = tf.input({ shape: [4] });
  const shared = tf.layers.dense({ name: 'shared', units: 4, kernelRegularizer: l2() });
  const encoder = tf.sequential({ name: 'encoder' });
  encoder.add(tf.layers.dense({ name: 'dense', units: 4, inputShape: [4], kernelRegularizer: l2(0.2) }));
  const twice = shared.apply(shared.apply(a)) as tfjs.SymbolicTensor;
  const thrice = [0, 1, 2].reduce((value) => encoder.apply(value) as tfjs.SymbolicTensor, twice);
  const model = compiled(a, tf.layers.dense({ units: 1 }).apply(thrice) as tfjs.SymbolicTensor);
  const terms = regularizationTerms(model);
  expect(terms.map(({ layer, calls }) => [layer, calls])).toEqual([
    ['shared', 2],
    ['encoder/dense', 3],
  ]);
  expect(terms[0]!.value).toBeNear(2 * penalty(shared.getWeights()[0]!, { l2: 0.1 }), 1e-5);
  expect(sum(terms)).toBeNear(await addedByTraining(model), 1e-5);
});

it('names nested models, wrapped layers and layers that share a container', async () => {
  const inner = tf.sequential({
    name: 'inner',
    layers: [tf.layers.dense({ name: 'd', units: 4, inputShape: [4], kernelRegularizer: l2() })],
  });
  const nested = tf.input({ shape: [4] });
  const middle = tf.model({ name: 'middle', inputs: nested, outputs: inner.apply(nested) as tfjs.SymbolicTensor });
  const inputs = tf.input({ shape: [4] });
  const steps = tf.layers.reshape({ targetShape: [2, 2] }).apply(middle.apply(inputs));
  const distributed = tf.layers.timeDistributed({
    name: 'each',
    layer: tf.layers.dense({ name: 'd', units: 2, kernelRegularizer: l2(), biasRegularizer: l2() }),
  });
  const flat = tf.layers.flatten().apply(distributed.apply(steps));
  const model = compiled(inputs, tf.layers.dense({ units: 1 }).apply(flat) as tfjs.SymbolicTensor);
  const terms = regularizationTerms(model);
  expect(terms.map(({ layer, weight }) => [layer, weight])).toEqual([
    ['middle/inner/d', 'kernel'],
    ['each/d', 'kernel'],
    ['each/d', 'bias'],
  ]);
  expect(sum(terms)).toBeNear(await addedByTraining(model), 1e-5);
});

it('sees what a Sequential hides: unbuilt lists and Sequentials within', async () => {
  const inner = tf.sequential({
    layers: [tf.layers.dense({ name: 'd', units: 3, inputShape: [4], kernelRegularizer: l2() })],
  });
  const outer = tf.sequential({ layers: [inner, tf.layers.dense({ name: 'out', units: 1, kernelRegularizer: l2() })] });
  outer.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.01) });
  const terms = regularizationTerms(outer);
  expect(terms.map(({ layer }) => layer)).toEqual(['d', 'out']);
  expect(sum(terms)).toBeNear(await addedByTraining(outer), 1e-5);
});

describe("what is not one of the host's regularizers", () => {
  class Orthogonal {
    static className = 'Orthogonal';
    apply = (weight: tfjs.Tensor): tfjs.Scalar =>
      tf.tidy(() => tf.matMul(weight, weight, true).square().sum<tfjs.Scalar>().mul(0.01));
    getConfig = () => ({});
    static fromConfig = () => new Orthogonal();
  }
  tf.serialization.registerClass(Orthogonal as never);

  const inputs = () => tf.input({ shape: [4] });

  it('has its class name, and the value that training adds', async () => {
    const x = inputs();
    const hidden = tf.layers.dense({ name: 'hidden', units: 3, kernelRegularizer: 'Orthogonal' }).apply(x);
    const model = compiled(x, tf.layers.dense({ units: 1 }).apply(hidden) as tfjs.SymbolicTensor);
    const terms = regularizationTerms(model);
    expect(terms).toMatchObject([
      { layer: 'hidden', weight: 'kernel', kind: 'custom', regularizer: 'Orthogonal', l1: 0, l2: 0, share: 1 },
    ]);
    expect(sum(terms)).toBeNear(await addedByTraining(model), 1e-5);
  });

  it("is custom also where it derives from the host's own", async () => {
    const L1L2 = tf.regularizers.l1l2().constructor as new (args: object) => { apply(x: tfjs.Tensor): tfjs.Scalar };
    class Doubled extends L1L2 {
      override apply(weight: tfjs.Tensor): tfjs.Scalar {
        return super.apply(weight).mul(2);
      }
      getClassName = () => 'Doubled';
    }
    const x = inputs();
    const kernelRegularizer = new Doubled({ l1: 0, l2: 0.1 }) as never;
    const model = compiled(
      x,
      tf.layers.dense({ name: 'd', units: 1, kernelRegularizer }).apply(x) as tfjs.SymbolicTensor,
    );
    const terms = regularizationTerms(model);
    expect(terms).toMatchObject([{ weight: 'kernel', kind: 'custom', regularizer: 'Doubled' }]);
    expect(terms[0]!.value).toBeNear(2 * penalty(model.getWeights()[0]!, { l2: 0.1 }));
    expect(sum(terms)).toBeNear(await addedByTraining(model), 1e-5);
  });

  it('is a row of its own where it was added by hand', async () => {
    const model = regressor();
    const [layer] = model.layers as [tfjs.layers.Layer];
    const bias = layer.weights[1]!;
    const constant = tf.scalar(0.25);
    layer.addLoss([() => tf.sum(tf.abs(bias.read())), () => constant]);
    const added = regularizationTerms(model).filter(({ kind }) => kind === 'added');
    expect(added).toMatchObject([
      { layer: 'hidden', weight: null, regularizer: null },
      { layer: 'hidden', weight: null, value: 0.25 },
    ]);
    expect(added[0]!.value).toBeNear(penalty(bias.read(), { l1: 1 }));
    expect(sum(regularizationTerms(model))).toBeNear(await addedByTraining(model), 1e-5);
    const args = {
      verbose: 0 as const,
      epochs: 2,
      validationSplit: 0.5,
      callbacks: decomposedLoss({ breakdown: 'weight' }),
    };
    const { history } = await model.fit(data([6, 4]), data([6, 1]), args);
    expect(history['regularization_loss/hidden/added_loss']![0]).toBeGreaterThan(0.25);
    expect(constant.isDisposed).toBe(false);
  });

  it("counts what a layer class of the user's computes itself", async () => {
    class Stern extends tf.layers.Layer {
      static className = 'Stern';
      override calculateLosses(): tfjs.Scalar[] {
        return [tf.scalar(0.5), tf.scalar(0.75)];
      }
      override call(x: tfjs.Tensor | tfjs.Tensor[]) {
        return x;
      }
    }
    const x = inputs();
    const stern = new Stern({ name: 'stern' });
    const model = compiled(x, tf.layers.dense({ units: 1 }).apply(stern.apply(x)) as tfjs.SymbolicTensor);
    expect(regularizationTerms(model)).toMatchObject([
      { layer: 'stern', kind: 'added', value: 0.5 },
      { layer: 'stern', kind: 'added', value: 0.75 },
    ]);
    expect(await addedByTraining(model)).toBe(1.25);
  });
});

it('lists a regularizer whose coefficients are zero, with no share', () => {
  const x = tf.input({ shape: [4] });
  const layer = tf.layers.dense({ name: 'd', units: 1, kernelRegularizer: tf.regularizers.l1l2({ l1: 0, l2: 0 }) });
  const model = compiled(x, layer.apply(x) as tfjs.SymbolicTensor);
  expect(regularizationTerms(model)).toMatchObject([{ kind: 'l1l2', l1: 0, l2: 0, value: 0, share: 0 }]);
});

it('gives no share where terms cancel out, and keeps layers apart whose paths look alike', () => {
  const model = regressor();
  const layer = tf.layers.dense({ name: 'plain', units: 1, inputShape: [4] });
  const plain = tf.sequential({ layers: [layer] });
  plain.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  layer.addLoss([() => tf.scalar(1), () => tf.scalar(-1)]);
  expect(regularizationTerms(plain).map(({ share }) => share)).toEqual([0, 0]);
  expect(regularizationTerms(model)).toHaveLength(4);
  const nested = tf.sequential({
    name: 'a',
    layers: [tf.layers.dense({ name: 'b', units: 4, inputShape: [4], kernelRegularizer: l2() })],
  });
  const inputs = tf.input({ shape: [4] });
  const alike = tf.layers.dense({ name: 'a/b', units: 4, kernelRegularizer: l2(0.3) });
  const both = compiled(inputs, alike.apply(nested.apply(inputs)) as tfjs.SymbolicTensor);
  expect(regularizationTerms(both).map(({ layer: path, l2: c, calls }) => [path, c, calls])).toEqual([
    ['a/b', 0.1, 1],
    ['a/b', 0.3, 1],
  ]);
});

it("is empty where nothing is regularized, and leaves the host's regularizers as they were", () => {
  const x = tf.input({ shape: [4] });
  const prototype = tf.regularizers.l1l2().constructor.prototype as { apply: unknown };
  const { apply } = prototype;
  expect(regularizationTerms(compiled(x, tf.layers.dense({ units: 1 }).apply(x) as tfjs.SymbolicTensor))).toEqual([]);
  regularizationTerms(regressor());
  expect(prototype.apply).toBe(apply);
});
