import type * as tfjs from '@tensorflow/tfjs';
import {
  evaluateLoss,
  minimize,
  regularizationLoss,
  variableGrads,
  type CustomLoss,
  type LossParts,
  type MinimizeArgs,
} from 'tfjs-decomposed-loss';
import {
  activityRegularization,
  addWeightDecay,
  enforceRegularizers,
  fuseRegularizers,
} from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { penalty } from '../helpers/float64';
import { tensorsLeftBy } from '../helpers/memory';
import { data, fillWeights, regressor } from '../helpers/models';

const x = data([6, 4]);
const y = data([6, 1], 2);

type Model = tfjs.LayersModel;
type Build = () => tfjs.Sequential;

const plain: Build = () => regressor();

/** Not compiled, with a recurrent layer whose penalty only `enforceRegularizers` makes the host add. */
const lstm: Build = () => {
  const kernelRegularizer = tf.regularizers.l2({ l2: 0.3 });
  const model = tf.sequential({
    layers: [
      tf.layers.reshape({ targetShape: [4, 1], inputShape: [4] }),
      tf.layers.lstm({ units: 2, kernelRegularizer }),
      tf.layers.dense({ units: 1, kernelRegularizer }),
    ],
  });
  model.build();
  enforceRegularizers(model);
  return fillWeights(model);
};

const decayed: Build = () => {
  const model = regressor();
  addWeightDecay(model, { l1: 0.1, include: 'bias', alsoRegularized: true });
  return model;
};

const fused: Build = () => {
  const model = regressor();
  fuseRegularizers(model);
  return model;
};

const output = (model: Model, input = x): tfjs.Tensor => model.apply(input, { training: true }) as tfjs.Tensor;
const error = (model: Model): tfjs.Scalar => tf.losses.meanSquaredError<tfjs.Tensor, tfjs.Scalar>(y, output(model));

/** What the host would add in training, by hand. */
const penalties = (model: tfjs.Sequential): tfjs.Scalar[] =>
  (model as unknown as { model: Model }).model.calculateLosses();

const weightsOf = (model: Model): number[][] => model.getWeights().map((weight) => Array.from(weight.dataSync()));

const builds: Array<[string, Build]> = [
  ['a regressor', plain],
  ['an enforced LSTM that is not compiled', lstm],
  ['added weight decay', decayed],
  ['fused penalties', fused],
];

const optimizers: Array<[string, () => tfjs.Optimizer]> = [
  ['sgd', () => tf.train.sgd(0.1)],
  ['momentum', () => tf.train.momentum(0.1, 0.9)],
  ['adam', () => tf.train.adam(0.05)],
];

describe('minimize', () => {
  describe.each(builds)('with %s', (_, build) => {
    it.each(optimizers)(
      'makes the step of optimizer.minimize with the penalty written out, bit for bit: %s',
      async (_, make) => {
        const [own, host] = [build(), build()];
        const [first, second] = [make(), make()];
        for (let step = 0; step < 5; step += 1) {
          const loss = await minimize(first, () => error(own), { models: own, variables: own });
          const cost = second.minimize(
            () => tf.addN([error(host), ...penalties(host)]),
            true,
            host.trainableWeights.map((weight) => weight.read() as tfjs.Variable),
          )!;
          expect(loss.total).toBeNear(cost.dataSync()[0]!);
          expect(loss.total).toBeNear(loss.data + loss.regularization);
          expect(weightsOf(own)).toEqual(weightsOf(host));
        }
      },
    );
  });

  it('gives the parts of float64 by hand', async () => {
    const model = regressor();
    const [hidden, , out, bias] = model.getWeights() as [tfjs.Tensor, tfjs.Tensor, tfjs.Tensor, tfjs.Tensor];
    const regularization =
      penalty(hidden, { l2: 0.1 }) + penalty(out, { l1: 0.02, l2: 0.3 }) + penalty(bias, { l1: 0.4 });
    const [predicted, targets] = [output(model).dataSync(), y.dataSync()];
    const squares = Array.from(predicted, (value, index) => (value - targets[index]!) ** 2);
    const fit = squares.reduce((sum, square) => sum + square, 0) / squares.length;
    const size = Array.from(predicted, (value) => Math.abs(value)).reduce((sum, value) => sum + value, 0) / 6;
    const loss = await minimize(
      tf.train.sgd(0.1),
      () => ({ fit: error(model), size: tf.mean<tfjs.Scalar>(tf.abs(output(model))) }),
      { models: model, variables: model, weights: { size: () => 0.25 } },
    );
    expect(loss.parts['fit']).toBeNear(fit);
    expect(loss.parts['size']).toBeNear(size);
    expect(loss.weights).toEqual({ fit: 1, size: 0.25 });
    expect(loss.data).toBeNear(fit + 0.25 * size);
    expect(loss.regularization).toBeNear(regularization);
    expect(loss.total).toBeNear(fit + 0.25 * size + regularization);
  });

  it('counts a regularizer that several models hold as often as the model that calls it most', async () => {
    const input = tf.input({ shape: [4] });
    const shared = tf.layers.dense({ units: 4, kernelRegularizer: tf.regularizers.l2({ l2: 1 }) });
    const once = tf.model({ inputs: input, outputs: shared.apply(input) as tfjs.SymbolicTensor });
    const twice = tf.model({ inputs: input, outputs: shared.apply(shared.apply(input)) as tfjs.SymbolicTensor });
    const own = penalty(shared.getWeights()[0]!, { l2: 1 });
    expect(regularizationLoss(once).dataSync()[0]).toBeNear(own);
    expect(regularizationLoss([once, twice]).dataSync()[0]).toBeNear(2 * own);
    expect(regularizationLoss([twice, once]).dataSync()[0]).toBeNear(2 * own);
  });

  it('adds the penalty on the activations of each call that the loss makes', async () => {
    const model = tf.sequential({ layers: [activityRegularization({ l2: 0.5, inputShape: [4] })] });
    model.build();
    const scale = tf.variable(tf.scalar(1));
    const loss = () => tf.mean<tfjs.Scalar>(tf.mul(scale, tf.add(output(model), output(model, x.mul(2)))));
    const { regularization } = await minimize(tf.train.sgd(0.1), loss, { models: model });
    const once = penalty(x, { l2: 0.5 }) / 6;
    expect(regularization).toBeNear(once + 4 * once);
    scale.dispose();
  });

  it('moves bare variables too, and every trainable one by default', async () => {
    const slope = tf.variable(tf.scalar(0));
    const frozen = tf.variable(tf.scalar(1), false);
    const model = regressor();
    const before = weightsOf(model);
    const loss = () => tf.mean<tfjs.Scalar>(tf.squaredDifference(tf.mul(slope, x), tf.mul(frozen, y)));
    await minimize(tf.train.sgd(0.1), loss, { variables: [slope, frozen] });
    expect(slope.dataSync()[0]).not.toBe(0);
    expect(weightsOf(model)).toEqual(before);
    await minimize(tf.train.sgd(0.1), () => tf.add(loss(), error(model)), { models: model });
    expect(weightsOf(model)).not.toEqual(before);
    tf.dispose([slope, frozen]);
  });

  it('moves the variables of layers, and no others', async () => {
    const [model, other] = [regressor(), regressor()];
    const [hidden, out] = model.layers as [tfjs.layers.Layer, tfjs.layers.Layer];
    const before = weightsOf(model);
    await minimize(tf.train.sgd(0.1), () => error(model), { models: model, variables: out.trainableWeights });
    await minimize(tf.train.sgd(0.1), () => error(other), { models: other });
    const moved = hidden.weights.length;
    expect(weightsOf(model)).toEqual([...before.slice(0, moved), ...weightsOf(other).slice(moved)]);
  });

  it('builds models within the loss', async () => {
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 1, inputShape: [4], kernelRegularizer: 'l1l2' })],
    });
    const slope = tf.variable(tf.scalar(1));
    const loss = () => tf.mean<tfjs.Scalar>(tf.mul(slope, model.predict(x) as tfjs.Tensor));
    const before = weightsOf(model);
    const args = { models: model, variables: [slope, model] };
    const { regularization } = await minimize(tf.train.sgd(0.1), loss, args);
    expect(regularization).toBeGreaterThan(0);
    expect(weightsOf(model)[0]).not.toEqual(before[0]);
    slope.dispose();
  });

  it('lets the loss compute a penalty to log it', async () => {
    const [model, other] = [regressor(), regressor()];
    let logged = 0;
    const loss = () => {
      logged = tf.tidy(() => tf.addN(penalties(model)).dataSync()[0]!);
      return error(model);
    };
    const [with_, without] = [
      await minimize(tf.train.sgd(0.1), loss, { models: model, variables: model }),
      await minimize(tf.train.sgd(0.1), () => error(other), { models: other, variables: other }),
    ];
    expect(with_).toEqual(without);
    expect(logged).toBeNear(with_.regularization);
  });

  it('works within a tidy, and where its result is ignored', async () => {
    const model = regressor();
    const optimizer = tf.train.sgd(0.1);
    const args = { models: model, variables: model };
    await minimize(optimizer, () => error(model), args);
    const promises: Array<Promise<unknown>> = [];
    const left = await tensorsLeftBy(async () => {
      for (let step = 0; step < 100; step += 1) {
        void minimize(optimizer, () => error(model), args);
        tf.tidy(() => void promises.push(minimize(optimizer, () => error(model), args)));
      }
      await Promise.all(promises);
    });
    expect(left).toBe(0);
    expect(await promises[0]).toMatchObject({ total: expect.any(Number) });
  });

  it('gives tensors that nobody reads, each once, to the tidy or the caller', async () => {
    const model = regressor();
    const optimizer = tf.train.sgd(0.1);
    const args = { models: model, variables: model, returnTensors: true } as const;
    minimize(optimizer, () => error(model), args).dispose();
    const left = await tensorsLeftBy(async () => {
      const loss = minimize(optimizer, () => error(model), args);
      const tensors = [loss.total, loss.data, loss.regularization, ...Object.values(loss.parts)];
      expect(new Set(tensors).size).toBe(4);
      const numbers = await loss.read();
      expect(numbers.total).toBeNear(numbers.data + numbers.regularization);
      expect(tensors.every(({ isDisposed }) => isDisposed)).toBe(true);
      loss.dispose();
      const kept = tf.tidy(() => minimize(optimizer, () => error(model), args) as never) as LossParts;
      expect(kept.total.isDisposed).toBe(false);
      kept.dispose();
      tf.tidy(() => void minimize(optimizer, () => error(model), args));
    });
    expect(left).toBe(0);
  });
});

describe('evaluateLoss', () => {
  it('is the loss that the next step has, and moves nothing', async () => {
    for (const build of [plain, lstm, fused]) {
      const model = build();
      const before = weightsOf(model);
      const loss = await evaluateLoss(() => error(model), { models: model });
      expect(weightsOf(model)).toEqual(before);
      const step = await minimize(tf.train.sgd(0.1), () => error(model), { models: model, variables: model });
      expect(loss.data).toBeNear(step.data);
      expect(loss.regularization).toBeNear(step.regularization);
    }
  });

  it('counts penalties on activations', async () => {
    const model = tf.sequential({ layers: [activityRegularization({ l2: 0.5, inputShape: [4] })] });
    model.build();
    const left = await tensorsLeftBy(async () => {
      const { regularization } = await evaluateLoss(() => tf.mean(output(model)), { models: model });
      expect(regularization).toBeNear(penalty(x, { l2: 0.5 }) / 6);
    });
    expect(left).toBe(0);
  });
});

it.each(['minimize', 'evaluateLoss'] as const)('leaves a part to the user who keeps it: %s', async (name) => {
  const model = regressor();
  let kept: tfjs.Scalar | undefined;
  const loss = () => ({ fit: (kept = tf.keep(error(model))) });
  const { parts } = await (name === 'minimize'
    ? minimize(tf.train.sgd(0.1), loss, { models: model })
    : evaluateLoss(loss, { models: model }));
  expect(Array.from(kept!.dataSync())).toEqual([parts['fit']]);
});

describe('variableGrads', () => {
  const variablesOf = (model: Model) => model.trainableWeights.map((weight) => weight.read() as tfjs.Variable);
  const values = (grads: tfjs.NamedTensorMap) =>
    Object.fromEntries(Object.entries(grads).map(([name, grad]) => [name, grad && Array.from(grad.dataSync())]));

  it('gives the gradients of tf.variableGrads with the penalty written out, in its order, frozen ones as null', () => {
    const model = regressor();
    model.layers[0]!.trainable = false;
    const variables = [...variablesOf(model)].reverse();
    const frozen = model.layers[0]!.weights.map((weight) => weight.read() as tfjs.Variable);
    const all = [frozen[0]!, ...variables];
    const own = variableGrads(() => error(model), { models: model, variables: all });
    const host = tf.variableGrads(() => tf.addN([error(model), ...penalties(model)]), all);
    expect(Object.keys(own.grads)).toEqual(Object.keys(host.grads));
    expect(values(own.grads)).toEqual(values(host.grads));
    expect(own.loss.total.dataSync()[0]).toBeNear(host.value.dataSync()[0]!);
    own.dispose();
  });

  it('gives the gradients of data and penalty apart', () => {
    const model = regressor();
    const variables = variablesOf(model);
    const own = variableGrads(() => error(model), { models: model, variables: model, apart: true });
    const data = tf.variableGrads(() => error(model), variables);
    const penalty = tf.variableGrads(() => tf.addN(penalties(model)), variables);
    const both = tf.variableGrads(() => tf.addN([error(model), ...penalties(model)]), variables);
    expect(values(own.data)).toEqual(values(data.grads));
    expect(values(own.penalty)).toEqual(values(penalty.grads));
    expect(Object.keys(own.grads)).toEqual(Object.keys(both.grads));
    for (const [name, grad] of Object.entries(values(both.grads))) {
      values(own.grads)[name]!.forEach((value, index) => expect(value).toBeNear(grad[index]!));
    }
    own.dispose();
  });

  it.each([false, true])('leaves out what tf.variableGrads leaves out, apart: %s', (apart) => {
    const model = regressor();
    model.layers[0]!.trainable = false;
    const frozen = model.layers[0]!.weights.map((weight) => weight.read() as tfjs.Variable);
    const all = [...frozen, ...variablesOf(model), tf.variable(tf.scalar(1))];
    const own = variableGrads(() => error(model), { models: model, variables: all, apart });
    const host = tf.variableGrads(() => tf.addN([error(model), ...penalties(model)]), all);
    expect(Object.keys(own.grads)).toEqual(Object.keys(host.grads));
    expect(Object.values(own.grads).map((grad) => grad === null)).toEqual([false, false, true, true]);
    const { data: ofData, penalty: ofPenalty } = own;
    expect([ofData, ofPenalty].map((one) => one !== undefined)).toEqual([apart, apart]);
    for (const one of frozen) expect(Object.keys(ofPenalty ?? {})).not.toContain(one.name);
    own.dispose();
  });

  it('leaves no tensor, and gives its own to the tidy', async () => {
    const model = regressor();
    const optimizer = tf.train.sgd(0.1);
    const left = await tensorsLeftBy(async () => {
      for (const apart of [false, true]) {
        const args = { models: model, variables: model, apart };
        const made = variableGrads(() => error(model), args);
        optimizer.applyGradients(made.grads);
        await made.loss.read();
        made.dispose();
        made.dispose();
        const { grads } = tf.tidy(() => ({ grads: variableGrads(() => error(model), args).grads }));
        optimizer.applyGradients(grads);
        tf.dispose(grads);
      }
    });
    expect(left).toBe(0);
  });
});

describe('regularizationLoss', () => {
  it('can be differentiated wherever a loss can', () => {
    const model = regressor();
    const variables = model.trainableWeights.map((weight) => weight.read() as tfjs.Variable);
    const expected = tf.variableGrads(() => tf.addN(penalties(model)), variables).grads;
    const found = tf.tidy(() => tf.variableGrads(() => regularizationLoss(model), variables)).grads;
    for (const name of Object.keys(expected)) {
      expect(Array.from(found[name]!.dataSync())).toEqual(Array.from(expected[name]!.dataSync()));
    }
    const scale = tf.scalar(2);
    const { value, grad } = tf.valueAndGrad((factor: tfjs.Tensor) => regularizationLoss(model).mul(factor))(scale);
    expect(value.dataSync()[0]).toBeNear(2 * grad.dataSync()[0]!);
  });

  it('is 0 without a penalty, and belongs to the tidy', async () => {
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });
    model.build();
    expect(regularizationLoss(model).dataSync()[0]).toBe(0);
    expect(regularizationLoss([]).dataSync()[0]).toBe(0);
    const other = regressor();
    expect(
      await tensorsLeftBy(async () => {
        tf.tidy(() => {
          regularizationLoss(other);
        });
      }),
    ).toBe(0);
  });
});

describe('bad input', () => {
  const model = regressor();
  const optimizer = tf.train.sgd(0.1);
  const run =
    (loss: unknown, args: object = { models: model, variables: model }) =>
    () =>
      minimize(optimizer, loss as CustomLoss, args as MinimizeArgs);
  const notBuilt = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });

  it.each<[string, () => unknown, RegExp]>([
    [
      'no scalar',
      run(() => output(model)),
      /`loss` of `minimize` to return a scalar.*got a tensor of type float32 and shape \[6,1\]/,
    ],
    ['an empty record', run(() => ({})), /to return a scalar.*got an object with no keys/],
    ['a promise', run(async () => error(model)), /to return a scalar.*got a Promise.*do not await/],
    ['a string', run(() => 'loss'), /to return a scalar.*got 'loss'/],
    ['a part that is none', run(() => ({ fit: error(model), kl: 3 })), /got `kl`: 3/],
    ['no function', run(error(model)), /`loss` of `minimize` to be a function/],
    [
      'no optimizer',
      () => minimize('sgd' as never, () => error(model)),
      /`optimizer` of `minimize` to be a tf.Optimizer, got 'sgd'/,
    ],
    [
      'nothing for an optimizer',
      () => minimize(undefined as never, () => error(model)),
      /`optimizer` of `minimize` to be a tf.Optimizer, got undefined/,
    ],
    ['nothing for a variable', run(() => error(model), { variables: [null] }), /`variables` of `minimize`.*got null/],
    [
      'a penalty that counts twice',
      run(() => tf.addN([error(model), ...penalties(model)])),
      /to leave the penalties of `models` out, got a part, `loss`.*count twice/,
    ],
    ['regularizationLoss of a model', run(() => tf.add(error(model), regularizationLoss(model))), /count twice/],
    [
      'a weight of no part',
      run(() => error(model), { weights: { kl: 1 } }),
      /`weights` of `minimize`.*\(`loss`\), got `kl`/,
    ],
    ['a weight that is no number', run(() => error(model), { weights: { loss: () => NaN } }), /weight `loss`.*got NaN/],
    ['no model', run(() => error(model), { models: [model, {}] }), /`models` of `minimize` to be a tf.LayersModel/],
    ['a model that is not built', run(() => error(model), { models: notBuilt }), /to be built/],
    ['an unknown option', run(() => error(model), { model }), /of `minimize`, got `model`/],
    ['a variable that is none', run(() => error(model), { variables: ['w'] }), /`variables` of `minimize`.*got 'w'/],
    [
      'a model without weights',
      run(() => error(model), { variables: tf.sequential() }),
      /to be built models.*not built/,
    ],
    ['no variable', run(() => error(model), { variables: [] }), /`variables` of `minimize` to name at least one/],
    [
      'a loss that depends on nothing',
      run(() => tf.scalar(1), { variables: model }),
      /`loss` of `minimize` to depend on a variable that is trained/,
    ],
    [
      'variables that are all frozen',
      () => {
        const frozen = model.layers[0]!.weights.map((weight) => weight.read() as tfjs.Variable);
        model.layers[0]!.trainable = false;
        try {
          void minimize(optimizer, () => error(model), { variables: frozen });
        } finally {
          model.layers[0]!.trainable = true;
        }
      },
      /`loss` of `minimize` to depend on a variable that is trained/,
    ],
    ['a tensor for a variable', run(() => error(model), { variables: [x] }), /`variables` of `minimize`.*got a Tensor/],
    ['weights that are none', run(() => error(model), { weights: [1] }), /`weights` of `minimize`.*got an array of 1/],
    ['a number for weights', run(() => error(model), { weights: 3 }), /`weights` of `minimize`.*got 3/],
    ['null for weights', run(() => error(model), { weights: null }), /`weights` of `minimize`.*got null/],
    ['minimize within minimize', run(() => (void run(() => error(model))(), error(model))), /outside of a loss/],
    ['a loss that throws', run(() => (output(model), fail())), /the loss failed/],
  ])('%s: one clear error, nothing moved, nothing left', async (_, action, message) => {
    const before = weightsOf(model);
    const left = await tensorsLeftBy(async () => expect(action).toThrow(message));
    expect(left).toBe(0);
    expect(weightsOf(model)).toEqual(before);
  });

  it('names a loss that was added by hand and returns nothing, also where the loss asks it itself', () => {
    const layer = tf.layers.dense({ units: 1, inputShape: [4] });
    const added = tf.sequential({ layers: [layer] });
    layer.addLoss((() => undefined) as never);
    const loss = () => (layer.calculateLosses(), output(added).mean().asScalar());
    expect(() => minimize(optimizer, loss, { models: added })).toThrow(/to be a scalar, got undefined/);
  });

  it('moves the statistics of a batch normalization as the optimizer alone does', () => {
    const build = () => {
      const layers = [tf.layers.batchNormalization({ inputShape: [4] }), tf.layers.dense({ units: 1 })];
      const model = tf.sequential({ layers });
      model.build();
      return fillWeights(model);
    };
    const [own, host] = [build(), build()];
    const loss = (model: tfjs.LayersModel) => () =>
      tf.mean<tfjs.Scalar>(model.apply(x, { training: true }) as tfjs.Tensor);
    const before = weightsOf(own);
    minimize(tf.train.sgd(0.1), loss(own), { models: own, variables: own, returnTensors: true }).dispose();
    tf.train.sgd(0.1).minimize(
      loss(host),
      false,
      host.trainableWeights.map((one) => one.read() as tfjs.Variable),
    );
    expect(weightsOf(own)).toEqual(weightsOf(host));
    expect(weightsOf(own)).not.toEqual(before);
  });

  it('puts back the statistics that a forward pass moved before the loss threw', () => {
    const normalized = tf.sequential({
      layers: [tf.layers.batchNormalization({ inputShape: [4] }), tf.layers.dense({ units: 1 })],
    });
    normalized.build();
    const before = weightsOf(normalized);
    const loss = () => (output(normalized), fail());
    expect(() => minimize(optimizer, loss, { models: normalized })).toThrow('the loss failed');
    expect(weightsOf(normalized)).toEqual(before);
  });
});

function fail(): never {
  throw new Error('the loss failed');
}
