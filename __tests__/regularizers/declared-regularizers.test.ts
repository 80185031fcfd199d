import type * as tfjs from '@tensorflow/tfjs';
import fc from 'fast-check';
import { enforceRegularizers, orthogonal } from 'tfjs-decomposed-loss/regularizers';
import type { Regularizer } from '../../src/host/model/regularizers';
import { declaredRegularizers, isIdle, regularizerText } from '../../src/regularizers/declared-regularizers';
import { backend, tf } from '../helpers/backend';
import { penalty } from '../helpers/float64';
import { buildNested, nestedRecipes } from '../helpers/random-nested-models';

const l2 = (coefficient: number) => tf.regularizers.l2({ l2: coefficient });

/** Different coefficients tell which regularizer came with which weight. */
const rnnRegularizers = () => ({ kernelRegularizer: l2(1), recurrentRegularizer: l2(2), biasRegularizer: l2(3) });
const dense = (name: string, args = {}) => tf.layers.dense({ name, units: 2, kernelRegularizer: l2(1), ...args });

/** A model of these layers in a row. */
function model(shape: number[], ...layers: tfjs.layers.Layer[]): tfjs.LayersModel {
  const inputs = tf.input({ shape });
  return tf.model({ inputs, outputs: layers.reduce((h, layer) => layer.apply(h) as tfjs.SymbolicTensor, inputs) });
}

/** Path, weight and coefficient; then how often it is called and applied. */
const listed = (of: tfjs.LayersModel) =>
  declaredRegularizers(of).map(({ path, weight, regularizer, calls, applied }) => [
    `${path}/${weight.originalName.split('/').pop()!} ${(regularizer as unknown as { l2: number }).l2}`,
    calls,
    applied,
  ]);

const dropped = (path: string) => [
  [`${path}/kernel 1`, 1, 0],
  [`${path}/recurrent_kernel 2`, 1, 0],
  [`${path}/bias 3`, 1, 0],
];

describe('lists what is declared and what the host applies', () => {
  const rnn = { units: 2, name: 'rnn' };

  it.each<[string, () => tfjs.LayersModel, unknown[]]>([
    [
      'dense',
      () => model([3], dense('one', { biasRegularizer: l2(2) })),
      [
        ['one/kernel 1', 1, 1],
        ['one/bias 2', 1, 1],
      ],
    ],
    ['SimpleRNN', () => model([4, 3], tf.layers.simpleRNN({ ...rnn, ...rnnRegularizers() })), dropped('rnn')],
    ['LSTM', () => model([4, 3], tf.layers.lstm({ ...rnn, ...rnnRegularizers() })), dropped('rnn')],
    ['GRU', () => model([4, 3], tf.layers.gru({ ...rnn, ...rnnRegularizers() })), dropped('rnn')],
    [
      'a single cell',
      () => model([4, 3], tf.layers.rnn({ name: 'rnn', cell: tf.layers.gruCell({ units: 2, ...rnnRegularizers() }) })),
      dropped('rnn'),
    ],
    [
      'stacked cells',
      () => {
        const cell = ['a', 'b'].map((name) => tf.layers.simpleRNNCell({ name, units: 2, ...rnnRegularizers() }));
        return model([4, 3], tf.layers.rnn({ name: 'rnn', cell }));
      },
      [...dropped('rnn/a'), ...dropped('rnn/b')],
    ],
    [
      'both directions',
      () => {
        const layer = tf.layers.lstm({ ...rnn, ...rnnRegularizers() });
        return model([4, 3], tf.layers.bidirectional({ name: 'both', layer, mergeMode: 'concat' }));
      },
      [...dropped('both/forward_rnn'), ...dropped('both/backward_rnn')],
    ],
    [
      'ConvLSTM2D',
      () => model([2, 4, 4, 1], tf.layers.convLstm2d({ name: 'rnn', filters: 1, kernelSize: 2, ...rnnRegularizers() })),
      dropped('rnn'),
    ],
    [
      'a TimeDistributed',
      () => model([4, 3], tf.layers.timeDistributed({ name: 'each', layer: dense('one') })),
      [['each/one/kernel 1', 1, 1]],
    ],
    [
      'an LSTM within a TimeDistributed',
      () => {
        const layer = tf.layers.lstm({ ...rnn, ...rnnRegularizers() });
        return model([2, 4, 3], tf.layers.timeDistributed({ name: 'each', layer }));
      },
      dropped('each/rnn'),
    ],
    [
      'a model within a TimeDistributed',
      () => {
        const layer = tf.sequential({ name: 'inner', layers: [dense('one', { inputShape: [3] })] });
        return model([4, 3], tf.layers.timeDistributed({ name: 'each', layer }));
      },
      [['each/inner/one/kernel 1', 1, 0]],
    ],
    [
      'a Sequential in a Sequential in a functional model',
      () => {
        const inner = tf.sequential({ layers: [dense('one', { inputShape: [3] })] });
        return model([3], tf.sequential({ name: 'outer', layers: [inner, dense('two')] }));
      },
      [
        ['outer/one/kernel 1', 1, 0],
        ['outer/two/kernel 1', 1, 1],
      ],
    ],
    [
      'a shared layer in a shared model',
      () => {
        const one = dense('one');
        const inner = tf.input({ shape: [2] });
        const twice = tf.model({
          name: 'in',
          inputs: inner,
          outputs: one.apply(one.apply(inner)) as tfjs.SymbolicTensor,
        });
        return model([2], twice, twice, dense('two'));
      },
      [
        ['in/one/kernel 1', 4, 4],
        ['two/kernel 1', 1, 1],
      ],
    ],
  ])('%s', (_, build, expected) => {
    const built = build();
    const before = tf.memory().numTensors;
    expect(listed(built)).toEqual(expected);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('with the layer that has the weight, and the weight itself', () => {
    const both = tf.layers.bidirectional({
      layer: tf.layers.lstm({ units: 2, ...rnnRegularizers() }),
      mergeMode: 'sum',
    });
    const built = model([4, 3], both, dense('out'));
    const all = declaredRegularizers(built);
    expect(all.map(({ weight }) => weight)).toEqual([...both.weights, built.getLayer('out').weights[0]]);
    expect(all.map(({ owner, weight }) => owner.weights.includes(weight))).toEqual(all.map(() => true));
    expect(all.map(({ recurrent }) => recurrent)).toEqual([...both.weights.map(() => true), false]);
  });
});

it('tells which weights training leaves as they are: those freed later move after the next compile', () => {
  const built = model([2], dense('one', { trainable: false }), dense('two'));
  const frozen = () => declaredRegularizers(built).map((one) => one.frozen);
  expect(frozen()).toEqual([true, false]);
  built.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  built.getLayer('one').trainable = true;
  expect(frozen()).toEqual([true, false]);
  built.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  expect(frozen()).toEqual([false, false]);
  built.getLayer('two').trainable = false;
  expect(frozen()).toEqual([false, true]);
});

it("knows a class of the user's own, also on a cell", () => {
  // The host takes no regularizer that does not derive from a class which it keeps to itself.
  const Regularizer = Object.getPrototypeOf(tf.regularizers.l2().constructor) as new () => object;
  class Half extends Regularizer {
    apply(weight: tfjs.Tensor): tfjs.Scalar {
      return weight.square().sum().mul(0.5);
    }
  }
  const built = model([4, 3], tf.layers.gru({ units: 2, recurrentRegularizer: new Half() as never }));
  const before = tf.memory().numTensors;
  const [one, ...others] = declaredRegularizers(built);
  expect(tf.memory().numTensors).toBe(before);
  expect(one).toMatchObject({ regularizer: expect.any(Half), applied: 0 });
  expect(one!.weight).toBe(built.weights[1]);
  expect(others).toEqual([]);
});

it('leaves out what was added by hand, and what was assigned after the build', () => {
  const one = tf.layers.dense({ units: 2 });
  const built = model([3], one);
  one.addLoss(() => tf.scalar(1));
  (one as unknown as { kernelRegularizer: unknown }).kernelRegularizer = l2(1);
  expect(declaredRegularizers(built)).toEqual([]);
});

it('wants a built model', () => {
  expect(() => declaredRegularizers(tf.sequential({ layers: [dense('one', { inputShape: [2] })] }))).toThrow(
    /to be built/,
  );
});

/** The host's own count is what `calculateLosses` of the model that trains adds up to. */
it('of any nested model, says how often the host applies each', () => {
  fc.assert(
    fc.property(nestedRecipes, (recipe) => {
      const { model: built, declared } = buildNested(recipe);
      const coefficients = new Map(declared.map((term) => [term.weight, term]));
      const all = declaredRegularizers(built);
      expect(all.map(({ weight }) => coefficients.has(weight))).toEqual(declared.map(() => true));
      const applied = all.reduce(
        (sum, { weight, applied: times }) => sum + times * penalty(weight.read(), coefficients.get(weight)!),
        0,
      );
      const host = tf.tidy(() => built.calculateLosses().reduce((sum, one) => sum + one.dataSync()[0]!, 0));
      expect(Math.abs(applied - host)).toBeLessThan(1e-5 * (1 + host));
    }),
    { numRuns: backend === 'tensorflow' ? 25 : 10 },
  );
});

describe('a regularizer in words, and whether it is known to do nothing', () => {
  class Own {
    apply = (weight: tfjs.Tensor) => tf.sum<tfjs.Scalar>(weight);
    getClassName = () => 'Own';
  }

  it.each<[object, string, boolean]>([
    [tf.regularizers.l2({ l2: 0.1 }), 'l2(0.1)', false],
    [tf.regularizers.l1({ l1: 0.2 }), 'l1(0.2)', false],
    [tf.regularizers.l1l2({ l1: 0.2, l2: 0.1 }), 'l1l2(l1 = 0.2, l2 = 0.1)', false],
    [tf.regularizers.l1l2({ l1: 0, l2: 0 }), 'l1l2(0, 0)', true],
    [orthogonal({ factor: 0.3 }), "orthogonal(0.3, 'rows')", false],
    [orthogonal({ factor: 0, mode: 'columns' }), "orthogonal(0, 'columns')", true],
    [new Own(), 'Own', false],
  ])('%p', (regularizer, text, idle) => {
    expect([regularizerText(regularizer as Regularizer), isIdle(regularizer as Regularizer)]).toEqual([text, idle]);
  });
});

it('tells the penalty as training adds it, where it does', () => {
  const one = model([3], dense('one'));
  const [plain] = declaredRegularizers(one);
  expect(plain!.penalty.kerasAbs).toBe(false);
  enforceRegularizers(one);
  const [enforced] = declaredRegularizers(one);
  expect(enforced!.penalty.kerasAbs).toBe(true);
});
