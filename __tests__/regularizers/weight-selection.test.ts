import type * as tfjs from '@tensorflow/tfjs';
import { regularizationTerms } from 'tfjs-decomposed-loss';
import { addWeightDecay, type AddWeightDecayArgs } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';

const chain = (x: tfjs.SymbolicTensor, ...layers: Array<tfjs.layers.Layer | tfjs.LayersModel>) =>
  layers.reduce((h, layer) => layer.apply(h) as tfjs.SymbolicTensor, x);

/** A layer of each kind that has weights, at three depths. */
function zoo(): tfjs.LayersModel {
  const { layers } = tf;
  const stem = tf.sequential({
    name: 'stem',
    layers: [
      layers.conv2d({ name: 'conv', filters: 2, kernelSize: 1, inputShape: [6, 6, 2] }),
      layers.batchNormalization({ name: 'norm' }),
    ],
  });
  const body = tf.sequential({
    name: 'body',
    layers: [
      layers.separableConv2d({ name: 'separable', filters: 2, kernelSize: 1, inputShape: [6, 6, 2] }),
      layers.depthwiseConv2d({ name: 'depthwise', kernelSize: 1 }),
      layers.prelu({ name: 'prelu' }),
    ],
  });
  const image = tf.input({ shape: [6, 6, 2] });
  const encoder = tf.model({ inputs: image, outputs: chain(image, stem, body), name: 'encoder' });
  const inputs = [tf.input({ shape: [6, 6, 2] }), tf.input({ shape: [5] })] as const;
  const left = chain(inputs[0], encoder, layers.reshape({ targetShape: [36, 2] }));
  const right = chain(
    inputs[1],
    layers.embedding({ name: 'table', inputDim: 4, outputDim: 3 }),
    layers.timeDistributed({ name: 'each', layer: layers.dense({ name: 'inner', units: 3 }) }),
    layers.gru({ name: 'gru', units: 2, returnSequences: true }),
    layers.bidirectional({
      name: 'both',
      layer: layers.simpleRNN({ name: 'rnn', units: 1, returnSequences: true }),
      mergeMode: 'concat',
    }),
    layers.rnn({
      name: 'stack',
      cell: [tf.layers.lstmCell({ name: 'lower', units: 2 }), tf.layers.simpleRNNCell({ name: 'upper', units: 2 })],
      returnSequences: true,
    }),
  );
  const joined = layers.concatenate({ axis: 1 }).apply([left, right]) as tfjs.SymbolicTensor;
  return tf.model({ inputs: [...inputs], outputs: chain(joined, layers.dense({ name: 'out', units: 1 })) });
}

const KERNELS = [
  'encoder/stem/conv/kernel',
  'encoder/body/separable/depthwise_kernel',
  'encoder/body/separable/pointwise_kernel',
  'encoder/body/depthwise/depthwise_kernel',
  'table/embeddings',
  'each/inner/kernel',
  'gru/kernel',
  'gru/recurrent_kernel',
  'both/forward_rnn/kernel',
  'both/forward_rnn/recurrent_kernel',
  'both/backward_rnn/kernel',
  'both/backward_rnn/recurrent_kernel',
  'stack/lower/kernel',
  'stack/lower/recurrent_kernel',
  'stack/upper/kernel',
  'stack/upper/recurrent_kernel',
  'out/kernel',
];
const within = (...prefixes: string[]) => KERNELS.filter((path) => prefixes.some((prefix) => path.startsWith(prefix)));
const without = (...prefixes: string[]) =>
  KERNELS.filter((path) => !prefixes.some((prefix) => path.startsWith(prefix)));

function chosen(args: AddWeightDecayArgs, model = zoo()): string[] {
  const { added, leftAlone } = addWeightDecay(model, { l2: 0.1, ...args });
  expect(leftAlone).toEqual([]);
  const rows = regularizationTerms(model).map(({ layer, weight }) => `${layer}/${weight}`);
  const paths = added.map(({ layer, weight }) => `${layer}/${weight}`);
  expect([...rows].sort()).toEqual([...paths].sort());
  return [...paths].sort();
}

const sorted = (paths: string[]) => [...paths].sort();

it('is by default every kernel, and the embeddings; no bias, no normalization, no activation', () => {
  expect(chosen({})).toEqual(sorted(KERNELS));
});

it.each<[string, AddWeightDecayArgs['include'], string[]]>([
  ['a layer by its name, for its kernels', 'conv', within('encoder/stem/conv')],
  ['a layer by its path', 'encoder/body/separable', within('encoder/body/separable')],
  ['a nested model', 'encoder', within('encoder/')],
  ['a nested model by its path', 'encoder/stem', within('encoder/stem')],
  ['a wrapper', 'each', within('each')],
  ['a wrapped layer', 'inner', within('each')],
  ['a direction', 'forward_rnn', within('both/forward')],
  ['one cell of several', 'upper', within('stack/upper')],
  ['a class', 'Dense', within('each', 'out')],
  ['the class of a cell', 'LSTMCell', within('stack/lower')],
  ['a weight by its name', 'recurrent_kernel', KERNELS.filter((path) => path.endsWith('recurrent_kernel'))],
  ['a bias, when named', 'out/bias', ['out/bias']],
  ['a normalization weight, when named', 'encoder/stem/norm/gamma', ['encoder/stem/norm/gamma']],
  ["a weight by TensorFlow.js's own name", 'separable/bias', ['encoder/body/separable/bias']],
  ['a RegExp on layers, for their kernels', /^(encoder|out)/, within('encoder', 'out')],
  ['a RegExp on weights', /norm\/(gamma|beta)$/, ['encoder/stem/norm/beta', 'encoder/stem/norm/gamma']],
  ['a RegExp that says where not', /^(?!encoder|table|each|gru|both|stack)/, within('out')],
  ['a RegExp with a state', /gru/g, within('gru')],
  ['a RegExp with a state, on weights', /_kernel$/g, KERNELS.filter((path) => path.endsWith('_kernel'))],
  [
    'a predicate, for whatever it says',
    (layer, weight) => layer.name === 'out' && weight.trainable,
    ['out/bias', 'out/kernel'],
  ],
  [
    'a predicate by the direction of a layer',
    ({ name }, { originalName }) => name === 'backward_rnn' && originalName.endsWith('/bias'),
    ['both/backward_rnn/bias'],
  ],
  ['several', ['out/bias', 'gru', /table/], ['gru/kernel', 'gru/recurrent_kernel', 'out/bias', 'table/embeddings']],
])('include: %s', (_, include, expected) => {
  expect(chosen({ include })).toEqual(sorted(expected));
});

it.each<[string, AddWeightDecayArgs['exclude'], string[]]>([
  ['a layer', 'out', without('out')],
  ['a nested model', 'encoder', without('encoder')],
  ['a class', 'Bidirectional', without('both')],
  ['a weight by its name', 'embeddings', without('table')],
  ['a RegExp', /recurrent/, KERNELS.filter((path) => !path.includes('recurrent'))],
  ['a predicate', (layer) => layer.getClassName() === 'GRU', without('gru')],
  ['several', ['stack', /^both/], without('stack', 'both')],
])('exclude: %s', (_, exclude, expected) => {
  expect(chosen({ exclude })).toEqual(sorted(expected));
});

it('takes from what is included what is excluded', () => {
  expect(chosen({ include: ['out', 'out/bias'], exclude: 'kernel' })).toEqual(['out/bias']);
});

it('takes all weights of a layer that is excluded', () => {
  expect(chosen({ include: ['out', 'out/bias', 'gru'], exclude: 'out' })).toEqual(within('gru'));
});

it('names the layers of a Sequential that is the first in a Sequential, which the host flattens', () => {
  const build = () => {
    const inner = tf.sequential({ name: 'inner', layers: [tf.layers.dense({ name: 'a', units: 2, inputShape: [3] })] });
    const outer = tf.sequential({ layers: [inner, tf.layers.dense({ name: 'b', units: 1 })] });
    outer.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    return outer;
  };
  expect(chosen({ include: 'inner' }, build())).toEqual(['a/kernel']);
  expect(chosen({ include: 'inner/a/bias' }, build())).toEqual(['a/bias']);
  const outermost = build();
  expect(() => chosen({ include: outermost.name }, outermost)).toThrow(/`include`/);
});

describe('a shared layer', () => {
  const build = () => {
    const shared = tf.layers.dense({ name: 'shared', units: 2, inputShape: [2] });
    const nested = ['first', 'second'].map((name) => tf.sequential({ name, layers: [shared] }));
    const input = tf.input({ shape: [2] });
    return tf.model({ inputs: input, outputs: chain(input, ...nested) });
  };

  it.each<[string, AddWeightDecayArgs['include'], string]>([
    ['the path of its second place', 'second/shared', 'first/shared/kernel'],
    ["its weight's path there", 'second/shared/bias', 'first/shared/bias'],
    ['a RegExp on its second place', /^second\/shared$/, 'first/shared/kernel'],
    ["a RegExp on its weight's path there", /^second\/shared\/b/, 'first/shared/bias'],
    ['its first place', 'first/shared/bias', 'first/shared/bias'],
  ])('is found by %s', (_, include, expected) => {
    const { added } = addWeightDecay(build(), { l2: 0.1, include });
    expect(added.map(({ layer, weight }) => `${layer}/${weight}`)).toEqual([expected]);
  });
});

it('does not find a wrapped weight as one of the wrapper', () => {
  expect(() => chosen({ include: /^each\/kernel/ })).toThrow('got /^each\\/kernel/, which finds none');
});

it('takes for kernels what is called one, and nothing whose name only begins or ends so', () => {
  class Odd extends tf.layers.Layer {
    static readonly className = 'Odd';
    override build(): void {
      const names = [
        'kernel',
        'my_kernel',
        'subkernel',
        'kernel_scale',
        'embeddings',
        'my_embeddings',
        'embeddings_scale',
      ];
      names.forEach((name) => this.addWeight(name, [1], 'float32', tf.initializers.zeros()));
      super.build([null, 1]);
    }
    override call(inputs: tfjs.Tensor | tfjs.Tensor[]): tfjs.Tensor {
      return [inputs].flat()[0]!;
    }
  }
  const input = tf.input({ shape: [1] });
  const model = tf.model({ inputs: input, outputs: chain(input, new Odd({ name: 'odd' })) });
  expect(chosen({}, model)).toEqual(['odd/embeddings', 'odd/kernel', 'odd/my_kernel']);
});

describe('refuses, and lists what there is:', () => {
  const model = () => {
    const layers = [
      tf.layers.dense({ name: 'hidden', units: 2, inputShape: [3] }),
      tf.layers.dropout({ name: 'drop', rate: 0.5 }),
      tf.layers.batchNormalization({ name: 'norm' }),
    ];
    const sequential = tf.sequential({ layers });
    sequential.build();
    return sequential;
  };
  const INVENTORY =
    'There are `hidden` (Dense: `kernel`, `bias`); ' +
    '`norm` (BatchNormalization: `gamma`, `beta`, `moving_mean`, `moving_variance`).';

  it.each<[string, Partial<AddWeightDecayArgs>, string]>([
    [
      'an unknown name',
      { include: 'hiden' },
      "each entry of `include` to find a weight (a layer: its kernels), got 'hiden'",
    ],
    ['one of several', { include: ['hidden', /out/] }, 'got /out/, which finds none'],
    ['a layer without kernels', { include: 'norm' }, "got 'norm', which finds none"],
    ['a layer without weights', { exclude: 'drop' }, "each entry of `exclude` to find a weight, got 'drop'"],
    ['a predicate that says no', { include: () => false }, 'got a function, which finds none'],
    ['an unknown name to exclude', { exclude: ['out'] }, "each entry of `exclude` to find a weight, got 'out'"],
    ['nothing left', { exclude: 'Dense' }, 'Expected the model to have a kernel that `exclude` leaves, got none.'],
    ['no entries', { include: [] }, 'Expected `include` to name a weight that `exclude` leaves, got none.'],
  ])('%s', (_, args, message) => {
    const refused = model();
    const add = () => addWeightDecay(refused, { l2: 0.1, ...args });
    expect(add).toThrow(message);
    expect(add).toThrow(INVENTORY);
    expect(regularizationTerms(refused)).toEqual([]);
  });

  it('what is no selector', () => {
    expect(() => addWeightDecay(model(), { l2: 0.1, include: 3 as never })).toThrow(
      'Expected `include` to be strings, regular expressions or predicates, got 3 (number).',
    );
  });

  it('a model without weights', () => {
    const flat = tf.sequential({ layers: [tf.layers.flatten({ inputShape: [2, 2] })] });
    flat.build();
    expect(() => addWeightDecay(flat, { l2: 0.1 })).toThrow('There are no weights.');
  });

  it('a model that is not built', () => {
    const unbuilt = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2] })] });
    expect(() => addWeightDecay(unbuilt, { l2: 0.1 })).toThrow('Expected `model` to be built');
  });
});
