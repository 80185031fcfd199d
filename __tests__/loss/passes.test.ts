import type * as tfjs from '@tensorflow/tfjs';
import {
  decomposedLoss,
  evaluate,
  evaluateLoss,
  lossTerm,
  minimize,
  regularizationLoss,
  trainStep,
  trainingLoop,
  variableGrads,
} from 'tfjs-decomposed-loss';
import { activityRegularization, fuseRegularizers, regularizationSchedule } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';

const x = (factor = 1): tfjs.Tensor => tf.fill([4, 2], factor);
const y = (): tfjs.Tensor => tf.zeros([4, 2]);
const input = (shape: number[] = [2]): tfjs.SymbolicTensor => tf.input({ shape });
const dense = (): tfjs.layers.Layer =>
  tf.layers.dense({ units: 2, kernelInitializer: 'ones', useBias: false, inputShape: [2] });
const activity = (): tfjs.layers.Layer => activityRegularization({ l2: 1 });

/** Compiles a model, with a data loss of 4 where each output is 2. */
function compiled<M extends tfjs.LayersModel>(model: M, args: Partial<tfjs.ModelCompileArgs> = {}): M {
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.001), ...args });
  return model;
}

/** On ones the activations are 2, so the penalty is 2 * 2² = 8; on three times that, 72. */
const flat = (): tfjs.Sequential => tf.sequential({ layers: [dense(), activity()] });

const around = (inner: tfjs.LayersModel): tfjs.LayersModel => {
  const one = input();
  return tf.model({ inputs: one, outputs: inner.apply(one) as tfjs.SymbolicTensor });
};

/** A model that the host runs once for each of its two outputs. */
function twoOutputs(): tfjs.LayersModel {
  const one = input();
  const hidden = activity().apply(dense().apply(one)) as tfjs.SymbolicTensor;
  const outputs = [1, 2].map(() => tf.layers.activation({ activation: 'linear' }).apply(hidden) as tfjs.SymbolicTensor);
  return tf.model({ inputs: one, outputs });
}

function aroundTwoOutputs(inner = twoOutputs()): tfjs.LayersModel {
  const one = input();
  const outputs = inner.apply(one) as tfjs.SymbolicTensor[];
  return tf.model({ inputs: one, outputs: tf.layers.average().apply(outputs) as tfjs.SymbolicTensor });
}

function timeDistributed(): tfjs.LayersModel {
  const one = input();
  const steps = tf.layers.repeatVector({ n: 3 }).apply(dense().apply(one)) as tfjs.SymbolicTensor;
  const wrapped = tf.layers.timeDistributed({ layer: activity() }).apply(steps) as tfjs.SymbolicTensor;
  return tf.model({ inputs: one, outputs: tf.layers.globalAveragePooling1d({}).apply(wrapped) as tfjs.SymbolicTensor });
}

const models: Array<[string, () => tfjs.LayersModel]> = [
  ['flat', flat],
  ['nested', () => around(flat())],
  ['nested twice', () => around(around(flat()))],
  ['nested with two outputs', aroundTwoOutputs],
  ['within a TimeDistributed', timeDistributed],
];

const weightsOf = (model: tfjs.LayersModel): number[][] => model.getWeights().map((one) => Array.from(one.dataSync()));

describe.each(models)('the penalty on activations of a custom loss: %s', (_, build) => {
  const options = { training: true };

  it.each<[string, (model: tfjs.LayersModel, inputs: tfjs.Tensor) => unknown]>([
    ['apply', (model, inputs) => model.apply(inputs)],
    ['apply in training mode', (model, inputs) => model.apply(inputs, { training: true })],
    ['apply with one object of options', (model, inputs) => model.apply(inputs, options)],
    ['predict', (model, inputs) => model.predict(inputs)],
    ['predictOnBatch', (model, inputs) => model.predictOnBatch(inputs)],
  ])('is the sum over its passes: %s', async (_, run) => {
    const model = build();
    if (!model.built) model.build([null, 2]);
    const loss = (): tfjs.Scalar => {
      const first = run(model, x()) as tfjs.Tensor;
      regularizationLoss(model);
      return tf.mean<tfjs.Scalar>(tf.add(first, run(model, x(3)) as tfjs.Tensor));
    };
    expect(await minimize(tf.train.sgd(0), loss, { models: model })).toMatchObject({ data: 8, regularization: 80 });
    expect(await evaluateLoss(loss, { models: model })).toMatchObject({ data: 8, regularization: 80 });
    const one = variableGrads(loss, { models: model });
    expect((await one.loss.read()).regularization).toBe(80);
    one.dispose();
  });

  it('is that of regularizationLoss in a loop by hand', () => {
    const model = build();
    const penalties: number[] = [];
    tf.variableGrads(() => {
      const [first, second] = [model.apply(x()), model.apply(x(3))] as [tfjs.Tensor, tfjs.Tensor];
      const penalty = regularizationLoss(model);
      penalties.push(penalty.dataSync()[0]!);
      return tf.add(tf.mean(tf.add(first, second)), penalty);
    });
    expect(penalties).toEqual([80]);
  });

  it('is what trainStep and evaluate add for one pass', async () => {
    const model = compiled(build());
    expect(await evaluate(model, x(), y())).toMatchObject({ data: 4, regularization: 8 });
    expect(await trainStep(model, x(), y())).toMatchObject({ data: 4, regularization: 8 });
  });
});

it('counts the terms of each pass of a custom loss, also in a nested model', async () => {
  const core = (): tfjs.LayersModel => {
    const one = input();
    const kl = lossTerm({ name: 'kl', loss: ([inputs]) => tf.sum<tfjs.Scalar>(inputs!) });
    return tf.model({ inputs: one, outputs: dense().apply(kl.apply(one)) as tfjs.SymbolicTensor });
  };
  for (const model of [core(), around(core())]) {
    const loss = (): tfjs.Scalar =>
      tf.mean<tfjs.Scalar>(tf.add(model.apply(x()) as tfjs.Tensor, model.apply(x(3)) as tfjs.Tensor));
    expect((await minimize(tf.train.sgd(0), loss, { models: model })).parts).toEqual({ loss: 8, kl: 8 + 24 });
  }
});

it('counts the penalty of a model that the loss runs by itself, and of one that several models hold, once a call', async () => {
  const encoder = twoOutputs();
  const model = aroundTwoOutputs(encoder);
  const alone = (): tfjs.Scalar => tf.mean<tfjs.Scalar>((encoder.apply(x()) as tfjs.Tensor[])[0]!);
  const both = (): tfjs.Scalar => tf.add(alone(), tf.mean(model.apply(x(3)) as tfjs.Tensor));
  for (const of of [model, [model, encoder], [encoder, model]]) {
    expect((await minimize(tf.train.sgd(0), alone, { models: of })).regularization).toBe(8);
    expect((await minimize(tf.train.sgd(0), both, { models: of })).regularization).toBe(80);
  }
  const [a, b] = [input(), input()];
  const inner = flat();
  const outputs = [inner.apply(a), inner.apply(b)] as tfjs.SymbolicTensor[];
  const siamese = tf.model({ inputs: [a, b], outputs: tf.layers.add().apply(outputs) as tfjs.SymbolicTensor });
  const loss = (): tfjs.Scalar => tf.mean<tfjs.Scalar>(siamese.apply([x(), x(3)]) as tfjs.Tensor);
  expect((await minimize(tf.train.sgd(0), loss, { models: [inner, siamese] })).regularization).toBe(80);
});

it('leaves the methods of the models as they were, also where the loss throws', () => {
  const model = around(flat());
  const loss = (): tfjs.Scalar => {
    model.predict(x());
    throw new Error('of the loss');
  };
  expect(() => evaluateLoss(loss, { models: model })).toThrow('of the loss');
  expect(['apply', 'predict', 'predictOnBatch'].filter((name) => Object.hasOwn(model, name))).toEqual([]);
});

describe('what a loss function or a metric runs in a step', () => {
  /** Runs the model on other data; the last asks for its penalties before. */
  const runs: Array<[string, (model: tfjs.LayersModel) => unknown]> = [
    ['apply', (model) => model.apply(x(10))],
    ['apply in training mode', (model) => model.apply(x(10), { training: true })],
    ['predict', (model) => model.predict(x(10))],
    ['calculateLosses and predict', (model) => [hosts(model).calculateLosses(), model.predict(x(10))]],
  ];
  const hosts = (model: tfjs.LayersModel): { calculateLosses(): tfjs.Scalar[] } => model;

  describe.each(models)('%s', (_, build) => {
    it.each(runs)('does not count: %s', async (_, run) => {
      const plain = compiled(build());
      await plain.trainOnBatch(x(), y());
      const squares = (yTrue: tfjs.Tensor, yPred: tfjs.Tensor): tfjs.Tensor =>
        tf.mean(tf.squaredDifference(yTrue, yPred), -1);
      for (const within of ['loss', 'metrics'] as const) {
        const model = build();
        const runner = (yTrue: tfjs.Tensor, yPred: tfjs.Tensor): tfjs.Tensor => {
          run(model);
          return squares(yTrue, yPred);
        };
        const other = compiled(model, within === 'loss' ? { loss: runner } : { metrics: [runner] });
        expect(await evaluate(other, x(), y())).toMatchObject({ data: 4, regularization: 8 });
        const { history } = await other.fit(x(), y(), {
          verbose: 0,
          validationData: [x(), y()],
          callbacks: decomposedLoss(),
        });
        expect(history).toMatchObject({ data_loss: [4], regularization_loss: [8] });
        expect(weightsOf(other)).toEqual(weightsOf(plain));
        const after = await evaluate(plain, x(), y());
        expect(history['val_regularization_loss']).toEqual([after.regularization]);
      }
    });
  });
});

describe('regularizationSchedule', () => {
  const callbacks = (): tfjs.Callback[] => [decomposedLoss(), regularizationSchedule(() => 0.5)];

  it.each(models)('acts on penalties on activations in validation: %s', async (_, build) => {
    const model = compiled(build(), { optimizer: tf.train.sgd(0) });
    const { history } = await model.fit(x(), y(), {
      verbose: 0,
      validationData: [x(), y()],
      callbacks: callbacks(),
    });
    expect(history).toMatchObject({ loss: [8], regularization_loss: [4] });
    expect(history).toMatchObject({ val_regularization_loss: [4], val_total_loss: [8] });
  });

  it.each(models)('acts on them in a loop as in fit, on fused ones too: %s', async (_, build) => {
    const [own, host] = [build(), compiled(build())];
    fuseRegularizers(compiled(own));
    await host.fit(x(), y(), { verbose: 0, callbacks: callbacks() });
    const loss = (): tfjs.Scalar => tf.mean<tfjs.Scalar>(tf.squaredDifference(y(), own.apply(x()) as tfjs.Tensor));
    const { history } = await trainingLoop({ models: own, callbacks: callbacks() }, async (loop) => {
      await loop.step(() => minimize(tf.train.sgd(0.001), loss, { models: own }));
      await loop.endEpoch();
    });
    expect(history).toMatchObject({ loss: [8], regularization_loss: [4] });
    weightsOf(own).forEach((weights, index) =>
      weights.forEach((weight, place) => expect(weight).toBeNear(weightsOf(host)[index]![place]!)),
    );
  });
});

it('counts each call of a layer by itself, also where a loss gives all the same options', async () => {
  const [model, options] = [around(flat()), { training: true }];
  const [first, second] = (model.layers[1] as tfjs.Sequential).layers as [tfjs.layers.Layer, tfjs.layers.Layer];
  const loss = (): tfjs.Scalar => {
    const passed = [1, 3].map((factor) => second.apply(first.apply(x(factor), options), options) as tfjs.Tensor);
    return tf.mean<tfjs.Scalar>(tf.stack(passed));
  };
  const { regularization } = await minimize(model.optimizer ?? tf.train.sgd(0.001), loss, { models: model });
  expect(regularization).toBe(8 + 72);
});

it('evaluates several layers that add something, each under a name of its own', async () => {
  const term = (factor: number) =>
    lossTerm({ name: 'term', loss: ([one]) => tf.mul(tf.mean<tfjs.Scalar>(one!), factor) });
  const inner = (factor: number) => tf.sequential({ layers: [dense(), term(factor)] });
  const one = input();
  const twice = inner(1);
  const outputs = inner(3).apply(twice.apply(twice.apply(one))) as tfjs.SymbolicTensor;
  const model = compiled(tf.model({ inputs: one, outputs: activity().apply(outputs) as tfjs.SymbolicTensor }));
  // On ones the first is 2, then 4, and the second 3 * 8; the output is 8.
  for (const { parts, regularization } of [await evaluate(model, x(), y()), await trainStep(model, x(), y())]) {
    expect(parts).toMatchObject({ term: 6, term_1: 24 });
    expect(regularization).toBe(2 * 8 ** 2);
  }
});

it('evaluates a layer with a method of its own for its penalties', async () => {
  class Own extends tf.layers.Layer {
    static className = 'OwnPenalties';
    override call(inputs: tfjs.Tensor | tfjs.Tensor[]): tfjs.Tensor {
      return [inputs].flat()[0]!;
    }
    override calculateLosses = (): tfjs.Scalar[] => [tf.scalar(3)];
  }
  const model = compiled(tf.sequential({ layers: [dense(), new Own({})] }));
  expect((await evaluate(model, x(), y())).regularization).toBe(3);
});

it('counts a layer as often as the model does that calls it most', async () => {
  const inner = twoOutputs();
  const once = aroundTwoOutputs(inner);
  const average = (outputs: tfjs.SymbolicTensor) =>
    tf.layers.average().apply(inner.apply(outputs)) as tfjs.SymbolicTensor;
  const one = input();
  const twice = tf.model({ inputs: one, outputs: average(average(one)) });
  const loss = () => tf.mean<tfjs.Scalar>(twice.apply(x()) as tfjs.Tensor);
  const of = async (...all: tfjs.LayersModel[]) => (await evaluateLoss(loss, { models: all })).regularization;
  const expected = await of(twice);
  expect([await of(once, twice), await of(twice, once)]).toEqual([expected, expected]);
  expect(await of(once)).toBeLessThan(expected);
});
