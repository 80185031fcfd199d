import fc from 'fast-check';
import type * as tfjs from '@tensorflow/tfjs';
import {
  activityRegularization,
  addWeightDecay,
  enforceRegularizers,
  fuseRegularizers,
} from 'tfjs-decomposed-loss/regularizers';
import { lossAndGradients, type LossAndGradients } from 'tfjs-decomposed-loss/gradients';
import { trainStep } from 'tfjs-decomposed-loss';
import { tf, trainsConvolutions } from '../helpers/backend';
import { tensorsLeftBy, tensorsLeftByFailing } from '../helpers/memory';
import { classifier, data, fillWeights, oneHot, regressor, twoOutputs } from '../helpers/models';
import { build, recipes } from '../helpers/random-models';
import { buildNested, nestedRecipes } from '../helpers/random-nested-models';
import {
  hostGradients,
  recordedGradients,
  relativeError,
  values,
  weightsOf,
  withoutPenalties,
} from '../helpers/recorded-gradients';

const [x, y] = [() => data([6, 4]), () => data([6, 1])];

/** Both parts have the same weights, and sum to what the host's optimizer gets. */
function expectSum({ data: ofData, penalty }: LossAndGradients, host: Map<string, number[]>): void {
  expect(Object.keys(ofData)).toEqual(Object.keys(penalty));
  expect(Object.keys(ofData)).toEqual(expect.arrayContaining([...host.keys()]));
  for (const [name, one] of Object.entries(ofData)) {
    const [left, right] = [values(one), values(penalty[name]!)];
    const sum = left.map((value, index) => value + right[index]!);
    const scale = left.map((value, index) => Math.abs(value) + Math.abs(right[index]!));
    expect(relativeError(sum, host.get(name) ?? sum.map(() => 0), scale)).toBeLessThan(1e-6);
  }
}

const seeded = { kernelInitializer: 'ones' as const };

const models: Array<
  [name: string, build: () => tfjs.LayersModel, x: () => tfjs.Tensor, y: () => tfjs.Tensor | tfjs.Tensor[]]
> = [
  ['a Sequential', regressor, x, y],
  [
    'fused penalties',
    () => {
      const model = regressor();
      fuseRegularizers(model);
      return model;
    },
    x,
    y,
  ],
  ['a model with two outputs', twoOutputs, x, () => [y(), tf.ones([6, 1])]],
  [
    'dropout and batch normalization',
    () => {
      const model = tf.sequential({
        layers: [
          tf.layers.dense({ units: 5, inputShape: [4], kernelRegularizer: 'l1l2' }),
          tf.layers.batchNormalization({ gammaRegularizer: tf.regularizers.l2({ l2: 0.3 }) }),
          tf.layers.dropout({ rate: 0.4, seed: 7 }),
          tf.layers.dense({ units: 1 }),
        ],
      });
      model.compile({ loss: 'meanSquaredError', optimizer: 'adam' });
      return fillWeights(model);
    },
    x,
    y,
  ],
  [
    'a penalty on activations',
    () => {
      const model = tf.sequential({
        layers: [
          tf.layers.dense({ units: 5, inputShape: [4], activation: 'tanh', kernelRegularizer: 'l1l2' }),
          activityRegularization({ l1: 0.3, l2: 0.2 }),
          tf.layers.dense({ units: 1 }),
        ],
      });
      model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
      return fillWeights(model);
    },
    x,
    y,
  ],
  [
    'a layer that is called twice, and frozen weights',
    () => {
      const inputs = tf.input({ shape: [4] });
      const shared = tf.layers.dense({ units: 4, activation: 'tanh', kernelRegularizer: 'l1l2' });
      const frozen = tf.layers.dense({ units: 4, trainable: false, kernelRegularizer: 'l1l2' });
      const h = shared.apply(frozen.apply(shared.apply(inputs)));
      const model = tf.model({ inputs, outputs: tf.layers.dense({ units: 1 }).apply(h) as tfjs.SymbolicTensor });
      model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
      return fillWeights(model);
    },
    x,
    y,
  ],
  [
    'an enforced LSTM with weight decay',
    () => {
      const model = tf.sequential({
        layers: [
          tf.layers.lstm({ ...seeded, units: 3, inputShape: [5, 2], recurrentRegularizer: 'l1l2' }),
          tf.layers.dense({ units: 1 }),
        ],
      });
      model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
      enforceRegularizers(model);
      addWeightDecay(model, { l2: 0.1, include: 'Dense' });
      return fillWeights(model);
    },
    () => data([6, 5, 2]),
    y,
  ],
];

describe.each(models)('%s', (_, build, inputs, targets) => {
  it("gives gradients that sum to the host's", async () => {
    const parts = await lossAndGradients(build(), inputs(), targets());
    const model = build();
    const host = await hostGradients(model, inputs(), targets());
    const renamed = new Map([...host.values()].map((gradient, index) => [Object.keys(parts.data)[index]!, gradient]));
    expect(host.size).toBe(Object.keys(parts.data).length);
    expectSum(parts, renamed);
  });

  it('gives the data gradient that the host has without regularizers', async () => {
    const parts = await lossAndGradients(build(), inputs(), targets());
    const host = await hostGradients(withoutPenalties(build()), inputs(), targets());
    const own = Object.values(parts.data).map(values);
    [...host.values()].forEach((gradient, index) => expect(relativeError(own[index]!, gradient)).toBeLessThan(1e-6));
  });

  it('gives the loss of a step, and leaves the model as it was', async () => {
    const model = build();
    const before = weightsOf(model);
    const ofOptimizer = Object.keys(model.optimizer);
    const { loss } = await lossAndGradients(model, inputs(), targets());
    expect(weightsOf(model)).toEqual(before);
    expect(Object.keys(model.optimizer)).toEqual(ofOptimizer);
    expect(await trainStep(model, inputs(), targets())).toEqual(loss);
  });

  it('leaves no tensor behind but those it returns', async () => {
    const [model, a, b] = [build(), inputs(), targets()];
    const call = async () => (await lossAndGradients(model, a, b)).dispose();
    await call();
    expect(await tensorsLeftBy(call)).toBe(0);
    let parts: LossAndGradients | undefined;
    const left = await tensorsLeftBy(async () => (parts = await lossAndGradients(model, a, b)));
    expect(left).toBe(2 * Object.keys(parts!.data).length);
  });
});

it('gives the penalty gradient by hand, and zeros for a weight without a penalty', async () => {
  const model = regressor();
  const { data: ofData, penalty } = await lossAndGradients(model, x(), y());
  const sign = (w: number) => Math.sign(w);
  const byHand: Array<(w: number) => number> = [
    (w) => 2 * 0.1 * w,
    () => 0,
    (w) => 0.02 * sign(w) + 2 * 0.3 * w,
    (w) => 0.4 * sign(w),
  ];
  model.weights.forEach((weight, index) => {
    const { name, shape } = weight;
    const expected = values(weight.read()).map(byHand[index]!);
    expect(penalty[name]!.shape).toEqual(shape);
    expect(ofData[name]!.shape).toEqual(shape);
    expect(relativeError(values(penalty[name]!), expected)).toBeLessThan(1e-6);
  });
});

it.each(['outer', 'late'])('gives gradients for what training moves only: frozen %s', async (when) => {
  const model = regressor();
  const [hidden, out] = model.layers as [tfjs.layers.Layer, tfjs.layers.Layer];
  hidden.trainable = false;
  if (when === 'outer') model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  const { data: ofData, penalty } = await lossAndGradients(model, x(), y());
  const names = out.weights.map(({ name }) => name);
  expect([Object.keys(ofData), Object.keys(penalty)]).toEqual([names, names]);
  out.trainable = false;
  await expect(lossAndGradients(model, x(), y())).rejects.toThrow(/every weight is frozen\. Set `trainable`/);
});

it('gives zeros for a weight that the loss does not reach', async () => {
  const inputs = tf.input({ shape: [4] });
  const reached = tf.layers.dense({ units: 1 }).apply(inputs) as tfjs.SymbolicTensor;
  const idle = tf.layers.dense({ units: 1 });
  const outputs = tf.layers.add().apply([reached, idle.apply(inputs) as tfjs.SymbolicTensor]) as tfjs.SymbolicTensor;
  const model = tf.model({ inputs, outputs: [outputs] });
  model.compile({ loss: (yTrue, yPred) => yPred.sub(yTrue).square().mean(), optimizer: 'sgd' });
  idle.call = (input) => tf.zerosLike([input].flat()[0]!.slice([0, 0], [-1, 1]));
  const { data: ofData, penalty } = await lossAndGradients(model, x(), y());
  idle.weights.forEach(({ name }) => {
    expect(values(ofData[name]!).every((value) => value === 0)).toBe(true);
    expect(values(penalty[name]!).every((value) => value === 0)).toBe(true);
  });
});

it('leaves no tensor of the weights that it makes of classes', async () => {
  const [model, inputs, targets] = [classifier(), x(), oneHot(6)];
  const call = async () => (await lossAndGradients(model, inputs, targets, { classWeight: { 0: 1, 1: 5 } })).dispose();
  await call();
  expect(await tensorsLeftBy(call)).toBe(0);
});

it('weights classes and samples as trainStep does', async () => {
  const args = { classWeight: { 0: 1, 1: 5, 2: 0.5 }, sampleWeight: tf.tensor1d([0, 1, 2, 3, 4, 5]) };
  const model = classifier();
  const parts = await lossAndGradients(model, x(), oneHot(6), args);
  expectSum(parts, await recordedGradients(model, () => trainStep(model, x(), oneHot(6), args)));
  expect(parts.loss).toEqual(await trainStep(model, x(), oneHot(6), args));
  const plain = await lossAndGradients(classifier(), x(), oneHot(6));
  expect(parts.loss.data).not.toBeNear(plain.loss.data, 0.1);
  expect(Object.values(parts.penalty).map(values)).toEqual(Object.values(plain.penalty).map(values));
});

it('keeps the small part exact beside a large one', async () => {
  const build = (l2: number) => {
    const kernelRegularizer = tf.regularizers.l2({ l2 });
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4], kernelRegularizer })] });
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    return fillWeights(model);
  };
  const [huge, none] = [await lossAndGradients(build(1e6), x(), y()), await lossAndGradients(build(0), x(), y())];
  expect(Object.values(huge.data).map(values)).toEqual(Object.values(none.data).map(values));
});

describe('serves several workers: what they add up is the step on the whole batch', () => {
  const withActivity = (optimizer: tfjs.Optimizer): tfjs.LayersModel => {
    const layers = [
      tf.layers.dense({ units: 3, inputShape: [4], kernelRegularizer: 'l1l2' }),
      activityRegularization({ l1: 0.3, l2: 0.7 }),
      tf.layers.dense({ units: 1 }),
    ];
    const model = tf.sequential({ layers });
    model.compile({ loss: 'meanSquaredError', optimizer });
    return fillWeights(model);
  };

  it.each<[name: string, build: (optimizer: tfjs.Optimizer) => tfjs.LayersModel, penaltyShares: number[]]>([
    ['the penalty of one, on weights', (optimizer) => regressor({ optimizer }), [1, 0]],
    ['the weighted penalties of all, also on activations', withActivity, [4 / 6, 2 / 6]],
  ])('the data gradients of all, and %s', async (_, build, penaltyShares) => {
    const make = () => build(tf.train.adam(0.01));
    const [replicas, whole] = [[make(), make()], make()];
    const sizes = [4, 2];
    for (let step = 0; step < 3; step += 1) {
      const [inputs, targets] = [data([6, 4], step), data([6, 1], step + 9)];
      const [ofInputs, ofTargets] = [tf.split(inputs, sizes), tf.split(targets, sizes)];
      const parts = await Promise.all(
        replicas.map((replica, worker) => lossAndGradients(replica, ofInputs[worker]!, ofTargets[worker]!)),
      );
      const sums = Object.values(parts[0]!.data).map((_, place) =>
        parts.reduce<tfjs.Tensor>(
          (sum, part, worker) =>
            sum
              .add(Object.values(part.data)[place]!.mul(sizes[worker]! / 6))
              .add(Object.values(part.penalty)[place]!.mul(penaltyShares[worker]!)),
          tf.scalar(0),
        ),
      );
      replicas.forEach((replica, worker) => {
        const names = Object.keys(parts[worker]!.data);
        replica.optimizer.applyGradients(names.map((name, place) => ({ name, tensor: sums[place]! })));
      });
      await whole.trainOnBatch(inputs, targets);
      const expected = [...weightsOf(whole).values()];
      const start = [...weightsOf(make()).values()];
      for (const replica of replicas) {
        [...weightsOf(replica).values()].forEach((weight, place) =>
          expect(relativeError(weight, expected[place]!, start[place])).toBeLessThan(1e-6),
        );
      }
    }
  });
});

it('moves a stateful layer to its next state, as predict does', async () => {
  const make = () => {
    const lstm = tf.layers.lstm({ name: 'lstm', units: 2, batchInputShape: [2, 3, 1], stateful: true });
    const model = tf.sequential({ layers: [lstm, tf.layers.dense({ units: 1 })] });
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    return fillWeights(model);
  };
  const [apart, predicting] = [make(), make()];
  const input = data([2, 3, 1]);
  const first = values(predicting.predict(input) as tfjs.Tensor);
  (await lossAndGradients(apart, input, tf.zeros([2, 1]))).dispose();
  const next = values(predicting.predict(input) as tfjs.Tensor);
  expect(values(apart.predict(input) as tfjs.Tensor)).toEqual(next);
  expect(next).not.toEqual(first);
});

const convolution = trainsConvolutions ? it : it.skip;
convolution('takes a convolutional net apart', async () => {
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ filters: 2, kernelSize: 3, inputShape: [6, 6, 1], kernelRegularizer: 'l1l2' }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 1, kernelRegularizer: 'l1l2' }),
    ],
  });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  fillWeights(model);
  const images = data([3, 6, 6, 1]);
  expectSum(await lossAndGradients(model, images, data([3, 1])), await hostGradients(model, images, data([3, 1])));
});

it("sums to the host's gradients for random models", async () => {
  await fc.assert(
    fc.asyncProperty(recipes, async (recipe) => {
      const { model, x: inputs, y: targets } = build(recipe);
      const before = weightsOf(model);
      const parts = await lossAndGradients(model, inputs, targets);
      expectSum(parts, await hostGradients(model, inputs, targets));
      expect(weightsOf(model)).toEqual(before);
    }),
    { numRuns: 25 },
  );
});

it("sums to the host's gradients for random nested, shared and recurrent models, enforced", async () => {
  await fc.assert(
    fc.asyncProperty(nestedRecipes, fc.boolean(), async (recipe, enforced) => {
      const { model, x: inputs, y: targets } = buildNested(recipe);
      if (enforced) enforceRegularizers(model);
      expectSum(await lossAndGradients(model, inputs, targets), await hostGradients(model, inputs, targets));
    }),
    { numRuns: 15 },
  );
});

const failing = (): never => {
  throw new Error('the function failed');
};

/** The model that a Sequential trains, and its step, which a class of one's own may override. */
const innerModel = (model: tfjs.Sequential) =>
  (model as unknown as { model: { makeTrainFunction: () => (...batch: unknown[]) => tfjs.Scalar[] } }).model;

interface Accident {
  name: string;
  message: RegExp;
  /** What is wrong with the call, or with the model before it. */
  args?: () => [x: tfjs.Tensor, y: tfjs.Tensor, args?: object];
  prepare?: (model: tfjs.Sequential) => void;
}

const accidents: Accident[] = [
  { name: 'inputs of a wrong shape', message: /each with shape \[5\]/, args: () => [data([6, 5]), y()] },
  { name: 'an empty batch', message: /at least one sample/, args: () => [tf.zeros([0, 4]), tf.zeros([0, 1])] },
  { name: 'an unknown argument', message: /got `weights`/, args: () => [x(), y(), { weights: 1 }] },
  {
    name: 'sample weights that do not fit',
    message: /`sampleWeight` of output/,
    args: () => [x(), y(), { sampleWeight: tf.ones([5]) }],
  },
  {
    name: 'a loss that fails',
    message: /the function failed/,
    prepare: (model) => model.compile({ loss: failing, optimizer: 'sgd' }),
  },
  {
    name: 'a penalty that fails',
    message: /the function failed/,
    prepare: (model) => model.layers[1]!.addLoss(failing),
  },
  {
    name: 'a gradient that fails',
    message: /the function failed/,
    prepare: (model) => {
      const step = tf.customGrad((value) => ({ value: (value as tfjs.Tensor).clone(), gradFunc: failing }));
      model.compile({ loss: (yTrue, yPred) => step(yPred).sub(yTrue).square(), optimizer: 'sgd' });
    },
  },
  {
    name: 'a step that leaves the penalties out',
    message: /No step was made/,
    prepare: (model) => {
      const variables = model.trainableWeights.map((weight) => weight.read() as tfjs.Variable);
      const loss = () => variables[0]!.square().mean<tfjs.Scalar>();
      innerModel(model).makeTrainFunction = () => () => [model.optimizer.minimize(loss, true, variables)!];
    },
  },
  {
    name: 'a step that updates by itself',
    message: /No step was made/,
    prepare: (model) => {
      innerModel(model).makeTrainFunction = () => () => {
        model.trainableWeights.forEach((weight) => weight.write(tf.zeros(weight.shape as number[])));
        return [tf.scalar(1)];
      };
    },
  },
  {
    name: 'a step that fails after its loss',
    message: /the function failed/,
    prepare: (model) => {
      const inner = innerModel(model);
      const make = inner.makeTrainFunction.bind(inner);
      inner.makeTrainFunction = () => {
        const step = make();
        return (...batch) => {
          tf.dispose(step(...batch));
          return failing();
        };
      };
    },
  },
];

it.each(accidents)('leaves model and memory as they were after $name', async ({ args, prepare, message }) => {
  const model = regressor();
  model.add(tf.layers.batchNormalization());
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd', metrics: ['mae'] });
  prepare?.(model);
  const before = weightsOf(model);
  const given = args?.() ?? [x(), y()];
  await expect(lossAndGradients(model, ...given)).rejects.toThrow(message);
  expect(await tensorsLeftByFailing(() => lossAndGradients(model, ...given))).toBe(0);
  expect(weightsOf(model)).toEqual(before);
  expect(Object.getOwnPropertyNames(model.optimizer)).not.toContain('minimize');
  expect(tf.engine().state).toMatchObject({ kernelDepth: 0, gradientDepth: 0 });
});

it('leaves no tensor where the backend fails to read the loss', async () => {
  const [model, inputs, targets] = [regressor(), x(), y()];
  const read = jest.spyOn(tf.Tensor.prototype, 'data').mockRejectedValue(new Error('the device is lost'));
  expect(await tensorsLeftByFailing(() => lossAndGradients(model, inputs, targets))).toBe(0);
  read.mockRestore();
});
