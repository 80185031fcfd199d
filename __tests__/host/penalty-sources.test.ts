/** Regularizers that count how often they are asked, or draw random numbers: training asks them as often as without this library. */
import { PassThrough } from 'node:stream';
import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, minimize, regularizationTerms, trainStep } from 'tfjs-decomposed-loss';
import { accumulateGradients, gradientBalance, lossAndGradients } from 'tfjs-decomposed-loss/gradients';
import { lossLogger } from 'tfjs-decomposed-loss/node';
import { enforceRegularizers, fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { data, state } from '../helpers/models';

type Callbacks = tfjs.ModelFitArgs['callbacks'];

/** The class that the host's regularizers are derived from, which it does not export. */
const Regularizer = Object.getPrototypeOf(
  tf.regularizers.l1l2().constructor,
) as new () => tfjs.serialization.Serializable;

const L1L2 = tf.regularizers.l1l2().constructor as unknown as { prototype: object };
const untouched = Object.getOwnPropertyDescriptors(L1L2.prototype);

let calls = 0;
beforeEach(() => (calls = 0));

const squares = (weight: tfjs.Tensor, factor: number): tfjs.Scalar => tf.mul(factor, tf.sum(tf.square(weight)));

class Counting extends Regularizer {
  static className = 'Counting';
  apply(weight: tfjs.Tensor): tfjs.Scalar {
    calls += 1;
    return squares(weight, 0.01 * calls);
  }
  getConfig = () => ({});
}

class Derived extends Counting {
  override apply(weight: tfjs.Tensor): tfjs.Scalar {
    return super.apply(weight);
  }
}

class WithOwnMethod extends Regularizer {
  static className = 'WithOwnMethod';
  apply = (weight: tfjs.Tensor): tfjs.Scalar => squares(weight, 0.01 * ++calls);
  getConfig = () => ({});
}

class Random extends Regularizer {
  static className = 'Random';
  #seed = 1;
  apply(weight: tfjs.Tensor): tfjs.Scalar {
    calls += 1;
    return squares(tf.mul(weight, tf.randomUniform(weight.shape, 0, 1, 'float32', (this.#seed += 1))), 0.1);
  }
  getConfig = () => ({});
}

/** Holds no reference to its regularizer. */
class Own extends tf.layers.Layer {
  static className = 'Own';
  override build(): void {
    this.addWeight('scale', [1], 'float32', tf.initializers.ones(), new Counting());
    this.built = true;
  }
  override call(x: tfjs.Tensor | tfjs.Tensor[]): tfjs.Tensor {
    return tf.mul(Array.isArray(x) ? x[0]! : x, this.weights[0]!.read());
  }
}

const dense = (regularizer?: object): tfjs.layers.Layer =>
  tf.layers.dense({ name: 'own', units: 4, kernelInitializer: 'ones', kernelRegularizer: regularizer as never });

const layers: Array<[string, () => tfjs.layers.Layer]> = [
  ['a class', () => dense(new Counting())],
  ['a derived class', () => dense(new Derived())],
  ['a method of its own', () => dense(new WithOwnMethod())],
  ['random numbers', () => dense(new Random())],
  ['a layer that does not hold its regularizer', () => new Own({ name: 'own' })],
  [
    'a loss added by hand',
    () => {
      const layer = dense();
      layer.addLoss(() => squares(layer.weights[0]!.read(), 0.01 * ++calls));
      return layer;
    },
  ],
  [
    'a wrapper',
    () =>
      tf.layers.timeDistributed({
        name: 'own',
        layer: tf.layers.dense({ units: 4, kernelInitializer: 'ones', kernelRegularizer: new Counting() }),
      }),
  ],
];

function build(layer: () => tfjs.layers.Layer): tfjs.LayersModel {
  const inputs = tf.input({ shape: [2, 4] });
  const made = layer();
  // Called twice, so asked twice in each step.
  const hidden = made.apply(made.apply(inputs)) as tfjs.SymbolicTensor;
  const regularized = {
    units: 1,
    kernelInitializer: 'ones',
    kernelRegularizer: tf.regularizers.l2({ l2: 0.1 }),
  } as const;
  const outputs = tf.layers.dense(regularized).apply(hidden) as tfjs.SymbolicTensor;
  const model = tf.model({ inputs, outputs });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.01) });
  return model;
}

const [x, y] = [() => data([6, 2, 4]), () => data([6, 2, 1])];

const fit = (callbacks: () => Callbacks) => (model: tfjs.LayersModel) =>
  model.fit(x(), y(), { verbose: 0, shuffle: false, epochs: 2, batchSize: 3, callbacks: callbacks() });
const plainFit = fit(() => []);
const plainStep = (model: tfjs.LayersModel) => model.trainOnBatch(x(), y());

type Training = (model: tfjs.LayersModel) => Promise<unknown>;

const trainings: Array<[string, plain: Training, watched: Training]> = [
  ...(['none', 'layer', 'weight'] as const).map((breakdown): [string, Training, Training] => [
    `the breakdown ${breakdown}`,
    plainFit,
    fit(() => decomposedLoss({ breakdown })),
  ]),
  [
    'all callbacks',
    plainFit,
    fit(() => [decomposedLoss({ breakdown: 'weight' }), gradientBalance({ every: 1 }), lossLogger(new PassThrough())]),
  ],
  ['trainStep', plainStep, (model) => trainStep(model, x(), y())],
  [
    'lossAndGradients',
    plainStep,
    async (model) => {
      const { data: ofData, penalty } = await lossAndGradients(model, x(), y());
      const names = Object.keys(ofData);
      model.optimizer.applyGradients(names.map((name) => ({ name, tensor: tf.add(ofData[name]!, penalty[name]!) })));
    },
  ],
  [
    'accumulateGradients',
    plainStep,
    async (model) => {
      const accumulated = accumulateGradients(model);
      await accumulated.add(x(), y());
      await accumulated.apply();
    },
  ],
  [
    'minimize',
    plainStep,
    (model) => {
      const loss = () => tf.mean(tf.metrics.meanSquaredError(y(), model.apply(x(), { training: true }) as tfjs.Tensor));
      return minimize(model.optimizer, loss, { models: model, variables: model });
    },
  ],
];

describe.each(layers)('%s', (_, layer) => {
  it.each(trainings)('is asked in training as often as without this library: %s', async (name, plain, watched) => {
    const [one, other] = [build(layer), build(layer)];
    await plain(one);
    const [expected, weights] = [calls, await state(one)];
    expect(expected).toBeGreaterThan(1);
    calls = 0;
    await watched(other);
    expect(calls).toBe(expected);
    const found = await state(other);
    // These two add data and penalty up in another order.
    if (!['lossAndGradients', 'minimize'].includes(name)) expect(found).toEqual(weights);
    else found.flat().forEach((value, place) => expect(value).toBeNear(weights.flat()[place]!));
  });

  it('is not asked where penalties are fused, or only named', async () => {
    const [one, other] = [build(layer), build(layer)];
    await plainFit(one);
    const expected = calls;
    calls = 0;
    const { leftAlone } = fuseRegularizers(other);
    expect(leftAlone).toHaveLength(1);
    await fit(() => decomposedLoss({ breakdown: 'weight' }))(other);
    expect(calls).toBe(expected);
  });
});

it.each([
  ['a class', 'regularization_loss/own/kernel'],
  ['a layer that does not hold its regularizer', 'regularization_loss/own/scale'],
  ['a loss added by hand', 'regularization_loss/own/added_loss'],
])('%s has the name %s in the breakdown', async (name, key) => {
  const model = build(layers.find(([other]) => other === name)![1]);
  const { history } = await fit(() => decomposedLoss({ breakdown: 'weight' }))(model);
  expect(Object.keys(history)).toContain(key);
});

it('is asked by validation once an epoch for each call of its layer', async () => {
  const model = build(() => dense(new Counting()));
  const args = {
    verbose: 0 as const,
    epochs: 2,
    validationSplit: 0.5,
    callbacks: decomposedLoss({ breakdown: 'weight' }),
  };
  await model.fit(x(), y(), args);
  // Two epochs of one step, and of one validation; the layer is called twice.
  expect(calls).toBe(2 * (2 + 2));
});

it('takes no layer for a regularizer, although it has `apply` too', () => {
  class Scorer extends tf.layers.Layer {
    static className = 'Scorer';
    override call(inputs: tfjs.Tensor | tfjs.Tensor[]): tfjs.Scalar {
      return tf.sum([inputs].flat()[0]!);
    }
  }
  const scorer = new Scorer({});
  const layer = Object.assign(dense(), { scorer });
  layer.addLoss(() => scorer.apply(layer.weights[0]!.read()) as tfjs.Scalar);
  const added = regularizationTerms(build(() => layer)).filter((row) => row.layer === 'own');
  expect(added).toMatchObject([{ weight: null, regularizer: null, value: 16 * 2, calls: 2 }]);
});

it('asks a loss that was added by hand for its source once in its life, where penalties are enforced', async () => {
  const model = build(layers.find(([name]) => name === 'a loss added by hand')![1]);
  enforceRegularizers(model, { sharedOnce: false, frozen: true });
  await trainStep(model, x(), y());
  calls = 0;
  await trainStep(model, x(), y());
  // The layer is called twice.
  expect(calls).toBe(2);
});

it('leaves the class of regularizers as it was, whose penalties it has named', () => {
  regularizationTerms(build(() => dense(tf.regularizers.l2())));
  expect(Object.getOwnPropertyDescriptors(L1L2.prototype)).toEqual(untouched);
});
