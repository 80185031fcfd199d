import fc from 'fast-check';
import type * as tfjs from '@tensorflow/tfjs';
import { accumulateGradients, type AccumulatedGradients } from 'tfjs-decomposed-loss/gradients';
import { activityRegularization, withWeightDecay } from 'tfjs-decomposed-loss/regularizers';
import { decomposedLoss, lossTerm, trainStep } from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { tensorsLeftBy, tensorsLeftByFailing } from '../helpers/memory';
import { classifier, data, fillWeights, oneHot, regressor, state, twoOutputs } from '../helpers/models';
import { build, recipes } from '../helpers/random-models';
import { Clipping, LossScale, Sam } from '../helpers/optimizers';
import { hostGradients, recordedGradients, relativeError, weightsOf } from '../helpers/recorded-gradients';

const [x, y] = [() => data([9, 4]), () => data([9, 1])];

/** The rows of a tensor in micro-batches of these sizes. */
const split = (tensor: tfjs.Tensor, sizes: number[]): tfjs.Tensor[] => tf.split(tensor, sizes);

/** The weights after a step on the whole batch, and after one in micro-batches, to float32 rounding of where they began. */
function expectSameStep(accumulated: tfjs.LayersModel, whole: tfjs.LayersModel, before: tfjs.LayersModel): void {
  const [own, host, start] = [accumulated, whole, before].map((model) => [...weightsOf(model).values()]);
  start!.forEach((weight, index) => expect(relativeError(own![index]!, host![index]!, weight)).toBeLessThan(1e-6));
}

const optimizers: Array<[name: string, make: () => tfjs.Optimizer]> = [
  ['sgd', () => tf.train.sgd(0.1)],
  ['momentum', () => tf.train.momentum(0.1, 0.9)],
  ['adam', () => tf.train.adam(0.01)],
];

describe.each(optimizers)('with %s', (_, optimizer) => {
  it("equals the host's step on the whole batch, step by step", async () => {
    const [own, host] = [regressor({ optimizer: optimizer() }), regressor({ optimizer: optimizer() })];
    const accumulated = accumulateGradients(own);
    for (let step = 0; step < 4; step += 1) {
      const [inputs, targets] = [data([9, 4], step), data([9, 1], step + 5)];
      const parts = [split(inputs, [1, 5, 3]), split(targets, [1, 5, 3])];
      for (const [index, one] of parts[0]!.entries()) await accumulated.add(one, parts[1]![index]!);
      expect(accumulated.samples).toBe(9);
      const loss = await accumulated.apply();
      expect(accumulated.samples).toBe(0);
      expect(loss.total).toBeNear((await host.trainOnBatch(inputs, targets)) as number);
      expectSameStep(own, host, regressor());
    }
    expect(own.optimizer.iterations).toBe(4);
  });

  it("of one micro-batch is the host's step bit for bit", async () => {
    const [own, host] = [twoOutputs({ optimizer: optimizer() }), twoOutputs({ optimizer: optimizer() })];
    const targets = [y(), tf.ones([9, 1])];
    const accumulated = accumulateGradients(own);
    for (let step = 0; step < 2; step += 1) {
      await accumulated.add(x(), targets);
      await accumulated.apply();
      await host.trainOnBatch(x(), targets);
    }
    expect(await state(own)).toEqual(await state(host));
  });
});

it('weights classes and samples as in the whole batch, and returns its loss in parts', async () => {
  const classWeight = { 0: 1, 1: 5, 2: 0.5 };
  const sampleWeight = tf.tensor1d([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  const metrics = ['accuracy'];
  const [own, host] = [classifier({ metrics }), classifier({ metrics })];
  const sizes = [4, 2, 3];
  const [inputs, targets, weights] = [x(), oneHot(9), sampleWeight].map((all) => split(all, sizes));
  const accumulated = accumulateGradients(own);
  for (const [index, one] of inputs!.entries()) {
    await accumulated.add(one, targets![index]!, { classWeight, sampleWeight: weights![index]! });
  }
  const [loss, expected] = [
    await accumulated.apply(),
    await trainStep(host, x(), oneHot(9), { classWeight, sampleWeight }),
  ];
  expectSameStep(own, host, classifier());
  expect(loss.total).toBeNear(expected.total);
  expect(loss.data).toBeNear(expected.data);
  expect(loss.regularization).toBeNear(expected.regularization);
  expect(loss.parts).toEqual({ classes: loss.data });
  expect(Object.keys(loss.metrics)).toEqual(['acc']);
  expect(loss.metrics['acc']).toBeNear(expected.metrics['acc']!);
});

it('takes the mean of a penalty on activations, as of the whole batch', async () => {
  const make = () => {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({ units: 5, inputShape: [4], activation: 'tanh', kernelRegularizer: 'l1l2' }),
        activityRegularization({ l1: 0.3, l2: 0.2 }),
        tf.layers.dense({ units: 1 }),
      ],
    });
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    return fillWeights(model);
  };
  const [own, host] = [make(), make()];
  const accumulated = accumulateGradients(own);
  const [inputs, targets] = [split(x(), [2, 7]), split(y(), [2, 7])];
  for (const [index, one] of inputs.entries()) await accumulated.add(one, targets[index]!);
  const loss = await accumulated.apply();
  const expected = await trainStep(host, x(), y());
  expectSameStep(own, host, make());
  expect(loss.regularization).toBeNear(expected.regularization);
});

it("equals the host's step for random models and micro-batches", async () => {
  await fc.assert(
    fc.asyncProperty(recipes, fc.integer({ min: 1, max: 8 }), async (recipe, cut) => {
      const [own, host] = [build(recipe), build(recipe)];
      const first = Math.min(cut, recipe.samples - 1);
      const sizes = [first, recipe.samples - first];
      const targets = [own.y].flat().map((one) => split(one, sizes));
      const accumulated = accumulateGradients(own.model);
      for (const [index, one] of split(own.x, sizes).entries()) {
        await accumulated.add(one, targets.length === 1 ? targets[0]![index]! : targets.map((parts) => parts[index]!));
      }
      const gradients = await recordedGradients(own.model, () => accumulated.apply());
      const expected = await hostGradients(host.model, host.x, host.y);
      const [received, whole] = [[...gradients.values()], [...expected.values()]];
      expect(received).toHaveLength(whole.length);
      const scale = whole.flat();
      whole.forEach((gradient, index) => {
        expect(relativeError(received[index]!, gradient, scale)).toBeLessThan(1e-6);
      });
    }),
    { numRuns: 20 },
  );
});

it('moves the statistics of a batch normalization once a micro-batch, as trainStep does', async () => {
  const normalized = () => {
    const model = tf.sequential({
      layers: [tf.layers.batchNormalization({ inputShape: [4] }), tf.layers.dense({ units: 1 })],
    });
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
    return fillWeights(model);
  };
  const [own, stepped] = [normalized(), normalized()];
  const accumulated = accumulateGradients(own);
  const [inputs, targets] = [split(x(), [4, 5]), split(y(), [4, 5])];
  for (const [index, one] of inputs.entries()) {
    await accumulated.add(one, targets[index]!);
    await trainStep(stepped, one, targets[index]!);
  }
  await accumulated.apply();
  expect([...weightsOf(own).values()]).toEqual([...weightsOf(stepped).values()]);
});

it('follows a weight that is frozen on the way: its gradients count as 0 from then on', async () => {
  const [own, other] = [regressor(), regressor()];
  const whole = accumulateGradients(own);
  const kept = accumulateGradients(other);
  await whole.add(x(), y());
  await kept.add(x(), y());
  own.layers[0]!.trainable = false;
  await whole.add(x(), y());
  await kept.add(x(), y());
  own.layers[0]!.trainable = true;
  await whole.add(x(), y());
  await kept.add(x(), y());
  await whole.apply();
  await kept.apply();
  const start = [...weightsOf(regressor()).values()];
  const moved = (model: tfjs.LayersModel) =>
    [...weightsOf(model).values()].map((weight, index) => weight.map((value, place) => value - start[index]![place]!));
  const [frozen, free] = [moved(own), moved(other)];
  const scale = [2 / 3, 2 / 3, 1, 1];
  free.forEach((weight, index) => {
    expect(
      relativeError(
        frozen[index]!,
        weight.map((value) => value * scale[index]!),
      ),
    ).toBeLessThan(1e-5);
  });
});

describe('with an optimizer of your own', () => {
  const own = (make: () => tfjs.Optimizer) =>
    [regressor({ optimizer: make() }), regressor({ optimizer: make() })] as const;
  const [inputs, targets] = [() => split(x(), [2, 7]), () => split(y(), [2, 7])];
  const fill = async (accumulated: AccumulatedGradients) => {
    for (const [index, one] of inputs().entries()) await accumulated.add(one, targets()[index]!);
  };

  it('clips the gradients of the whole batch, once a step', async () => {
    const [model, host] = own(() => new Clipping());
    const accumulated = accumulateGradients(model);
    for (let step = 1; step < 4; step += 1) {
      await fill(accumulated);
      const [gradients, expected] = [
        await recordedGradients(model, () => accumulated.apply()),
        await hostGradients(host, x(), y()),
      ].map((all) => [...all.values()]);
      expected!.forEach((one, index) => expect(relativeError(gradients![index]!, one)).toBeLessThan(1e-5));
      expect((model.optimizer as Clipping).clipped).toBe(step);
    }
  });

  it.each<[string, () => tfjs.Optimizer]>([
    ['a minimize', () => new LossScale()],
    ['a minimize and decay', () => withWeightDecay(new LossScale(), { rate: 0.1 })],
    ['a computeGradients and decay', () => withWeightDecay(new Clipping(), { rate: 0.1 })],
  ])('makes its own step bit for bit of one micro-batch: %s of its own', async (_, make) => {
    const [model, host] = own(make);
    const accumulated = accumulateGradients(model);
    for (let step = 0; step < 3; step += 1) {
      await accumulated.add(x(), y());
      await accumulated.apply();
      await host.trainOnBatch(x(), y());
    }
    expect(await state(model)).toEqual(await state(host));
    const { steps, clipped } = model.optimizer as LossScale & Clipping;
    expect(steps ?? clipped).toBe(3);
  });

  it('refuses one that evaluates the loss again at other weights, and changes nothing', async () => {
    const model = regressor({ optimizer: new Sam(0.1) });
    const accumulated = accumulateGradients(model);
    await fill(accumulated);
    const before = await state(model);
    await expect(accumulated.apply()).rejects.toThrow(/`optimizer` of `accumulateGradients`.* got a Sam.* twice/);
    expect(await tensorsLeftByFailing(() => accumulated.apply())).toBe(0);
    expect(await state(model)).toEqual(before);
    expect(accumulated.samples).toBe(9);
    accumulated.dispose();
  });

  it('leaves weights, moments and what was added where the update fails', async () => {
    const [model, host] = own(() => tf.train.adam(0.01));
    const accumulated = accumulateGradients(model);
    await accumulated.add(x(), y());
    await accumulated.apply();
    await host.trainOnBatch(x(), y());
    await accumulated.add(x(), y());
    const { optimizer } = model;
    const update = optimizer.applyGradients.bind(optimizer);
    optimizer.applyGradients = (gradients) => {
      update(gradients);
      throw new Error('the update failed');
    };
    await expect(accumulated.apply()).rejects.toThrow('the update failed');
    expect(await tensorsLeftByFailing(() => accumulated.apply())).toBe(0);
    Reflect.deleteProperty(optimizer, 'applyGradients');
    await accumulated.apply();
    await host.trainOnBatch(x(), y());
    // The host counts a step as made in a member of its own.
    const countless = async (one: tfjs.LayersModel) =>
      (await state(one)).filter((_, place) => place !== one.weights.length);
    expect(await countless(model)).toEqual(await countless(host));
  });
});

describe('memory', () => {
  const fill = async (accumulated: AccumulatedGradients, inputs: tfjs.Tensor[], targets: tfjs.Tensor[]) => {
    for (const [index, one] of inputs.entries()) await accumulated.add(one, targets[index]!);
  };

  it('is flat over steps, and back where it was after dispose', async () => {
    const accumulated = accumulateGradients(regressor({ optimizer: 'adam', metrics: ['mae'] }));
    const [inputs, targets] = [split(x(), [2, 3, 4]), split(y(), [2, 3, 4])];
    await fill(accumulated, inputs, targets);
    await accumulated.apply();
    const step = async () => {
      await fill(accumulated, inputs, targets);
      await accumulated.apply();
    };
    expect(await tensorsLeftBy(step)).toBe(0);
    await fill(accumulated, inputs, targets);
    const more = () => accumulated.add(inputs[1]!, targets[1]!);
    expect(await tensorsLeftBy(more)).toBe(0);
    accumulated.dispose();
    expect(accumulated.samples).toBe(0);
    const given = async () => {
      await fill(accumulated, inputs, targets);
      accumulated.dispose();
    };
    expect(await tensorsLeftBy(given)).toBe(0);
  });

  it('keeps what was added before a micro-batch that fails', async () => {
    let isFailing = false;
    const failing = tf.customGrad((error) => ({
      value: (error as tfjs.Tensor).clone(),
      gradFunc: (dy: tfjs.Tensor) => {
        if (isFailing) throw new Error('the gradient failed');
        return dy;
      },
    }));
    const loss = (yTrue: tfjs.Tensor, yPred: tfjs.Tensor) => failing(tf.metrics.meanSquaredError(yTrue, yPred));
    const [own, host] = [regressor({ loss }), regressor()];
    const accumulated = accumulateGradients(own);
    await accumulated.add(x(), y());
    const wrong = data([9, 5]);
    expect(await tensorsLeftByFailing(() => accumulated.add(wrong, y()))).toBe(1);
    isFailing = true;
    const [inputs, targets] = [x(), y()];
    expect(await tensorsLeftByFailing(() => accumulated.add(inputs, targets))).toBe(0);
    isFailing = false;
    expect(accumulated.samples).toBe(9);
    await accumulated.apply();
    await host.trainOnBatch(x(), y());
    expect(await state(own)).toEqual(await state(host));
  });
});

it('says what is missing', async () => {
  const accumulated = accumulateGradients(regressor());
  await expect(accumulated.apply()).rejects.toThrow(/got none\. Call `await accumulated\.add\(x, y\)`/);
  expect(() =>
    accumulateGradients(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] })),
  ).toThrow(/Call `model\.compile/);
  expect(() => accumulateGradients(undefined as unknown as tfjs.LayersModel)).toThrow(/`model`.*got undefined/);
});

describe('a step of a class of your own', () => {
  type Step = (...batch: unknown[]) => tfjs.Scalar[];

  const withStep = (stepOf: (model: tfjs.Sequential, step: Step) => Step) => {
    const model = regressor();
    const { model: inner } = model as unknown as { model: { makeTrainFunction: () => Step } };
    const make = inner.makeTrainFunction.bind(inner);
    inner.makeTrainFunction = () => stepOf(model, make());
    return accumulateGradients(model);
  };

  it.each<[string, RegExp, (model: tfjs.Sequential, step: Step) => Step]>([
    [
      'leaves the penalties out',
      /No step was made/,
      (model) => {
        const variables = model.trainableWeights.map((weight) => weight.read() as tfjs.Variable);
        const loss = () => variables[0]!.square().mean<tfjs.Scalar>();
        return () => [model.optimizer.minimize(loss, true, variables)!];
      },
    ],
    [
      'fails after its loss',
      /the step failed/,
      (_, step) =>
        (...batch) => {
          tf.dispose(step(...batch));
          throw new Error('the step failed');
        },
    ],
  ])('that %s is refused, and leaves no tensor', async (_, message, stepOf) => {
    const [accumulated, inputs, targets] = [withStep(stepOf), x(), y()];
    await expect(accumulated.add(inputs, targets)).rejects.toThrow(message);
    expect(await tensorsLeftByFailing(() => accumulated.add(inputs, targets))).toBe(0);
    expect(accumulated.samples).toBe(0);
  });
});

it("has the terms of layers as the host's step on the whole batch has them, with their weights", async () => {
  const make = () => {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({ units: 3, inputShape: [4], kernelRegularizer: 'l1l2' }),
        lossTerm({ name: 'size', loss: ([hidden]) => tf.mean(tf.square(hidden!)), weight: 0.5 }),
        lossTerm({ name: 'sum', loss: ([hidden]) => tf.mean(hidden!), weight: 2 }),
        tf.layers.dense({ units: 1 }),
      ],
    });
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1), metrics: ['mae'] });
    return fillWeights(model);
  };
  const [own, host, before] = [make(), make(), make()];
  const hidden = host.layers[0]!.apply(x()) as tfjs.Tensor;
  const [size, mean] = [hidden.square().mean(), hidden.mean()].map((term) => term.dataSync()[0]!);
  const fit = tf.losses.meanSquaredError(y(), host.predict(x()) as tfjs.Tensor).dataSync()[0]!;
  const [total, mae] = (await host.trainOnBatch(x(), y())) as number[];
  const accumulated = accumulateGradients(own);
  const parts = [split(x(), [4, 5]), split(y(), [4, 5])];
  for (const [index, one] of parts[0]!.entries()) await accumulated.add(one, parts[1]![index]!);
  const loss = await accumulated.apply();
  expectSameStep(own, host, before);
  expect(loss.total).toBeNear(total!);
  expect(loss.data).toBeNear(fit + 0.5 * size! + 2 * mean!);
  expect(loss.metrics['mae']).toBeNear(mae!);
  const [output] = own.outputNames;
  expect(Object.keys(loss.parts)).toEqual([output, 'size', 'sum']);
  [fit, size!, mean!].forEach((value, place) => expect(Object.values(loss.parts)[place]).toBeNear(value));
  expect(loss.weights).toEqual({ [output!]: 1, size: 0.5, sum: 2 });
});

it('goes on beside a fit of the same model, which is watched', async () => {
  const [own, plain] = [regressor({ optimizer: tf.train.sgd(0) }), regressor({ optimizer: tf.train.sgd(0) })];
  const accumulated = accumulateGradients(own);
  const step = new tf.CustomCallback({
    onBatchEnd: async () => {
      await accumulated.add(x(), y());
      await accumulated.apply();
    },
  });
  const args = { verbose: 0 as const, epochs: 2, shuffle: false };
  const { history } = await own.fit(x(), y(), { ...args, callbacks: [decomposedLoss(), step] });
  const { history: expected } = await plain.fit(x(), y(), { ...args, callbacks: [decomposedLoss()] });
  expect(history).toEqual(expected);
});

it('refuses a model that was compiled anew since the first micro-batch, and keeps what was added', async () => {
  for (const model of [regressor(), twoOutputs()]) {
    const targets = model.outputs.length === 1 ? y() : [y(), tf.ones([9, 1])];
    const accumulated = accumulateGradients(model);
    await accumulated.add(x(), targets);
    const before = model.getWeights().map((weight) => weight.arraySync());
    model.compile({ loss: 'meanAbsoluteError', optimizer: 'sgd', metrics: ['mae'] });
    await expect(accumulated.apply()).rejects.toThrow(/got one that was compiled since\. Call `apply\(\)` before/);
    await expect(accumulated.add(x(), targets)).rejects.toThrow(/compiled since/);
    expect(accumulated.samples).toBe(9);
    expect(model.getWeights().map((weight) => weight.arraySync())).toEqual(before);
    accumulated.dispose();
    await accumulated.add(x(), targets);
    expect(Object.keys((await accumulated.apply()).metrics).length).toBeGreaterThan(0);
  }
});
