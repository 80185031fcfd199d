import type * as tfjs from '@tensorflow/tfjs';
import { trainStep, type TrainStepArgs } from 'tfjs-decomposed-loss';
import { backend, tf } from '../helpers/backend';
import { tensorsLeftBy } from '../helpers/memory';
import { classifier, data, fillWeights, oneHot, regressor, state, twoOutputs } from '../helpers/models';

const [x, y] = [() => data([6, 4]), () => data([6, 1])];

function withoutPenalty(optimizer: tfjs.Optimizer = tf.train.sgd(0.1)): tfjs.Sequential {
  const layers = [tf.layers.batchNormalization({ inputShape: [4] }), tf.layers.dense({ name: 'out', units: 1 })];
  const model = tf.sequential({ layers });
  model.compile({ loss: 'meanSquaredError', optimizer });
  return fillWeights(model);
}

type Step = (minimize: () => tfjs.Scalar | null, loss: () => tfjs.Scalar) => tfjs.Scalar | null;

it.each<[string, Step]>([
  // On WebAssembly nothing tells whose copy it is.
  ...(backend === 'wasm'
    ? []
    : [['returns a copy of the loss', (minimize) => tf.clone(minimize()!)] as [string, Step]]),
  [
    'looks at the loss before it takes gradients',
    (minimize, loss) => {
      tf.dispose(loss());
      return minimize();
    },
  ],
])('is the step of the host, with an optimizer that %s', async (_, step) => {
  class Other extends tf.SGDOptimizer {
    override minimize(...args: Parameters<tfjs.Optimizer['minimize']>): tfjs.Scalar | null {
      return step(() => super.minimize(...args), args[0]);
    }
  }
  for (const build of [withoutPenalty, (optimizer: tfjs.Optimizer) => regressor({ optimizer })]) {
    const [own, host] = [build(new Other(0.1)), build(new Other(0.1))];
    const { total } = await trainStep(own, x(), y());
    expect(total).toBe(await host.trainOnBatch(x(), y()));
    // With the statistics that the forward passes moved.
    expect(await state(own)).toEqual(await state(host));
  }
});

it('leaves a loss to the optimizer that keeps it', async () => {
  let kept: tfjs.Scalar | undefined;
  class Keeping extends tf.SGDOptimizer {
    override minimize(...[loss, ...args]: Parameters<tfjs.Optimizer['minimize']>): tfjs.Scalar | null {
      const twice = () => {
        kept = tf.keep(loss());
        return loss();
      };
      return super.minimize(twice, ...args);
    }
  }
  const { total } = await trainStep(withoutPenalty(new Keeping(0.1)), x(), y());
  expect(Array.from(kept!.dataSync())).toEqual([total]);
});

it('returns what trainOnBatch returns, and the parts', async () => {
  const [host, own] = [twoOutputs({ metrics: ['mae'] }), twoOutputs({ metrics: ['mae'] })];
  const targets = [y(), tf.ones([6, 1])];
  const [loss, price, sold, priceMae, soldMae] = (await host.trainOnBatch(x(), targets)) as number[];
  const step = await trainStep(own, x(), targets);
  expect(step.total).toBe(loss);
  expect(step.parts).toEqual({ price, sold });
  expect(step.weights).toEqual({ price: 1, sold: 1 });
  expect(step.metrics).toEqual({ price_mae: priceMae, sold_mae: soldMae });
  expect(step.data).toBeNear(price! + sold!);
});

it('takes inputs and targets by name', async () => {
  const model = twoOutputs();
  const [named, listed] = [
    await trainStep(model, { [model.inputNames[0]!]: x() }, { sold: tf.ones([6, 1]), price: y() }),
    await trainStep(twoOutputs(), x(), [y(), tf.ones([6, 1])]),
  ];
  expect(named).toEqual(listed);
});

it("names the one output's loss and no metric where there is none", async () => {
  const step = await trainStep(regressor(), x(), y());
  expect(step.parts).toEqual({ out: step.data });
  expect(step.metrics).toEqual({});
});

it('returns tensors that nobody reads, each once, and the same numbers when they are read', async () => {
  const targets = [y(), tf.ones([6, 1])];
  const builds: Array<[() => tfjs.LayersModel, tfjs.Tensor | tfjs.Tensor[]]> = [
    [() => twoOutputs({ metrics: ['mae'] }), targets],
    [() => regressor({ metrics: ['mae'] }), targets[0]!],
    [() => classifier(), oneHot(6)],
    [withoutPenalty, targets[0]!],
  ];
  const inputs = x();
  for (const [build, outputs] of builds) {
    const [own, other] = [build(), build()];
    const left = await tensorsLeftBy(async () => {
      const parts = await trainStep(own, inputs, outputs, { returnTensors: true });
      const { total, data, regularization } = parts;
      const all = [total, data, regularization, ...Object.values(parts.parts), ...Object.values(parts.metrics!)];
      expect(new Set(all).size).toBe(all.length);
      const numbers = await parts.read();
      const expected = await trainStep(other, inputs, outputs);
      expect(numbers.regularization).toBeNear(expected.regularization);
      expect({ ...numbers, regularization: 0 }).toEqual({ ...expected, regularization: 0 });
      (await trainStep(own, inputs, outputs, { returnTensors: true })).dispose();
    });
    expect(left).toBe(0);
  }
});

describe('weights', () => {
  /** The mean of weight times loss, from the model's own predictions. */
  function weightedMse(model: tfjs.LayersModel, weights: number[]): number {
    const errors = tf.squaredDifference(model.predict(x()) as tfjs.Tensor, y()).dataSync();
    return weights.reduce((sum, weight, sample) => sum + weight * errors[sample]!, 0) / weights.length;
  }

  it('by sample: the data loss is the mean of weight times loss, and the step follows it', async () => {
    const weights = [0, 1, 2, 0.5, 3, 0];
    const model = regressor();
    const expected = weightedMse(model, weights);
    expect((await trainStep(model, x(), y(), { sampleWeight: tf.tensor1d(weights) })).data).toBeNear(expected, 1e-5);
    const [none, kept] = [regressor(), regressor()];
    await trainStep(none, x(), y(), { sampleWeight: tf.tensor1d([1, 1, 1, 0, 0, 0]) });
    const [half, target] = [x().slice([0, 0], [3, 4]), y().slice([0, 0], [3, 1])];
    await trainStep(kept, half, target, { sampleWeight: tf.fill([3], 0.5) });
    none.getWeights().forEach((weight, i) => {
      const other = Array.from(kept.getWeights()[i]!.dataSync());
      weight.dataSync().forEach((value, j) => expect(value).toBeNear(other[j]!));
    });
  });

  it('by class: the same step as fit with classWeight', async () => {
    const classWeight = { 0: 1, 1: 5, 2: 0.5 };
    const [fitted, stepped] = [classifier(), classifier()];
    await fitted.fit(x(), oneHot(6), { classWeight, shuffle: false, verbose: 0 });
    await trainStep(stepped, x(), oneHot(6), { classWeight });
    expect(await state(stepped)).toEqual(await state(fitted));
  });

  it('by both: they multiply', async () => {
    const classWeight = { 0: 2, 1: 2, 2: 2 };
    const sampleWeight = tf.tensor1d([1, 2, 3, 4, 5, 6]);
    const { data: both } = await trainStep(classifier(), x(), oneHot(6), { classWeight, sampleWeight });
    const { data: one } = await trainStep(classifier(), x(), oneHot(6), { sampleWeight });
    expect(both).toBeNear(2 * one, 1e-5);
  });

  it('by output, in order, by name, or for one output only', async () => {
    const targets = [y(), tf.ones([6, 1])];
    const step = (args: Pick<TrainStepArgs, 'sampleWeight'>) => trainStep(twoOutputs(), x(), targets, args);
    const plain = await step({});
    const listed = await step({ sampleWeight: [tf.fill([6], 2), tf.fill([6], 3)] });
    expect(listed.parts['price']).toBeNear(2 * plain.parts['price']!, 1e-5);
    expect(listed.parts['sold']).toBeNear(3 * plain.parts['sold']!, 1e-5);
    expect(await step({ sampleWeight: { sold: tf.fill([6], 3), price: tf.fill([6], 2) } })).toEqual(listed);
    const named = await step({ sampleWeight: { sold: tf.fill([6], 3) } });
    expect(named.parts).toEqual({ price: plain.parts['price'], sold: listed.parts['sold'] });
    const integers = tf.fill([6], 3, 'int32');
    expect(await step({ sampleWeight: [null!, integers] })).toEqual(named);
  });

  it("of a loss function of one's own: one value a sample, or a clear error and no step", async () => {
    const sampleWeight = tf.tensor1d([1, 0, 0, 0, 0, 0]);
    const losses: Array<[(a: tfjs.Tensor, b: tfjs.Tensor) => tfjs.Tensor, number[]]> = [
      [(a, b) => tf.squaredDifference(a, b).mean(-1), [6]],
      [(a, b) => tf.squaredDifference(a, b), [6, 1]],
    ];
    const expected = weightedMse(regressor(), [1, 0, 0, 0, 0, 0]);
    for (const [loss] of losses) {
      expect((await trainStep(regressor({ loss }), x(), y(), { sampleWeight })).data).toBeNear(expected, 1e-5);
    }
    const model = regressor({ loss: (a, b) => tf.losses.meanSquaredError(a, b) });
    const before = await state(model);
    await expect(trainStep(model, x(), y(), { sampleWeight })).rejects.toThrow(
      /`sampleWeight` of output `out` to have the shape of its loss, \[\], .* got \[6\]\. .*'meanSquaredError'/,
    );
    expect(await state(model)).toEqual(before);
  });

  it('that does not fit leaves the statistics of a batch normalization as they were', async () => {
    const model = regressor();
    model.add(tf.layers.batchNormalization());
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    const before = await state(model);
    await expect(trainStep(model, x(), y(), { sampleWeight: tf.ones([6, 3]) })).rejects.toThrow(
      /`sampleWeight` of output/,
    );
    expect(await state(model)).toEqual(before);
  });

  it('does not act on metrics', async () => {
    const step = (args: Pick<TrainStepArgs, 'sampleWeight'>) =>
      trainStep(regressor({ metrics: ['mae'] }), x(), y(), args);
    const sampleWeight = tf.tensor1d([0, 1, 2, 3, 4, 5]);
    const [plain, weighted] = [await step({}), await step({ sampleWeight })];
    expect(Math.abs(weighted.data - plain.data)).toBeGreaterThan(0.01);
    expect(weighted.metrics).toEqual(plain.metrics);
  });

  it('of a sequence: by sample or by time step', async () => {
    const sequences = (): tfjs.LayersModel => {
      const model = tf.sequential({
        layers: [tf.layers.dense({ units: 2, inputShape: [3, 2], kernelRegularizer: tf.regularizers.l2({ l2: 0.1 }) })],
      });
      model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
      return fillWeights(model);
    };
    const [inputs, targets] = [data([4, 3, 2]), data([4, 3, 2], 7)];
    const errors = tf
      .squaredDifference(sequences().predict(inputs) as tfjs.Tensor, targets)
      .mean(-1)
      .arraySync() as number[][];
    const bySample = [0, 1, 2, 3];
    const byTime = [
      [1, 0, 2],
      [0, 0, 1],
      [3, 1, 1],
      [2, 2, 0],
    ];
    const mean = (weight: (sample: number, time: number) => number) =>
      errors
        .flatMap((times, sample) => times.map((error, time) => error * weight(sample, time)))
        .reduce((a, b) => a + b) / 12;
    const one = await trainStep(sequences(), inputs, targets, { sampleWeight: tf.tensor1d(bySample) });
    expect(one.data).toBeNear(
      mean((sample) => bySample[sample]!),
      1e-5,
    );
    const other = await trainStep(sequences(), inputs, targets, { sampleWeight: tf.tensor2d(byTime) });
    expect(other.data).toBeNear(
      mean((sample, time) => byTime[sample]![time]!),
      1e-5,
    );
  });
});

describe('a model class with a step of its own', () => {
  type Total = (mean: tfjs.Scalar, penalties: tfjs.Scalar[]) => tfjs.Scalar;

  /** The loss is as the host adds it up, but for what a test changes. */
  function withStep(total: Total): tfjs.Sequential {
    const model = regressor();
    const { model: trained } = model as unknown as {
      model: tfjs.LayersModel & { makeTrainFunction: () => (tensors: tfjs.Tensor[]) => tfjs.Scalar[] };
    };
    trained.makeTrainFunction =
      () =>
      ([inputs, targets]) => {
        const loss = () => {
          const error = tf.metrics.meanSquaredError(
            targets!,
            trained.apply(inputs!, { training: true }) as tfjs.Tensor,
          );
          return total(tf.mean(error), trained.calculateLosses());
        };
        return [model.optimizer.minimize(loss, true)!];
      };
    return model;
  }

  const sum: Total = (mean, penalties) => penalties.reduce((all, penalty) => tf.add(all, penalty), mean);

  it('is understood where its loss is added up as by the host', async () => {
    const { total, data: loss, regularization } = await trainStep(withStep(sum), x(), y());
    const host = await trainStep(regressor(), x(), y());
    expect([total, loss, regularization]).toEqual([host.total, host.data, host.regularization]);
  });

  it.each<[string, Total]>([
    ['leaves penalties out that it asked for', (mean) => mean],
    ['leaves out one of them', (mean, penalties) => sum(mean, penalties.slice(0, -1))],
    ['adds something else that it made of them', (mean, penalties) => sum(mean, penalties.map(tf.square))],
    ['adds something else in the place of one', (mean, [first, ...others]) => sum(mean, [first!.square(), ...others])],
    [
      'doubles them',
      (mean, penalties) =>
        sum(
          mean,
          penalties.map((penalty) => tf.mul(penalty, 2)),
        ),
    ],
    ['scales its sum', (mean, penalties) => tf.mul(tf.addN([mean, ...penalties]), 0.5)],
    ['takes the root of its sum', (mean, penalties) => tf.sqrt(sum(mean, penalties))],
    ['adds them to something else than the mean', (mean, penalties) => sum(tf.square(mean), penalties)],
  ])('is refused where it %s, and leaves no tensor', async (_, total) => {
    const [model, inputs, targets] = [withStep(total), x(), y()];
    const left = await tensorsLeftBy(() =>
      expect(trainStep(model, inputs, targets)).rejects.toThrow(
        /Expected the training step of `sequential_\d+_model` to hand the sum .* got a step that does not\. The step was made\..* another one, cannot be watched/,
      ),
    );
    expect(left).toBe(0);
  });
});
