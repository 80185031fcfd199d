import { runInNewContext } from 'node:vm';
import type * as tfjs from '@tensorflow/tfjs';
import { activityRegularization, addWeightDecay, auditRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { data, fillWeights, regressor, samePaths } from '../helpers/models';

const l2 = () => tf.regularizers.l2({ l2: 0.1 });
const codes = (model: tfjs.LayersModel) => auditRegularizers(model).findings.map(({ code }) => code);
const batch = (): [tfjs.Tensor, tfjs.Tensor] => [data([6, 4]), data([6, 1], 2)];

/** What is typed into a program: the code in the first backticks that begin with `begin`, with `model` and `tf` in scope. */
function typed(remedy: string, begin: string, scope: Record<string, unknown>): unknown {
  const code = remedy.split('`').find((part, index) => index % 2 === 1 && part.startsWith(begin))!;
  return runInNewContext(`(${code})`, scope);
}

describe('learning-rate-not-a-number', () => {
  it.each<[string, unknown]>([
    ['adam', { learningRate: 0.01 }],
    ['sgd', { lr: 0.01 }],
    ['rmsprop', { learningRate: 0.01, decay: 0.9 }],
    ['adamax', NaN],
    ['adagrad', {}],
    ['momentum', undefined],
    ['adadelta', 'fast'],
  ] as const)('of tf.train.%s(%j): training breaks, and with the remedy it does not', async (name, rate) => {
    const make = tf.train[name as 'adam'] as (rate: unknown, momentum?: number) => tfjs.Optimizer;
    const model = regressor({ optimizer: name === 'momentum' ? make(rate, 0.9) : make(rate) });
    const [finding, ...others] = auditRegularizers(model).findings;
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      code: 'learning-rate-not-a-number',
      severity: 'warning',
      weight: null,
      penalty: null,
    });
    const isBroken = await model.trainOnBatch(...batch()).then(
      () => model.getWeights().every((weight) => weight.dataSync().every(Number.isNaN)),
      () => true,
    );
    expect(isBroken).toBe(true);
    const { optimizer } = typed(
      `\`{${finding!.remedy.split('`').find((part) => part.startsWith('optimizer:'))!}}\``,
      '{',
      {
        tf,
      },
    ) as { optimizer: tfjs.Optimizer };
    const anew = regressor({ optimizer });
    expect(codes(anew)).toEqual([]);
    await anew.trainOnBatch(...batch());
    expect(anew.getWeights().every((weight) => weight.dataSync().every(Number.isFinite))).toBe(true);
  });

  it('takes over the number that was meant', () => {
    const model = regressor({ optimizer: tf.train.adam({ learningRate: 0.03 } as never) });
    expect(auditRegularizers(model).findings[0]).toMatchObject({
      declared: 'learning rate: an object with `learningRate`',
      remedy: expect.stringContaining('`optimizer: tf.train.adam(0.03)`'),
    });
  });

  it.each<[string, () => tfjs.Optimizer]>([
    ['a number', () => tf.train.adam(0.001)],
    ['none, where there is a default', () => tf.train.adam()],
    ['a text of digits, with which TensorFlow.js computes', () => tf.train.adam('0.001' as never)],
    [
      'an optimizer of another class',
      () => {
        class Own extends tf.SGDOptimizer {
          override applyGradients() {}
        }
        return Object.assign(new Own(0.1), { learningRate: { from: 0.1, to: 0.01 } });
      },
    ],
  ])('not of %s', (_, make) => {
    expect(codes(regressor({ optimizer: make() }))).toEqual([]);
  });
});

describe('clipping-ignored', () => {
  it.each(['clipNorm', 'clipnorm', 'clipValue', 'clipvalue', 'globalClipNorm', 'global_clipnorm'])(
    '%s has no effect, and the remedy takes it out',
    async (name) => {
      const [model, plain] = [regressor(), regressor()];
      Object.assign(model.optimizer, { [name]: 1e-9 });
      const [finding, ...others] = auditRegularizers(model).findings;
      expect(others).toEqual([]);
      expect(finding).toMatchObject({
        code: 'clipping-ignored',
        severity: 'warning',
        declared: `${name}: 1e-9 (number)`,
      });
      for (const one of [model, plain]) await one.trainOnBatch(...batch());
      expect(model.getWeights().map((weight) => weight.arraySync())).toEqual(
        plain.getWeights().map((weight) => weight.arraySync()),
      );
      typed(finding!.remedy, 'delete', { model });
      expect(codes(model)).toEqual([]);
    },
  );

  it('not where it is null, nor where something else clips', () => {
    const [unset, own] = [regressor(), regressor()];
    Object.assign(unset.optimizer, { clipNorm: null });
    const apply = own.optimizer.applyGradients.bind(own.optimizer);
    Object.assign(own.optimizer, { clipNorm: 1, applyGradients: apply });
    expect([codes(unset), codes(own)]).toEqual([[], []]);
  });
});

describe('no-regularizer', () => {
  const misspelled = (args: object = { kernel_regularizer: 'l1l2' }) =>
    tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4], ...args })] });
  const built = (model: tfjs.Sequential) => {
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
    return fillWeights(model);
  };
  const penalty = async (model: tfjs.LayersModel) => {
    const total = (await model.trainOnBatch(...batch())) as number;
    return total - (model.evaluate(...batch()) as tfjs.Scalar).dataSync()[0]!;
  };

  it('is information, where an option may be misspelled; both remedies work', async () => {
    const model = built(misspelled());
    const [finding, ...others] = auditRegularizers(model).findings;
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ code: 'no-regularizer', severity: 'information', layer: model.name, weight: null });
    expect(await penalty(model)).toBeNear(0);
    const option = finding!.remedy.split('`').find((part) => part.startsWith('kernelRegularizer'))!;
    const spelled = built(misspelled(typed(`\`{${option}}\``, '{', { tf }) as object));
    expect(codes(spelled)).toEqual([]);
    expect(await penalty(spelled)).toBeGreaterThan(1e-3);
    typed(finding!.remedy, 'addWeightDecay', { addWeightDecay, model });
    expect(codes(model)).toEqual([]);
    expect(await penalty(model)).toBeGreaterThan(1e-3);
  });

  it.each<[string, () => tfjs.Sequential]>([
    ['a frozen kernel', () => misspelled({ trainable: false })],
    ['no weight', () => tf.sequential({ layers: [tf.layers.flatten({ inputShape: [2, 2] })] })],
    [
      'a loss that was added by hand',
      () => {
        const model = misspelled();
        model.layers[0]!.addLoss(() => tf.scalar(1));
        return model;
      },
    ],
    [
      'a penalty on activations',
      () => {
        const model = misspelled();
        model.add(activityRegularization({ l2: 0.1 }));
        return model;
      },
    ],
  ])('not where there is %s', (_, build) => {
    const model = build();
    model.build();
    expect(codes(model)).toEqual([]);
  });
});

describe('trainable-changed', () => {
  const model = () => {
    const layers = ['a', 'b'].map((name) => tf.layers.dense({ name, units: 4, kernelRegularizer: l2() }));
    const inputs = tf.input({ shape: [4] });
    const outputs = layers.reduce((x, layer) => layer.apply(x) as tfjs.SymbolicTensor, inputs);
    const built = tf.model({ inputs, outputs });
    built.compile({ loss: 'meanSquaredError', optimizer: tf.train.adam(0.01) });
    return { model: fillWeights(built), a: layers[0]!, b: layers[1]! };
  };
  const target = () => data([6, 4], 2);
  const about = (one: tfjs.LayersModel) =>
    auditRegularizers(one).findings.filter(({ code }) => code === 'trainable-changed');

  it('by layer; compiled again, it is gone', () => {
    const { model: one, a } = model();
    expect(about(one)).toEqual([]);
    a.trainable = false;
    expect(about(one)).toMatchObject([{ severity: 'information', layer: 'a', weight: null }]);
    one.compile({ loss: 'meanSquaredError', optimizer: tf.train.adam(0.01) });
    expect(about(one)).toEqual([]);
    a.trainable = true;
    expect(about(one)).toMatchObject([
      {
        severity: 'warning',
        layer: 'a',
        applied: 'frozen until the next `compile`',
        remedy: expect.stringContaining('`model.compile(...)` again'),
      },
    ]);
    one.compile({ loss: 'meanSquaredError', optimizer: tf.train.adam(0.01) });
    expect(about(one)).toEqual([]);
  });

  it('tells layers that have one path apart', () => {
    const one = samePaths();
    const [inner, outer] = one.layers.slice(1) as [tfjs.LayersModel, tfjs.layers.Layer];
    inner.layers[0]!.trainable = false;
    outer.trainable = false;
    expect(about(one).map(({ layer }) => layer)).toEqual(['a/b', 'a/b_1']);
    one.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    const frozen = auditRegularizers(one).findings.filter(({ code }) => code === 'frozen-layer-penalized');
    expect(frozen.map(({ layer }) => layer)).toEqual(['a/b', 'a/b_1']);
  });

  it('warns of what is so: without a list of variables, moments shift to other weights', async () => {
    const trained = async (optimizer: (old: tfjs.Optimizer) => tfjs.Optimizer, freezes: boolean) => {
      const { model: one, a, b } = model();
      const loss = () => tf.losses.meanSquaredError(target(), one.apply(batch()[0]) as tfjs.Tensor);
      const variables = one.getWeights() as tfjs.Variable[];
      const momentum = tf.train.momentum(0.01, 0.9);
      momentum.minimize(() => loss().mul<tfjs.Scalar>(100), false, variables.slice(0, 4));
      if (freezes) a.trainable = false;
      const before = b.getWeights()[0]!.dataSync().slice();
      const next = optimizer(momentum);
      const list = variables.filter(({ trainable }) => trainable);
      next.minimize(() => loss().mul<tfjs.Scalar>(0), false, list);
      return Math.hypot(
        ...b
          .getWeights()[0]!
          .dataSync()
          .map((value, index) => value - before[index]!),
      );
    };
    // With a gradient of 0, only a moment moves a weight: a's, which is now in the place of b's.
    const [kept, shifted, anew] = [
      await trained((old) => old, false),
      await trained((old) => old, true),
      await trained(() => tf.train.momentum(0.01, 0.9), true),
    ];
    expect(anew).toBe(0);
    expect(Math.abs(shifted / kept - 1)).toBeGreaterThan(0.1);
  });

  it('not of a model that was never compiled', () => {
    const inputs = tf.input({ shape: [4] });
    const layer = tf.layers.dense({ units: 1, kernelRegularizer: l2() });
    const one = tf.model({ inputs, outputs: layer.apply(inputs) as tfjs.SymbolicTensor });
    layer.trainable = false;
    expect(about(one)).toEqual([]);
  });
});
