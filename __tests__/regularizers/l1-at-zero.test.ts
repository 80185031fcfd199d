import type * as tfjs from '@tensorflow/tfjs';
import { trainStep } from 'tfjs-decomposed-loss';
import {
  addWeightDecay,
  auditRegularizers,
  enforceRegularizers,
  fuseRegularizers,
  registerKerasClasses,
} from 'tfjs-decomposed-loss/regularizers';
import { distanceFromKeras, loadRun, runsOf, type RegularizerRun } from '../fixtures/regularizers';
import { tf } from '../helpers/backend';
import { hostGradients } from '../helpers/recorded-gradients';
import { data } from '../helpers/models';

beforeEach(() => registerKerasClasses());

const runs = runsOf('l1 at zero');

/** Trains as Keras did, and compares each step. */
async function expectAsInKeras(model: tfjs.LayersModel, [x, y]: [tfjs.Tensor, tfjs.Tensor], run: RegularizerRun) {
  for (const keras of run.steps) {
    const { total, regularization } = await trainStep(model, x, y);
    expect(Math.abs(total / keras.total - 1)).toBeLessThan(1e-5);
    expect(Math.abs(regularization / keras.regularization - 1)).toBeLessThan(1e-5);
  }
  expect(distanceFromKeras(model, run)).toBeLessThan(3e-4);
}

const ways: Array<[string, (model: tfjs.LayersModel) => void]> = [
  ['enforced', (model) => void enforceRegularizers(model)],
  ['enforced, then fused', (model) => [enforceRegularizers(model), fuseRegularizers(model)]],
  ['fused, then enforced', (model) => [fuseRegularizers(model), enforceRegularizers(model)]],
];

describe.each(ways)('%s, weights that begin at 0 train as in Keras', (_, prepare) => {
  it.each(runs)('%s', async (__, run) => {
    const { model, batch } = await loadRun(tf, run);
    prepare(model);
    await expectAsInKeras(model, batch, run);
  });
});

describe.each([
  ['plain', () => {}],
  ['fused', (model: tfjs.LayersModel) => void fuseRegularizers(model)],
])('the host itself, %s', (_, prepare) => {
  it.each(runs.filter(([name]) => !name.startsWith('lstm')))('trains otherwise: %s', async (__, run) => {
    const { model, batch } = await loadRun(tf, run);
    prepare(model);
    await model.fit(...batch, { batchSize: 8, epochs: run.steps.length, shuffle: false, verbose: 0 });
    expect(distanceFromKeras(model, run)).toBeGreaterThan(1e-2);
  });
});

/** The saved model without its regularizers. */
function withoutRegularizers(topology: object): object {
  return JSON.parse(
    JSON.stringify(topology, (key, value: unknown) => (key.endsWith('_regularizer') ? null : value)),
  ) as object;
}

describe('addWeightDecay', () => {
  const [, run] = runs.find(([name]) => name === 'all of one kind')!;
  const decay = (model: tfjs.LayersModel) =>
    addWeightDecay(model, { l1: 0.05, include: ['kernel', 'bias'], alsoRegularized: true });

  it.each([
    ['plain', () => {}],
    ['fused', (model: tfjs.LayersModel) => void fuseRegularizers(model)],
  ])('trains as Keras does with declared regularizers, %s', async (_, prepare) => {
    const { model, batch } = await loadRun(tf, run, { topology: withoutRegularizers(run.model) });
    decay(model);
    prepare(model);
    await expectAsInKeras(model, batch, run);
  });

  it("leaves the host's derivative to a regularizer that is declared on the same weight", async () => {
    const { model, batch } = await loadRun(tf, run);
    const before = await hostGradients(model, ...batch);
    decay(model);
    fuseRegularizers(model);
    const after = await hostGradients(model, ...batch);
    const bias = model.getLayer('hidden').weights[1]!;
    expect(
      bias
        .read()
        .dataSync()
        .every((value) => value === 0),
    ).toBe(true);
    expect(after.get(bias.name)).toEqual(before.get(bias.name));
  });
});

it('a custom regularizer that uses tf.abs gets it too, once it is enforced', async () => {
  class Lasso extends (Object.getPrototypeOf(
    tf.regularizers.l1().constructor,
  ) as typeof tf.serialization.Serializable) {
    static className = 'Lasso';
    getConfig() {
      return {};
    }
    apply(weight: tfjs.Tensor): tfjs.Scalar {
      return tf.sum(tf.abs(weight)).mul(0.5);
    }
  }
  const kernelRegularizer = new Lasso() as never;
  const args = { units: 2, inputShape: [3], useBias: false, kernelInitializer: 'zeros', kernelRegularizer } as const;
  const model = tf.sequential({ layers: [tf.layers.dense({ ...args, inputShape: [3] })] });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
  const batch: [tfjs.Tensor, tfjs.Tensor] = [tf.zeros([2, 3]), tf.zeros([2, 2])];
  const gradients = async () => [...(await hostGradients(model, ...batch)).values()][0]!.map(Math.abs);
  expect(await gradients()).toEqual(Array(6).fill(0.5));
  const { restore } = enforceRegularizers(model);
  expect(await gradients()).toEqual(Array(6).fill(0));
  restore();
  expect(await gradients()).toEqual(Array(6).fill(0.5));
});

it('changes no value, and no gradient away from 0', async () => {
  const build = () => {
    const kernelRegularizer = tf.regularizers.l1l2({ l1: 0.3, l2: 0.2 });
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [4], kernelRegularizer })] });
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
    model.setWeights([data([4, 3]), data([3], 2)]);
    return model;
  };
  const [host, enforced] = [build(), build()];
  enforceRegularizers(enforced);
  const batch: [tfjs.Tensor, tfjs.Tensor] = [data([5, 4], 3), data([5, 3], 4)];
  expect([...(await hostGradients(enforced, ...batch)).values()]).toEqual([
    ...(await hostGradients(host, ...batch)).values(),
  ]);
  expect(await enforced.trainOnBatch(...batch)).toBe(await host.trainOnBatch(...batch));
});

it('the gradient of an enforced penalty can be differentiated', () => {
  const kernelRegularizer = tf.regularizers.l1l2({ l1: 0.3, l2: 0.2 });
  const layer = tf.layers.dense({ units: 1, inputShape: [3], useBias: false, kernelRegularizer });
  const model = tf.sequential({ layers: [layer] });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  model.setWeights([tf.tensor2d([[0.5], [0], [-2]])]);
  enforceRegularizers(model);
  const trained = (model as unknown as { model: tfjs.LayersModel }).model;
  const kernel = layer.weights[0]!.read();
  const penalty = () => (trained as unknown as { calculateLosses(): tfjs.Scalar[] }).calculateLosses()[0]!;
  const slope = (v: tfjs.Tensor): tfjs.Scalar => tf.sum(tf.mul(v, tf.grad(() => penalty())(kernel)));
  const [first, zero, last] = tf
    .grad(slope)(tf.ones([3, 1]))
    .dataSync();
  // l1 * sign(w) + 2 * l2 * w, which does not depend on v.
  expect(first).toBeNear(0.3 + 0.2);
  expect(zero).toBe(0);
  expect(last).toBeNear(-0.3 - 0.8);
});

it('leaves the derivative of the data loss alone, which may have an abs too', async () => {
  const build = (kernelRegularizer?: ReturnType<typeof tf.regularizers.l1>) => {
    const args = { units: 1, inputShape: [2], kernelInitializer: 'zeros' as const };
    const model = tf.sequential({
      layers: [tf.layers.dense({ ...args, ...(kernelRegularizer && { kernelRegularizer }) })],
    });
    model.compile({ loss: 'meanAbsoluteError', optimizer: tf.train.sgd(0.5) });
    return model;
  };
  const [enforced, plain] = [build(tf.regularizers.l1()), build()];
  enforceRegularizers(enforced);
  // The prediction is the target: the host takes -1 for the derivative there, Keras 0.
  for (const model of [enforced, plain]) await model.trainOnBatch(tf.ones([1, 2]), tf.zeros([1, 1]));
  const weights = [enforced, plain].map((model) => model.getWeights().map((one) => Array.from(one.dataSync())));
  expect(weights[0]).toEqual(weights[1]);
  expect(weights[0]![1]).not.toEqual([0]);
});

describe('the audit', () => {
  it('says where it matters, and its remedy works', async () => {
    const [, run] = runs.find(([name]) => name === 'all of one kind')!;
    const { model } = await loadRun(tf, run);
    const found = () => auditRegularizers(model).findings.filter(({ code }) => code === 'l1-at-zero');
    expect(found().map(({ layer, weight }) => `${layer}/${weight}`)).toEqual([
      'hidden/kernel',
      'hidden/bias',
      'out/bias',
    ]);
    expect(found()[1]).toMatchObject({ severity: 'warning', applied: 'once, and pushes 5 of 5 values up from 0' });
    expect(found()[0]!.remedy).toContain('`enforceRegularizers(model)`');
    enforceRegularizers(model);
    expect(found()).toEqual([]);
  });

  it.each<[string, (layer: tfjs.layers.Layer) => void]>([
    ['has no zeros', (layer) => layer.setWeights([tf.ones([3, 2]), tf.ones([2])])],
    ['is frozen', (layer) => void (layer.trainable = false)],
  ])('not where the weight %s', (_, change) => {
    const layer = tf.layers.dense({ units: 2, inputShape: [3], biasRegularizer: 'l1l2' });
    const model = tf.sequential({ layers: [layer, tf.layers.dense({ units: 1 })] });
    model.build();
    change(layer);
    expect(auditRegularizers(model).findings.map(({ code }) => code)).not.toContain('l1-at-zero');
  });
});
