import fc from 'fast-check';
import type * as tfjs from '@tensorflow/tfjs';
import { activityRegularization, enforceRegularizers, fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { decomposedLoss, trainStep } from 'tfjs-decomposed-loss';
import { gradientBalance, lossAndGradients } from 'tfjs-decomposed-loss/gradients';
import { tf } from '../helpers/backend';
import { tensorsLeftBy, tensorsLeftByFailing } from '../helpers/memory';
import { batches, data, fillWeights, numbersOf, regressor, samePaths, state, twoOutputs } from '../helpers/models';
import { build, recipes } from '../helpers/random-models';
import { hostGradients, values, withoutPenalties } from '../helpers/recorded-gradients';

type Callback = InstanceType<typeof tf.Callback>;

const [x, y] = [() => data([6, 4]), () => data([6, 1])];
const silent = { verbose: 0 as const, shuffle: false };

const norm = (vector: number[]): number => Math.hypot(...vector);
const cosine = (a: number[], b: number[]): number =>
  a.reduce((sum, value, index) => sum + value * b[index]!, 0) / (norm(a) * norm(b));

/** The gradients of the regressor's two layers, each as one vector: the host's without penalties, and the penalties' by hand. */
async function byHand(inputs = x(), targets = y()): Promise<{ data: number[][]; penalty: number[][] }> {
  const host = [...(await hostGradients(withoutPenalties(regressor()), inputs, targets)).values()];
  const [hidden, , kernel, bias] = regressor().getWeights().map(values) as [number[], number[], number[], number[]];
  return {
    data: [host.slice(0, 2).flat(), host.slice(2).flat()],
    penalty: [
      [...hidden.map((w) => 0.2 * w), 0, 0, 0],
      [...kernel.map((w) => 0.02 * Math.sign(w) + 0.6 * w), ...bias.map((w) => 0.4 * Math.sign(w))],
    ],
  };
}

it('writes the norms of both gradients and their cosine, by layer', async () => {
  const { history } = await regressor().fit(x(), y(), { ...silent, callbacks: gradientBalance() });
  const expected = await byHand();
  ['hidden', 'out'].forEach((layer, index) => {
    const [ofData, penalty] = [expected.data[index]!, expected.penalty[index]!];
    expect(history[`gradient/data/${layer}`]![0]).toBeNear(norm(ofData), 1e-5);
    expect(history[`gradient/penalty/${layer}`]![0]).toBeNear(norm(penalty), 1e-5);
    expect(history[`gradient/cosine/${layer}`]![0]).toBeNear(cosine(ofData, penalty), 1e-4);
  });
});

it('is the same beside a breakdown of fused penalties', async () => {
  const fused = () => {
    const model = regressor();
    fuseRegularizers(model);
    return model;
  };
  const alone = await fused().fit(x(), y(), { ...silent, callbacks: [gradientBalance()] });
  const callbacks = [decomposedLoss({ breakdown: 'weight' }), gradientBalance()];
  for (const order of [callbacks, [...callbacks].reverse()]) {
    const { history } = await fused().fit(x(), y(), { ...silent, callbacks: order });
    expect(history).toMatchObject(alone.history);
    expect(history['gradient/penalty/hidden']![0]).toBeGreaterThan(0.01);
  }
});

it('tells layers that have one path apart, under the names of the breakdown', async () => {
  const callbacks = [decomposedLoss({ breakdown: 'layer' }), gradientBalance()];
  const kernels = samePaths()
    .getWeights()
    .filter(({ rank }) => rank === 2)
    .map(values);
  const { history } = await samePaths().fit(x(), data([6, 2]), { ...silent, callbacks });
  ['a/b', 'a/b_1'].forEach((layer, index) => {
    const slope = [0.2, 0.6][index]!;
    expect(history[`gradient/penalty/${layer}`]![0]).toBeNear(norm(kernels[index]!) * slope, 1e-5);
    expect(history).toHaveProperty([`regularization_loss/${layer}`]);
  });
});

it('looks at every n-th batch of each epoch from the first, and takes the mean by batch size', async () => {
  const optimizer = tf.train.sgd(0);
  const callbacks = [gradientBalance({ every: 2 })];
  const { history } = await regressor({ optimizer }).fit(x(), y(), { ...silent, epochs: 2, batchSize: 2, callbacks });
  const rows = (tensor: tfjs.Tensor, first: number) => tensor.slice([first, 0], [2, -1]);
  const [first, third] = [await byHand(rows(x(), 0), rows(y(), 0)), await byHand(rows(x(), 4), rows(y(), 4))];
  const mean = (norm(first.data[0]!) + norm(third.data[0]!)) / 2;
  numbersOf({ history } as unknown as tfjs.History, 'gradient/data/hidden').forEach((one) =>
    expect(one).toBeNear(mean, 1e-5),
  );
  const uneven = await regressor({ optimizer }).fit(x(), y(), {
    ...silent,
    batchSize: 4,
    callbacks: [gradientBalance({ every: 1 })],
  });
  const [large, small] = [
    await byHand(x().slice([0, 0], [4, -1]), y().slice([0, 0], [4, -1])),
    await byHand(rows(x(), 4), rows(y(), 4)),
  ];
  expect(uneven.history['gradient/data/out']![0]).toBeNear(
    (4 * norm(large.data[1]!) + 2 * norm(small.data[1]!)) / 6,
    1e-5,
  );
});

it('writes 0 where a layer has no penalty, or no data gradient', async () => {
  const { history } = await twoOutputs().fit(x(), [y(), tf.ones([6, 1])], { ...silent, callbacks: gradientBalance() });
  expect(history['gradient/penalty/sold']).toEqual([0]);
  expect(history['gradient/cosine/sold']).toEqual([0]);
  expect(history['gradient/data/sold']![0]).toBeGreaterThan(0);
});

it('names layers as the breakdown of decomposedLoss does, and leaves out those without weights that move', async () => {
  const kernelRegularizer = tf.regularizers.l2({ l2: 0.1 });
  const inner = tf.sequential({
    name: 'inner',
    layers: [tf.layers.dense({ name: 'deep', units: 2, inputShape: [2], kernelRegularizer })],
  });
  const layer = tf.layers.dense({ name: 'step', units: 2, kernelRegularizer });
  const inputs = tf.input({ shape: [3, 2] });
  const cell = tf.layers.lstm({ units: 2, recurrentRegularizer: kernelRegularizer, kernelRegularizer });
  const path = [
    tf.layers.timeDistributed({ name: 'times', layer }),
    tf.layers.dense({ units: 2, trainable: false, name: 'frozen', kernelRegularizer }),
    tf.layers.bidirectional({ name: 'both', layer: cell, mergeMode: 'ave' }),
    inner,
    tf.layers.dense({ units: 1, name: 'out', kernelRegularizer }),
  ];
  const outputs = path.reduce<tfjs.SymbolicTensor>((h, one) => one.apply(h) as tfjs.SymbolicTensor, inputs);
  const model = tf.model({ inputs, outputs });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  enforceRegularizers(model, { frozen: true });
  const callbacks = [gradientBalance(), decomposedLoss({ breakdown: 'layer' })];
  const { history } = await model.fit(data([4, 3, 2]), data([4, 1]), { ...silent, callbacks });
  const named = (prefix: string) =>
    Object.keys(history).flatMap((key) => (key.startsWith(prefix) ? [key.slice(prefix.length)] : []));
  expect(named('gradient/data/')).toHaveLength(5);
  expect(named('gradient/data/').sort()).toEqual(named('regularization_loss/').sort());
  named('gradient/penalty/').forEach((name) => expect(history[`gradient/penalty/${name}`]![0]).toBeGreaterThan(0));
});

it('sees a penalty on activations', async () => {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ name: 'h', units: 5, inputShape: [4] }),
      activityRegularization({ l2: 0.2 }),
      tf.layers.dense({ units: 1 }),
    ],
  });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  fillWeights(model);
  const { penalty, dispose } = await lossAndGradients(model, x(), y());
  const expected = norm(model.layers[0]!.weights.flatMap(({ name }) => values(penalty[name]!)));
  dispose();
  const { history } = await model.fit(x(), y(), { ...silent, callbacks: gradientBalance() });
  expect(expected).toBeGreaterThan(0);
  expect(history['gradient/penalty/h']![0]).toBeNear(expected, 1e-5);
});

it('works with fitDataset, and for several trainings one behind the other', async () => {
  const callbacks = gradientBalance({ every: 3 });
  const model = regressor();
  for (let run = 0; run < 2; run += 1) {
    const { history } = await model.fitDataset(batches([x(), y()], [x(), y()]), { epochs: 2, verbose: 0, callbacks });
    expect(history['gradient/cosine/out']).toHaveLength(2);
  }
});

describe('changes nothing in the training', () => {
  const others: Array<[name: string, callbacks: () => Callback[]]> = [
    ['alone', () => [gradientBalance({ every: 1 })]],
    ['before decomposedLoss', () => [gradientBalance({ every: 2 }), decomposedLoss({ breakdown: 'weight' })]],
    ['behind decomposedLoss', () => [decomposedLoss({ breakdown: 'weight' }), gradientBalance({ every: 2 })]],
    [
      'twice',
      () => [gradientBalance({ every: 2 }), decomposedLoss({ breakdown: 'weight' }), gradientBalance({ every: 3 })],
    ],
  ];

  const train = async (recipe: Parameters<typeof build>[0], callbacks: Callback[]) => {
    const { model, x: inputs, y: targets } = build(recipe);
    const args = { ...silent, epochs: 2, batchSize: recipe.batchSize, validationSplit: 0.5, callbacks };
    const { history } = await model.fit(inputs, targets, args);
    return { history, state: await state(model), model };
  };

  it.each(others)('%s', async (_, callbacks) => {
    await fc.assert(
      fc.asyncProperty(recipes, async (recipe) => {
        const given = callbacks();
        const others = given.length > 1 ? [decomposedLoss({ breakdown: 'weight' })] : [];
        const [own, plain] = [await train(recipe, given), await train(recipe, others)];
        expect(own.state).toEqual(plain.state);
        const kept = Object.entries(own.history).filter(([key]) => !key.startsWith('gradient/'));
        expect(kept.map(([, one]) => one)).toEqual(Object.values(plain.history));
        expect(Object.keys(own.history).length).toBeGreaterThan(kept.length);
        expect(Object.getOwnPropertyNames(own.model.optimizer)).not.toContain('minimize');
      }),
      { numRuns: 6 },
    );
  });

  it('with dropout, batch normalization and an LSTM', async () => {
    const model = () => {
      const one = tf.sequential({
        layers: [
          tf.layers.lstm({ units: 3, inputShape: [3, 2], kernelRegularizer: 'l1l2' }),
          tf.layers.batchNormalization(),
          tf.layers.dropout({ rate: 0.5, seed: 3 }),
          tf.layers.dense({ units: 1, kernelRegularizer: 'l1l2' }),
        ],
      });
      one.compile({ loss: 'meanSquaredError', optimizer: 'adam' });
      enforceRegularizers(one);
      return fillWeights(one);
    };
    const [plain, watched] = [model(), model()];
    const args = { ...silent, epochs: 3, batchSize: 2 };
    await plain.fit(data([6, 3, 2]), y(), args);
    await watched.fit(data([6, 3, 2]), y(), { ...args, callbacks: [gradientBalance({ every: 2 })] });
    expect(await state(watched)).toEqual(await state(plain));
  });
});

it.each(['before', 'behind'])('gives its values to callbacks that stand %s it', async (place) => {
  const seen: string[][] = [];
  const other = new tf.CustomCallback({ onEpochEnd: (_, logs) => void seen.push(Object.keys(logs!)) });
  const callbacks = place === 'before' ? [other, gradientBalance()] : [gradientBalance(), other];
  await regressor().fit(x(), y(), { ...silent, callbacks });
  expect(seen[0]).toEqual(
    expect.arrayContaining(['gradient/data/hidden', 'gradient/penalty/out', 'gradient/cosine/out']),
  );
});

it("takes the batch's own step, among others that step the same model or share its optimizer", async () => {
  const optimizer = tf.train.sgd(0);
  const [model, other] = [regressor({ optimizer }), regressor({ optimizer })];
  const strange = data([6, 4], 99);
  const step = async () => {
    await trainStep(model, strange, y());
    await other.trainOnBatch(strange, y());
  };
  const stepping = new tf.CustomCallback({ onBatchBegin: step, onBatchEnd: step });
  const { history } = await model.fit(x(), y(), { ...silent, callbacks: [stepping, gradientBalance()] });
  expect(history['gradient/data/out']![0]).toBeNear(norm((await byHand()).data[1]!), 1e-5);
});

it("takes the batch's own step also where another comes between it and the callbacks", async () => {
  const model = regressor({ optimizer: tf.train.sgd(0) });
  const { onBatchEnd } = tf.CallbackList.prototype;
  tf.CallbackList.prototype.onBatchEnd = async function (...args) {
    await model.trainOnBatch(data([6, 4], 99), y());
    return onBatchEnd.apply(this, args);
  };
  try {
    const { history } = await model.fit(x(), y(), { ...silent, callbacks: gradientBalance() });
    expect(history['gradient/data/out']![0]).toBeNear(norm((await byHand()).data[1]!), 1e-5);
  } finally {
    tf.CallbackList.prototype.onBatchEnd = onBatchEnd;
  }
});

it("does not lengthen the gradient tape of the host's step but by the sum of the penalties", async () => {
  const tapeLength = async (callbacks: Callback[]): Promise<number> => {
    const model = regressor();
    const { optimizer } = model;
    const lengths: number[] = [];
    const computeGradients = optimizer.computeGradients.bind(optimizer);
    optimizer.computeGradients = (loss, variables) =>
      computeGradients(() => {
        const total = loss();
        lengths.push(tf.engine().state.activeTape.length);
        return total;
      }, variables);
    await model.fit(x(), y(), { ...silent, callbacks });
    return lengths[0]!;
  };
  const nodesOfOneSum = 1 + 3;
  expect(await tapeLength([gradientBalance()])).toBeLessThanOrEqual((await tapeLength([])) + nodesOfOneSum);
});

it('leaves no tensor behind, whatever the number of batches', async () => {
  const [model, inputs, targets] = [regressor({ optimizer: 'adam' }), x(), y()];
  const fit = (epochs: number) => async () => {
    const callbacks = [gradientBalance({ every: 1 }), decomposedLoss()];
    await model.fit(inputs, targets, { ...silent, epochs, batchSize: 2, callbacks });
  };
  await fit(1)();
  expect([await tensorsLeftBy(fit(1)), await tensorsLeftBy(fit(3))]).toEqual([0, 0]);
});

describe('a run that throws', () => {
  const inner = (model: tfjs.Sequential) => (model as unknown as { model: tfjs.LayersModel }).model;
  const traces = (model: tfjs.LayersModel) =>
    [model, model.optimizer].flatMap((one) =>
      Object.entries(Object.getOwnPropertyDescriptors(one)).map(([name, { get, value }]) => [name, get, typeof value]),
    );
  class Idle extends tf.Callback {}
  const failing = (hook: string) => {
    class Failing extends tf.Callback {}
    let calls = 0;
    (Failing.prototype as unknown as Record<string, () => Promise<void>>)[hook] = async () => {
      if (++calls === 2) throw new Error('the callback failed');
    };
    return new Failing();
  };
  const accidents: Array<[name: string, accident: (model: tfjs.LayersModel, own: Callback) => Promise<unknown>]> = [
    ...['onBatchBegin', 'onBatchEnd', 'onEpochBegin', 'onEpochEnd'].map((hook): (typeof accidents)[number] => [
      `in ${hook} of another callback`,
      (model, own) => model.fit(x(), y(), { ...silent, epochs: 3, batchSize: 2, callbacks: [own, failing(hook)] }),
    ]),
    [
      'in a loss, penalty or gradient',
      async (model, own) => {
        let calls = 0;
        const [first] = model.lossFunctions as Array<(yTrue: tfjs.Tensor, yPred: tfjs.Tensor) => tfjs.Tensor>;
        const before = model.lossFunctions;
        model.lossFunctions = [
          (yTrue: tfjs.Tensor, yPred: tfjs.Tensor) => {
            if (++calls === 2) throw new Error('the loss failed');
            return first!(yTrue, yPred);
          },
        ];
        return model
          .fit(x(), y(), { ...silent, batchSize: 2, callbacks: [own] })
          .finally(() => (model.lossFunctions = before));
      },
    ],
    ['before it begins', (model, own) => model.fit(x(), y(), { ...silent, callbacks: [own, {}] })],
  ];

  it.each(accidents)('leaves nothing on the model, and no tensors more than without it: %s', async (_, accident) => {
    const [own, plain] = [regressor({ optimizer: tf.train.sgd(0.1) }), regressor({ optimizer: tf.train.sgd(0.1) })];
    const onTrainBegin = tf.CallbackList.prototype.onTrainBegin;
    const callback = gradientBalance({ every: 1 });
    const left = await tensorsLeftByFailing(() => accident(inner(own), callback));
    expect(left).toBe(await tensorsLeftByFailing(() => accident(inner(plain), new Idle())));
    expect(traces(inner(own))).toEqual(traces(inner(plain)));
    expect(tf.CallbackList.prototype.onTrainBegin).toBe(onTrainBegin);
    const { history } = await own.fit(x(), y(), { ...silent, callbacks: [callback] });
    expect(history['gradient/data/out']).toHaveLength(1);
  });

  it('because the step is not that of tf.LayersModel says so', async () => {
    const model = regressor();
    const host = inner(model) as unknown as { makeTrainFunction: () => () => tfjs.Scalar[] };
    host.makeTrainFunction = () => () => [tf.scalar(1)];
    await expect(model.fit(x(), y(), { ...silent, callbacks: gradientBalance() })).rejects.toThrow(
      /hand the sum of data loss and penalties to `optimizer\.minimize`/,
    );
  });
});

it.each([0, -1, 1.5, NaN, '2', null])('refuses `every: %p`', (every) => {
  expect(() => gradientBalance({ every: every as number })).toThrow(
    /`every` of `gradientBalance` to be a positive integer, got/,
  );
});

it('refuses what it does not know, a second training at once, and to stand in a list twice', async () => {
  expect(() => gradientBalance({ each: 2 } as object)).toThrow(/`every`.*got `each`/);
  const callback = gradientBalance();
  const args = { ...silent, callbacks: [callback] };
  const model = regressor();
  const running = model.fit(x(), y(), args);
  await expect(regressor().fit(x(), y(), args)).rejects.toThrow(/in the training of `sequential_\d+_model` already/);
  await running;
  await expect(regressor().fit(x(), y(), { ...silent, callbacks: [callback, callback] })).rejects.toThrow(
    /in `callbacks` once, got the same one twice/,
  );
  const mixed = [{}, callback] as Callback[];
  await expect(regressor().fit(x(), y(), { ...silent, callbacks: mixed })).rejects.toThrow(
    /`gradientBalance\(\)` itself in `callbacks`, got a copy/,
  );
});

it('names the layers anew where one is frozen between epochs', async () => {
  const input = tf.input({ shape: [4] });
  const dense = (name: string) =>
    tf.layers.dense({ name, units: 2, kernelRegularizer: tf.regularizers.l2({ l2: 0.1 }) });
  const [a, b] = [dense('a'), dense('b')];
  const model = tf.model({ inputs: input, outputs: b.apply(a.apply(input)) as tfjs.SymbolicTensor });
  const compile = () => model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
  compile();
  const seen: string[][] = [];
  const freeze = new tf.CustomCallback({
    onEpochEnd: (epoch, logs) => {
      seen.push(Object.keys(logs!).filter((key) => key.startsWith('gradient/data/')));
      if (epoch > 0) return;
      a.trainable = false;
      compile();
    },
  });
  const callbacks = [gradientBalance({ every: 1 }), freeze];
  await model.fit(data([4, 4]), data([4, 2]), { epochs: 2, verbose: 0, callbacks });
  expect(seen).toEqual([['gradient/data/a', 'gradient/data/b'], ['gradient/data/b']]);
});

it('leaves out a layer that is frozen after compile, which training does not move', async () => {
  const model = regressor();
  model.layers[0]!.trainable = false;
  const { history } = await model.fit(x(), y(), { ...silent, callbacks: gradientBalance() });
  const keys = Object.keys(history).filter((key) => key.startsWith('gradient/'));
  expect(keys).toEqual(['gradient/data/out', 'gradient/penalty/out', 'gradient/cosine/out']);
});

it.each([1e-24, 1e-18, 1, 1e18, 1e25])(
  'measures gradients whose squares float32 cannot hold: times %d',
  async (scale) => {
    const times = (yTrue: tfjs.Tensor, yPred: tfjs.Tensor) => tf.mul(tf.metrics.meanAbsoluteError(yTrue, yPred), scale);
    const run = async (loss: unknown) => {
      const model = regressor({ loss: loss as never, optimizer: tf.train.sgd(0) });
      return (await model.fit(x(), y(), { ...silent, callbacks: gradientBalance() })).history;
    };
    const [history, plain] = [await run(times), await run('meanAbsoluteError')];
    ['hidden', 'out'].forEach((layer) => {
      const key = `gradient/data/${layer}`;
      expect((history[key]![0] as number) / scale / (plain[key]![0] as number)).toBeNear(1, 1e-5);
      expect(history[`gradient/cosine/${layer}`]![0]).toBeNear(plain[`gradient/cosine/${layer}`]![0] as number, 1e-5);
    });
  },
);

it('names the layers of a Sequential within a Sequential as the breakdown of the loss does', async () => {
  const dense = (name: string) => tf.layers.dense({ name, units: 2, inputShape: [4], kernelRegularizer: 'l1l2' });
  const model = tf.sequential({ layers: [tf.sequential({ name: 'inner', layers: [dense('a')] }), dense('b')] });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  const callbacks = [decomposedLoss({ breakdown: 'layer' }), gradientBalance()];
  const { history } = await model.fit(data([6, 4]), data([6, 2]), { verbose: 0, callbacks });
  const namesUnder = (prefix: string) =>
    Object.keys(history).flatMap((key) => (key.startsWith(prefix) ? [key.slice(prefix.length)] : []));
  expect(namesUnder('gradient/penalty/')).toEqual(namesUnder('regularization_loss/'));
});
