/** Losses that user code adds to a layer, and that have a value within a forward pass only. */
import type * as tfjs from '@tensorflow/tfjs';
import {
  decomposedLoss,
  evaluate,
  evaluateDataset,
  evaluateLoss,
  regularizationTerms,
  trainStep,
} from 'tfjs-decomposed-loss';
import { auditRegularizers, enforceRegularizers, fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { tensorsLeftBy } from '../helpers/memory';
import { batches, data, numbersOf, state } from '../helpers/models';

type Apply = (x: tfjs.Tensor, kwargs: object) => tfjs.Tensor;

let warn: jest.SpyInstance;
beforeEach(() => (warn = jest.spyOn(console, 'warn').mockImplementation()));
afterEach(() => warn.mockRestore());

/** What is said of added losses. */
const warnings = (): unknown[] => warn.mock.calls.flat().filter((text) => String(text).includes('addLoss'));

const [x, y] = [() => data([6, 4]), () => data([6, 1])];
const silent = { verbose: 0 as const, shuffle: false };

/** What a layer gave last. */
function activationOf(layer: tfjs.layers.Layer, method: 'call' | 'apply' = 'call'): () => tfjs.Tensor {
  const host = layer as unknown as Record<'call' | 'apply', Apply>;
  const original = host[method].bind(layer);
  let last: tfjs.Tensor | undefined;
  host[method] = (...args) => (last = original(...args));
  return () => last!;
}

interface Args {
  method?: 'call' | 'apply';
  learningRate?: number;
  /** The layer that has the loss. */
  on?: number;
  /** Makes the loss of the activation of layer 0. */
  loss?: (activation: () => tfjs.Tensor) => () => tfjs.Scalar;
}

const squares = (activation: () => tfjs.Tensor) => () => tf.mean<tfjs.Scalar>(tf.square(activation()));

/** Two dense layers with a penalty on the activations of the first, and L2 on the kernel of the second. */
function model({ method = 'call', learningRate = 0, on = 0, loss = squares }: Args = {}): tfjs.LayersModel {
  const kernelRegularizer = tf.regularizers.l2({ l2: 0.5 });
  const layers = [
    tf.layers.dense({
      name: 'hidden',
      units: 3,
      activation: 'tanh',
      kernelInitializer: tf.initializers.glorotNormal({ seed: 1 }),
    }),
    tf.layers.dense({ name: 'out', units: 1, kernelInitializer: 'ones', kernelRegularizer }),
  ];
  layers[on]!.addLoss(loss(activationOf(layers[0]!, method)));
  const inputs = tf.input({ shape: [4] });
  const outputs = layers.reduce((tensor, layer) => layer.apply(tensor) as tfjs.SymbolicTensor, inputs);
  const built = tf.model({ inputs, outputs });
  built.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(learningRate) });
  return built;
}

/** By the host: half the sum of three squares of 1, and the loss of one step at a rate of 0. */
const ofKernel = 1.5;
async function expected(one: tfjs.LayersModel, samples: tfjs.Tensor): Promise<number> {
  const step = await trainStep(one, samples, tf.zeros([samples.shape[0], 1]));
  expect(step.regularization).toBeGreaterThan(ofKernel + 0.01);
  return step.regularization;
}

/** The value is made when the layer is called; the closure only hands it out. */
function handingOut(args: Args = {}): tfjs.LayersModel {
  let value: tfjs.Scalar | undefined;
  const built = model({ ...args, loss: () => () => value! });
  const hidden = built.layers[1] as unknown as Record<'call', Apply>;
  const call = hidden.call.bind(hidden);
  hidden.call = (...all) => {
    const output = call(...all);
    value = tf.mean(tf.square(output));
    return output;
  };
  return built;
}

describe.each<[string, (args?: Args) => tfjs.LayersModel]>([
  ['where `call` is listened to', model],
  ['where `apply` is listened to', (args) => model({ ...args, method: 'apply' })],
  ['on another layer than the one whose activations it is made of', (args) => model({ ...args, on: 1 })],
  ['computed in the pass and only handed out by the closure', handingOut],
])('a penalty on activations, %s', (_, build) => {
  it('is in the regularization loss of an evaluation: that of a step on the same data', async () => {
    const one = build();
    const whole = await expected(one, x());
    expect((await evaluate(one, x(), y())).regularization).toBeNear(whole);
    const [first, second] = [await expected(one, data([4, 4])), await expected(one, data([2, 4], 5))];
    const dataset = batches([data([4, 4]), data([4, 1])], [data([2, 4], 5), data([2, 1], 6)]);
    expect((await evaluateDataset(one, dataset)).regularization).toBeNear((4 * first + 2 * second) / 6);
    expect(warnings()).toEqual([]);
  });

  it.each(['none', 'layer', 'weight'] as const)('is in validation, with the breakdown %s', async (breakdown) => {
    const one = build();
    const whole = await expected(one, x());
    const args = { ...silent, epochs: 2, validationData: [x(), y()] as [tfjs.Tensor, tfjs.Tensor] };
    const history = await one.fit(x(), y(), { ...args, callbacks: decomposedLoss({ breakdown }) });
    [...numbersOf(history, 'regularization_loss'), ...numbersOf(history, 'val_regularization_loss')].forEach((value) =>
      expect(value).toBeNear(whole),
    );
    const all = batches([x(), y()]);
    const streamed = await one.fitDataset(all, {
      verbose: 0,
      epochs: 1,
      validationData: all,
      callbacks: decomposedLoss(),
    });
    expect(numbersOf(streamed, 'val_regularization_loss')[0]).toBeNear(whole);
    expect(warnings()).toEqual([]);
  });

  it('trains as without this library', async () => {
    const [plain, watched] = [build({ learningRate: 0.1 }), build({ learningRate: 0.1 })];
    const args = { ...silent, epochs: 2, batchSize: 2, validationSplit: 0.5 };
    await plain.fit(x(), y(), args);
    await watched.fit(x(), y(), { ...args, callbacks: decomposedLoss({ breakdown: 'weight' }) });
    expect(await state(watched)).toEqual(await state(plain));
  });
});

it('a penalty on weights is asked as often for one batch as for many', async () => {
  let calls = 0;
  const one = model({ loss: () => () => tf.scalar((calls += 1) * 0 + 0.25) });
  for (const samples of [6, 3, 2]) {
    calls = 0;
    const all = Array.from({ length: 6 / samples }, (_, batch) => batch);
    const dataset = batches(...all.map((): [tfjs.Tensor, tfjs.Tensor] => [data([samples, 4]), data([samples, 1])]));
    expect((await evaluateDataset(one, dataset)).regularization).toBe(ofKernel + 0.25);
    expect(calls).toBe(2);
  }
});

describe('a penalty that is made of activations that are gone', () => {
  const gone = (): tfjs.LayersModel =>
    model({
      loss: () => () => {
        throw new TypeError("Cannot read properties of undefined (reading 'square')");
      },
    });

  it('counts 0 outside of training, with one warning that names the layer', async () => {
    const one = gone();
    expect((await evaluate(one, x(), y())).regularization).toBe(ofKernel);
    expect(regularizationTerms(one).map(({ layer, value }) => [layer, value])).toEqual([
      ['hidden', 0],
      ['out', ofKernel],
    ]);
    expect(warnings()).toEqual([
      expect.stringMatching(
        /^A loss that was added to the layer `hidden` with `addLoss` has no value outside of a training step.*\(reading 'square'\)\. Training has it/,
      ),
    ]);
  });

  it('still fails a training step, and a loss of your own', async () => {
    await expect(trainStep(gone(), x(), y())).rejects.toThrow("(reading 'square')");
    expect(() => evaluateLoss(() => tf.scalar(1), { models: gone() })).toThrow("(reading 'square')");
  });

  it('is no concern of an audit, of fused penalties, and of the memory', async () => {
    const one = model();
    expect(auditRegularizers(one).findings.map(({ code }) => code)).toEqual(['kernel-without-regularizer']);
    fuseRegularizers(one);
    const [a, b] = [x(), y()];
    expect(
      await tensorsLeftBy(async () => {
        await evaluate(one, a, b);
        regularizationTerms(one);
        await one.fit(a, b, { ...silent, validationSplit: 0.5, callbacks: decomposedLoss({ breakdown: 'weight' }) });
      }),
    ).toBe(0);
  });
});

it("throws what a regularizer's penalty throws", async () => {
  const one = model();
  const { apply } = Object.getPrototypeOf(tf.regularizers.l2()) as { apply: unknown };
  const failing = jest.spyOn(Object.getPrototypeOf(tf.regularizers.l2()) as { apply: () => void }, 'apply');
  failing.mockImplementation(() => {
    throw new Error('the regularizer failed');
  });
  await expect(evaluate(one, x(), y())).rejects.toThrow('the regularizer failed');
  failing.mockRestore();
  expect((Object.getPrototypeOf(tf.regularizers.l2()) as { apply: unknown }).apply).toBe(apply);
});

it('counts one function that was added to two layers for both', async () => {
  const one = model();
  const shared = () => tf.scalar(0.25);
  one.layers.slice(1).forEach((layer) => layer.addLoss(shared));
  const before = (await trainStep(one, x(), y())).regularization;
  const rows = regularizationTerms(one).filter(({ value }) => value === 0.25);
  expect(rows.map(({ layer, calls }) => [layer, calls])).toEqual([
    ['hidden', 1],
    ['out', 1],
  ]);
  expect(enforceRegularizers(one).changes).toEqual([]);
  expect((await trainStep(one, x(), y())).regularization).toBe(before);
  expect((await evaluate(one, x(), y())).regularization).toBeNear(before);
});

it('counts a function that hands out what another has made', async () => {
  let last: tfjs.Scalar | undefined;
  const one = model({ loss: () => () => (last = tf.scalar(0.25)) });
  one.layers[2]!.addLoss(() => last!);
  const { regularization } = await trainStep(one, x(), y());
  expect(regularization).toBe(ofKernel + 0.5);
  expect((await evaluate(one, x(), y())).regularization).toBe(regularization);
  const callbacks = decomposedLoss();
  const history = await one.fit(x(), y(), { ...silent, epochs: 2, validationData: [x(), y()], callbacks });
  expect(numbersOf(history, 'val_regularization_loss')).toEqual([regularization, regularization]);
  expect(warnings()).toEqual([]);
});
