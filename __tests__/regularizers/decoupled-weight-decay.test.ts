import type * as tfjs from '@tensorflow/tfjs';
import { minimize, trainStep } from 'tfjs-decomposed-loss';
import { accumulateGradients } from 'tfjs-decomposed-loss/gradients';
import {
  addWeightDecay,
  enforceRegularizers,
  fuseRegularizers,
  registerKerasClasses,
  withWeightDecay,
} from 'tfjs-decomposed-loss/regularizers';
import {
  bareGradients,
  distanceFromKeras,
  loadRun,
  optimizerOf,
  runsOf,
  type RegularizerRun,
} from '../fixtures/regularizers';
import { tf } from '../helpers/backend';
import { tensorsLeftBy } from '../helpers/memory';
import { data, regressor, state } from '../helpers/models';

type Batch = [x: tfjs.Tensor, y: tfjs.Tensor];
type Step = (model: tfjs.LayersModel, batch: Batch) => Promise<unknown>;

beforeEach(() => registerKerasClasses());

const runs = runsOf('decoupled decay');

function decayed(run: RegularizerRun): tfjs.Optimizer {
  return withWeightDecay(optimizerOf(tf, run), { rate: run.decay!, exclude: run.exclude });
}

function setLearningRate(optimizer: tfjs.Optimizer, rate: number): void {
  if ('setLearningRate' in optimizer) (optimizer as tfjs.SGDOptimizer).setLearningRate(rate);
  else Object.assign(optimizer, { learningRate: rate });
}

/** Trains as Keras did, by one way to make a step. */
async function train(run: RegularizerRun, step: Step, prepare: (model: tfjs.LayersModel) => unknown = () => {}) {
  const { model, batch } = await loadRun(tf, run, { optimizer: decayed(run) });
  prepare(model);
  for (const rate of run.rates) {
    setLearningRate(model.optimizer, rate);
    await step(model, batch);
  }
  return distanceFromKeras(model, run);
}

const steps: Array<[string, Step]> = [
  ['fit', (model, [x, y]) => model.fit(x, y, { batchSize: 8, shuffle: false, verbose: 0 })],
  ['trainStep', (model, [x, y]) => trainStep(model, x, y, { warn: false })],
  [
    'accumulateGradients',
    async (model, [x, y]) => {
      const accumulated = accumulateGradients(model);
      const sizes = [
        [0, 3],
        [3, 5],
      ] as const;
      for (const [begin, size] of sizes) await accumulated.add(x.slice(begin, size), y.slice(begin, size));
      await accumulated.apply();
    },
  ],
];

it('acts in the steps of minimize, as in trainStep', async () => {
  const [model, twin] = [regressor(), regressor()];
  const [x, y] = [data([6, 4]), data([6, 1])];
  for (const one of [model, twin]) withWeightDecay(one.optimizer, { rate: 0.5, exclude: ['bias'] });
  const loss = () => tf.losses.meanSquaredError<tfjs.Tensor, tfjs.Scalar>(y, model.apply(x) as tfjs.Tensor);
  const before = await state(model);
  await minimize(model.optimizer, loss, { models: model, variables: model });
  await trainStep(twin, x, y);
  const [moved, expected] = [await state(model), await state(twin)];
  expect(moved).not.toEqual(before);
  moved.flat().forEach((value, place) => expect(value).toBeCloseTo(expected.flat()[place]!, 5));
});

const isRegularized = ([, { steps: all }]: [string, RegularizerRun]) => all[0]!.regularization > 0;

describe.each(steps)('in %s, as in Keras', (_, step) => {
  it.each(runs)('%s', async (__, run) => {
    expect(await train(run, step, (model) => enforceRegularizers(model))).toBeLessThan(1e-5);
  });
});

/** A layer that is made frozen has variables that are not: without a list, TensorFlow.js itself trains them. */
const isFrozen = ([name]: [string, RegularizerRun]) => name.includes('frozen');

it.each(runs.filter((one) => !isRegularized(one) && !isFrozen(one)))(
  'in optimizer.minimize of a custom loop, as in Keras: %s',
  async (_, run) => {
    const loss: Step = async (model, [x, y]) =>
      void model.optimizer.minimize(() => tf.losses.meanSquaredError(y, model.apply(x) as tfjs.Tensor));
    expect(await train(run, loss)).toBeLessThan(1e-5);
  },
);

it.each(runs.filter(isRegularized))('beside enforced and fused regularizers, as in Keras: %s', async (_, run) => {
  const prepare = (model: tfjs.LayersModel) => [enforceRegularizers(model), fuseRegularizers(model)];
  expect(await train(run, steps[1]![1], prepare)).toBeLessThan(1e-5);
});

it.each(runs)('matters: %s', async (_, run) => {
  const { model, batch } = await loadRun(tf, run);
  enforceRegularizers(model);
  for (const rate of run.rates) {
    setLearningRate(model.optimizer, rate);
    await model.trainOnBatch(...batch);
  }
  // Excluded all but one bias, the decay is small.
  expect(distanceFromKeras(model, run)).toBeGreaterThan(5e-4);
});

describe('applyGradients', () => {
  const { rate, decay, after } = bareGradients;

  it.each([
    [
      'a list',
      (a: tfjs.Tensor, b: tfjs.Tensor | null) => [
        { name: 'bare/a', tensor: a },
        { name: 'bare/b', tensor: b },
      ],
    ],
    ['an object', (a: tfjs.Tensor, b: tfjs.Tensor | null) => ({ 'bare/a': a, 'bare/b': b })],
  ])('decays what has a gradient, as Keras does: %s', (_, named) => {
    const variables = [
      tf.variable(tf.tensor1d([1, -2]), true, 'bare/a'),
      tf.variable(tf.tensor1d([3]), true, 'bare/b'),
    ];
    const optimizer = withWeightDecay(tf.train.sgd(rate), { rate: decay });
    const gradient = tf.tensor1d([0.5, 0.25]);
    for (const [step, other] of [null, tf.tensor1d([1])].entries()) {
      optimizer.applyGradients(named(gradient, other) as never);
      variables.forEach((variable, index) => {
        Array.from(variable.dataSync()).forEach((value, place) => expect(value).toBeNear(after[step]![index]![place]!));
      });
    }
    tf.dispose(variables);
  });

  it('decays a variable that is listed twice once, and a frozen one never', () => {
    const twice = tf.variable(tf.tensor1d([1]), true, 'bare/twice');
    const frozen = tf.variable(tf.tensor1d([1]), false, 'bare/frozen');
    const optimizer = withWeightDecay(tf.train.sgd(0.5), { rate: 0.5 });
    const zero = tf.tensor1d([0]);
    optimizer.applyGradients(['bare/twice', 'bare/twice', 'bare/frozen'].map((name) => ({ name, tensor: zero })));
    expect([twice, frozen].map((one) => one.dataSync()[0])).toEqual([0.75, 1]);
    tf.dispose([twice, frozen]);
  });

  it("follows SGD's own constant, and not a learning rate that was assigned without effect", () => {
    const weight = tf.variable(tf.tensor1d([1]), true, 'bare/weight');
    const sgd = withWeightDecay(tf.train.sgd(0.5), { rate: 0.5 });
    Object.assign(sgd, { learningRate: 0 });
    sgd.applyGradients([{ name: 'bare/weight', tensor: tf.tensor1d([0]) }]);
    expect(weight.dataSync()[0]).toBe(0.75);
    sgd.setLearningRate(1);
    sgd.applyGradients([{ name: 'bare/weight', tensor: tf.tensor1d([0]) }]);
    expect(weight.dataSync()[0]).toBe(0.375);
    weight.dispose();
  });
});

describe('under SGD', () => {
  const fitted = async (optimizer: tfjs.Optimizer, prepare: (model: tfjs.LayersModel) => unknown = () => {}) => {
    const model = regressor({ optimizer });
    prepare(model);
    await model.fit(data([8, 4]), data([8, 1], 2), { batchSize: 4, epochs: 3, shuffle: false, verbose: 0 });
    return model.getWeights().flatMap((weight) => Array.from(weight.dataSync()));
  };
  const furthest = (a: number[], b: number[]) => Math.max(...a.map((value, index) => Math.abs(value - b[index]!)));
  const penalty = (model: tfjs.LayersModel) =>
    addWeightDecay(model, { l2: 0.15, include: ['kernel', 'bias'], alsoRegularized: true });

  it('equals a penalty with half the rate, and differs from it under momentum and Adam', async () => {
    const both = async (make: () => tfjs.Optimizer) =>
      furthest(await fitted(withWeightDecay(make(), { rate: 0.3 })), await fitted(make(), penalty));
    expect(await both(() => tf.train.sgd(0.05))).toBeLessThan(1e-6);
    expect(await both(() => tf.train.momentum(0.05, 0.9))).toBeGreaterThan(1e-3);
    expect(await both(() => tf.train.adam(0.05))).toBeGreaterThan(1e-2);
  });
});

describe('variables', () => {
  const decaying = async (choose: (model: tfjs.Sequential) => object) => {
    const [model, plain] = [regressor(), regressor()];
    withWeightDecay(model.optimizer, { rate: 1, ...choose(model) });
    for (const one of [model, plain]) await one.trainOnBatch(data([2, 4]), data([2, 1]));
    const values = (one: tfjs.LayersModel, index: number) => Array.from(one.getWeights()[index]!.dataSync());
    return model.weights
      .filter((_, index) => String(values(model, index)) !== String(values(plain, index)))
      .map(({ originalName }) => originalName);
  };
  const all = ['hidden/kernel', 'hidden/bias', 'out/kernel', 'out/bias'];

  it.each<[string, (model: tfjs.Sequential) => object, string[]]>([
    ['all by default', () => ({}), all],
    ['a weight of a layer', ({ layers }) => ({ variables: layers[0]!.weights[0] }), ['hidden/kernel']],
    ['the weights of a layer', ({ layers }) => ({ variables: layers[0]!.weights }), all.slice(0, 2)],
    ['a variable', (model) => ({ variables: model.getWeights()[3] }), ['out/bias']],
    ['a model', (model) => ({ variables: model }), all],
    [
      'a model, not the biases',
      (model) => ({ variables: [model], exclude: ['bias'] }),
      ['hidden/kernel', 'out/kernel'],
    ],
    ['not those of a pattern or a layer', () => ({ exclude: [/kernel$/, 'hidden'] }), ['out/bias']],
  ])('%s', async (_, choose, expected) => {
    expect(await decaying(choose)).toEqual(expected);
  });
});

describe('an entry of `exclude`', () => {
  /** Which of some variables decay, by their names. */
  const decaying = (names: string[], exclude: Array<string | RegExp>): string[] => {
    const variables = names.map((name) => tf.variable(tf.scalar(1), true, name));
    const optimizer = withWeightDecay(tf.train.sgd(1), { rate: 0.5, variables, exclude });
    optimizer.applyGradients(variables.map(({ name }) => ({ name, tensor: tf.scalar(0) })));
    const found = names.filter((_, index) => variables[index]!.dataSync()[0] !== 1);
    tf.dispose(variables);
    return found;
  };

  it.each<[string, string[], string | RegExp, string[]]>([
    ['as a text, letter by letter', ['a.b', 'axb'], 'a.b', ['axb']],
    ['as a pattern, without the number of the host', ['w/kernel_1', 'w/kernel_12', 'w/bias'], /kernel$/, ['w/bias']],
    ['as a pattern, with the number of the host', ['w/kernel', 'w/kernel_1'], /kernel_1$/, ['w/kernel']],
    ['as a pattern, with numbers elsewhere', ['w_2/kernel', 'w/kernel'], /^w\/kernel$/, ['w_2/kernel']],
  ])('is in a name %s', (_, names, exclude, expected) => {
    expect(decaying(names, [exclude])).toEqual(expected);
  });

  it.each(['given', 'all'])('is looked for once, in the names of the variables that are %s', (which) => {
    const [kernel, bias] = ['once/kernel', 'once/bias'].map((name) => tf.variable(tf.scalar(1), true, name));
    const variables = which === 'given' ? [kernel!, bias!] : undefined;
    const optimizer = withWeightDecay(tf.train.sgd(1), { rate: 0.5, variables, exclude: ['once/bias'] });
    const step = () => optimizer.applyGradients([{ name: kernel!.name, tensor: tf.scalar(0) }]);
    if (which === 'all') step();
    bias!.dispose();
    step();
    expect(kernel!.dataSync()[0]).toBe(which === 'all' ? 0.25 : 0.5);
    kernel!.dispose();
  });
});

describe('again on the same optimizer', () => {
  it('replaces what was in force, and a rate of 0 ends it', async () => {
    const [model, twin] = [regressor(), regressor()];
    const own = Object.keys(model.optimizer);
    expect(withWeightDecay(model.optimizer, { rate: 3 })).toBe(model.optimizer);
    withWeightDecay(model.optimizer, { rate: 0.5 });
    withWeightDecay(twin.optimizer, { rate: 0.5 });
    for (const one of [model, twin]) await trainStep(one, data([6, 4]), data([6, 1]));
    expect(await state(model)).toEqual(await state(twin));
    withWeightDecay(model.optimizer, { rate: 0 });
    expect(Object.keys(model.optimizer).filter((key) => key !== 'iterations_')).toEqual(own);
  });
});

it('leaves no tensor behind', async () => {
  const model = regressor();
  withWeightDecay(model.optimizer, { rate: 0.5 });
  const [x, y] = [data([6, 4]), data([6, 1])];
  await trainStep(model, x, y);
  expect(await tensorsLeftBy(() => trainStep(model, x, y))).toBe(0);
});

describe('bad input is refused, and changes nothing', () => {
  it.each([
    [{ rate: -1 }, /`rate` of `withWeightDecay` to be a finite number, 0 or more, got -1/],
    [{ rate: NaN }, /`rate`.*got NaN/],
    [{}, /`rate`.*got undefined/],
    [{ rate: 1, exclude: 'bias' }, /`exclude` of `withWeightDecay` to be an array .* got 'bias'/],
    [{ rate: 1, exclude: [''] }, /`exclude`.*got ''/],
    [{ rate: 1, exclude: [3] }, /`exclude`.*got 3/],
    [{ rate: 1, variables: [] }, /`variables` of `withWeightDecay` to name a variable, got none/],
    [{ rate: 1, variables: ['kernel'] }, /`variables` of `withWeightDecay` to be variables.*got 'kernel'/],
    [{ rate: 1, variables: [null] }, /`variables` of `withWeightDecay` to be variables.*got null/],
    [{ weightDecay: 1 }, /`rate`, `variables`, `exclude` of `withWeightDecay`, got `weightDecay`/],
  ])('%j', (args, message) => {
    const optimizer = tf.train.sgd(0.1);
    const { applyGradients } = withWeightDecay(optimizer, { rate: 0.5 });
    expect(() => withWeightDecay(optimizer, args as never)).toThrow(message);
    expect(Object.getOwnPropertyDescriptor(optimizer, 'applyGradients')!.value).toBe(applyGradients);
  });

  it('an exclude that is in no name of the given variables', () => {
    const model = regressor();
    expect(() => withWeightDecay(model.optimizer, { rate: 1, variables: model, exclude: ['gamma'] })).toThrow(
      /each entry of `exclude`.*got 'gamma', which is in none\. There are `hidden\/kernel/,
    );
  });

  it('an exclude that is in no name at all, at the first update', async () => {
    const model = regressor();
    const before = await state(model);
    withWeightDecay(model.optimizer, { rate: 1, exclude: ['bias', /baias/] });
    await expect(trainStep(model, data([6, 4]), data([6, 1]))).rejects.toThrow(/got \/baias\/, which is in none/);
    expect(await state(model)).toEqual(before);
  });

  it('names as many variables as fit into a message', () => {
    const refusal = (count: number): string => {
      const variables = Array.from({ length: count }, (_, index) =>
        tf.variable(tf.scalar(index), true, `many_${count}/${index}`),
      );
      try {
        withWeightDecay(tf.train.sgd(0.1), { rate: 1, variables, exclude: ['bias'] });
        return 'none';
      } catch (error) {
        return String(error);
      } finally {
        tf.dispose(variables);
      }
    };
    expect(refusal(20)).toMatch(/`many_20\/19`\.$/);
    expect(refusal(23)).toMatch(/`many_23\/19` and 3 more\.$/);
  });

  it('a gradient for what is no variable, as the host does', () => {
    const gradient = [{ name: 'of no variable', tensor: tf.scalar(1) }];
    const messageOf = (optimizer: tfjs.Optimizer): string => {
      try {
        optimizer.applyGradients(gradient);
        return 'none';
      } catch (error) {
        return String(error);
      }
    };
    const plain = messageOf(tf.train.sgd(0.1));
    expect(plain).not.toBe('none');
    expect(messageOf(withWeightDecay(tf.train.sgd(0.1), { rate: 1 }))).toBe(plain);
  });

  it.each([
    [{ minimize: () => null, learningRate: 1 }, /to be an optimizer, got an object/],
    [{ applyGradients: () => {}, learningRate: 1 }, /to be an optimizer, got an object/],
    [null, /`optimizer` of `withWeightDecay` to be an optimizer, got null/],
    ['adam', /to be an optimizer, got 'adam'/],
    [() => tf.train.adam({ learningRate: 0.1 } as never), /a finite number as its learning rate, got an object/],
    [() => tf.train.sgd(undefined as never), /learning rate, got undefined/],
  ])('%p', (optimizer, message) => {
    const made = typeof optimizer === 'function' ? optimizer() : optimizer;
    expect(() => withWeightDecay(made as never, { rate: 1 })).toThrow(message);
  });
});
