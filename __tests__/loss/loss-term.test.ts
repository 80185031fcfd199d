import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, evaluate, lossTerm, minimize, trainStep } from 'tfjs-decomposed-loss';
import {
  addWeightDecay,
  enforceRegularizers,
  fuseRegularizers,
  regularizationSchedule,
} from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';

const [x, y] = [() => tf.ones([4, 2]), () => tf.zeros([4, 2])];

interface Args {
  weight?: number | (() => number);
  kernelRegularizer?: ReturnType<typeof tf.regularizers.l2>;
}

/** Two branches with the same dense layer, whose kernel is all ones, and the same term after it: the mean of squares. */
function branches({ weight = 1, kernelRegularizer }: Args = {}): tfjs.LayersModel {
  const inputs = [tf.input({ shape: [2] }), tf.input({ shape: [2] })];
  const dense = tf.layers.dense({
    name: 'dense',
    units: 2,
    kernelInitializer: 'ones',
    useBias: false,
    ...(kernelRegularizer && { kernelRegularizer }),
  });
  const kl = lossTerm({ name: 'kl', weight, loss: ([one]) => tf.mean<tfjs.Scalar>(tf.square(one!)) });
  const outputs = inputs.map((input) => kl.apply(dense.apply(input)) as tfjs.SymbolicTensor);
  const model = tf.model({ inputs, outputs: tf.layers.add().apply(outputs) as tfjs.SymbolicTensor });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.01) });
  return model;
}

const weightsOf = (model: tfjs.LayersModel): number[][] => model.getWeights().map((one) => Array.from(one.dataSync()));

/** The output is 4, and each branch 2, so by hand the data loss is 16 + 2 * 4. */
const BY_HAND = { total: 24, data: 24, regularization: 0, parts: { add: 16, kl: 8 } };

const withOutput = (model: tfjs.LayersModel, { parts, ...rest }: typeof BY_HAND): object => ({
  ...rest,
  parts: { [model.outputNames[0]!]: parts.add, kl: parts.kl },
});

describe('a term in two branches', () => {
  it.each<[string, (model: tfjs.LayersModel) => unknown]>([
    ['nothing', () => undefined],
    ['enforceRegularizers', enforceRegularizers],
    ['enforceRegularizers without frozen weights', (model) => enforceRegularizers(model, { frozen: true })],
    ['fuseRegularizers', fuseRegularizers],
    ['both', (model) => [fuseRegularizers(model), enforceRegularizers(model)]],
  ])('is what it is, and trains as it does: %s', async (_, change) => {
    const [model, plain] = [branches(), branches()];
    change(model);
    expect(await trainStep(model, [x(), x()], y())).toMatchObject(withOutput(model, BY_HAND));
    await plain.trainOnBatch([x(), x()], y());
    expect(weightsOf(model)).toEqual(weightsOf(plain));
    expect(await evaluate(branches(), [x(), x()], y())).toMatchObject({ total: 24 });
  });

  it('is the same beside penalties that change: enforced, fused, decayed and scheduled', async () => {
    const kernelRegularizer = tf.regularizers.l2({ l2: 0.25 });
    const model = branches({ weight: 0.5, kernelRegularizer });
    const before = await evaluate(model, [x(), x()], y());
    // The host counts the kernel's penalty, 0.25 * 4, once a branch.
    expect(before).toMatchObject({ data: 20, regularization: 2 });
    enforceRegularizers(model);
    addWeightDecay(model, { l2: 0.5, include: () => true });
    fuseRegularizers(model);
    const { history } = await model.fit([x(), x()], y(), {
      verbose: 0,
      validationData: [[x(), x()], y()],
      callbacks: [decomposedLoss(), regularizationSchedule(() => 0)],
    });
    expect(history['data_loss']).toEqual([20]);
    expect(history['data_loss/kl']).toEqual([8]);
    expect(history['regularization_loss']).toEqual([0]);
    const alone = branches({ weight: 0.5 });
    await alone.trainOnBatch([x(), x()], y());
    expect(weightsOf(model)).toEqual(weightsOf(alone));
    const after = await evaluate(alone, [x(), x()], y());
    expect(history['val_data_loss']).toEqual([after.data]);
    expect(history['val_data_loss/kl']).toEqual([after.parts['kl']]);
  });
});

describe('a weight that is a function', () => {
  const counting = (): { calls: () => number; model: tfjs.LayersModel } => {
    let calls = 0;
    return { calls: () => calls, model: branches({ weight: () => 0.1 * ++calls }) };
  };

  it.each(['none', 'layer', 'weight'] as const)(
    'is read once a step, also with validation: breakdown %s',
    async (breakdown) => {
      const [plain, watched] = [counting(), counting()];
      const args = {
        epochs: 3,
        verbose: 0 as const,
        validationData: [[x(), x()], y()] as [tfjs.Tensor[], tfjs.Tensor],
      };
      await plain.model.fit([x(), x()], y(), args);
      const { history } = await watched.model.fit([x(), x()], y(), {
        ...args,
        callbacks: decomposedLoss({ breakdown }),
      });
      expect([plain.calls(), watched.calls()]).toEqual([3, 3]);
      expect(weightsOf(watched.model)).toEqual(weightsOf(plain.model));
      const [output, kl] = ['data_loss', 'val_data_loss'].map((key) => {
        const names = [watched.model.outputNames[0]!, 'kl'];
        return names.map((name) => history[`${key}/${name}`] as number[]);
      }) as [number[][], number[][]];
      for (const [epoch, weight] of [0.1, 0.2, 0.3].entries()) {
        expect(history['data_loss']![epoch]).toBeNear(output[0]![epoch]! + weight * output[1]![epoch]!);
        expect(history['val_data_loss']![epoch]).toBeNear(kl[0]![epoch]! + weight * kl[1]![epoch]!);
      }
    },
  );

  it('is that of now in an evaluation before any step, and that of the last step after one', async () => {
    let weight = 0.5;
    const model = branches({ weight: () => weight });
    const weightOf = async (): Promise<unknown> => (await evaluate(model, [x(), x()], y())).weights['kl'];
    expect(await weightOf()).toBe(0.5);
    weight = 0.25;
    expect(await weightOf()).toBe(0.25);
    await model.trainOnBatch([x(), x()], y());
    weight = 1;
    expect(await weightOf()).toBe(0.25);
  });

  it('is read once in a custom loss', async () => {
    const { calls, model } = counting();
    const loss = (): tfjs.Scalar => tf.mean<tfjs.Scalar>(model.apply([x(), x()]) as tfjs.Tensor);
    expect((await minimize(tf.train.sgd(0), loss, { models: model })).weights['kl']).toBeNear(0.1);
    expect(calls()).toBe(1);
  });
});
