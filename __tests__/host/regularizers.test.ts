/** How TensorFlow.js turns regularizers into penalties, and which of them it drops or misreads. */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../helpers/backend';
import { chain, compiled, half, penalties, sum } from './hand-made';

type Layer = tfjs.layers.Layer;

/** Where the host keeps the cells of a recurrent layer; none of it is in its types. */
interface Recurrent {
  cell?: Layer & { cells?: Layer[] };
  forwardLayer?: Layer;
  backwardLayer?: Layer;
}

function cells(layer: Layer): Layer[] {
  const { cell, forwardLayer, backwardLayer } = layer as unknown as Recurrent;
  if (forwardLayer && backwardLayer) return [forwardLayer, backwardLayer].flatMap(cells);
  return cell ? (cell.cells ?? [cell]) : [];
}

describe('penalties', () => {
  const l1 = (rate: number) => tf.regularizers.l1({ l1: rate });

  it('come layer by layer, once a call, in the order in which the layer made its weights', () => {
    const biased = {
      useBias: true,
      biasInitializer: 'ones',
      kernelRegularizer: l1(1),
      biasRegularizer: l1(2),
    } as const;
    const [twice, once] = [sum('twice', biased), sum('once', { kernelRegularizer: l1(4) })];
    const inner = chain([1], sum('inner', { kernelRegularizer: l1(3) }));
    // Each weight is one, so that its penalty is its rate.
    expect(penalties(chain([1], twice, inner, twice, once))).toEqual([1, 2, 1, 2, 3, 4]);
  });

  it('are lost where a layer gets another name once it is in a model', () => {
    const layer = sum('out', { kernelRegularizer: l1(1) });
    const model = chain([2], layer);
    expect(model.calculateLosses()).toHaveLength(1);
    layer.name = 'renamed';
    expect(model.calculateLosses()).toHaveLength(0);
  });

  it('are closures that pass what the weight reads to the regularizer, and return its result', () => {
    const regularizer = half();
    const layer = sum('out', { kernelRegularizer: regularizer });
    chain([2], layer);
    const apply = jest.spyOn(regularizer, 'apply');
    const [penalty, ...others] = layer.losses;
    const [first, second] = [penalty!(), penalty!()];
    expect(others).toEqual([]);
    expect(apply.mock.calls.map(([weight]) => weight === layer.weights[0]!.read())).toEqual([true, true]);
    expect(apply.mock.results.map(({ value }: { value: unknown }) => value)).toEqual([first, second]);
    expect(apply.mock.results[1]!.value).toBe(second);
    expect(first).not.toBe(second);
  });

  it('run the method of the class, so that one put there later is called', () => {
    const layer = sum('out', { kernelRegularizer: half() });
    chain([2], layer);
    const apply = jest.spyOn(Object.getPrototypeOf(half()), 'apply');
    layer.calculateLosses();
    expect(apply).toHaveBeenCalledTimes(1);
    apply.mockRestore();
  });

  it('have one class for l1, l2 and l1l2', () => {
    const { l1, l2, l1l2 } = tf.regularizers;
    const made = [l1({ l1: 0.5 }), l2({ l2: 0.25 }), l1l2({ l1: 0.5, l2: 0.25 })];
    expect(new Set(made.map(({ constructor }) => constructor)).size).toBe(1);
    expect(made.map((regularizer) => regularizer.getClassName())).toEqual(['L1L2', 'L1L2', 'L1L2']);
    expect(made.map((regularizer) => regularizer.getConfig())).toEqual([
      { l1: 0.5, l2: 0 },
      { l1: 0, l2: 0.25 },
      { l1: 0.5, l2: 0.25 },
    ]);
  });

  it('of layers come by one inherited method, of models by another', () => {
    const { calculateLosses } = tf.layers.Layer.prototype;
    const wrapper = tf.layers.timeDistributed({ layer: sum('wrapped') });
    expect([sum('out'), wrapper].map((layer) => layer.calculateLosses === calculateLosses)).toEqual([true, true]);
    expect(chain([1], sum('out')).calculateLosses).not.toBe(calculateLosses);
  });
});

describe('recurrent layers drop every regularizer', () => {
  const regularized = () => ({
    units: 1,
    kernelRegularizer: half(),
    recurrentRegularizer: half(),
    biasRegularizer: half(),
  });
  const cell = () => tf.layers.simpleRNNCell(regularized());

  it.each<[string, () => Layer, number[]]>([
    ['simpleRNN', () => tf.layers.simpleRNN(regularized()), [3]],
    ['lstm', () => tf.layers.lstm(regularized()), [3]],
    ['gru', () => tf.layers.gru(regularized()), [3]],
    ['rnn of a cell', () => tf.layers.rnn({ cell: cell() }), [3]],
    ['rnn of two cells', () => tf.layers.rnn({ cell: [cell(), cell()] }), [3, 3]],
    ['bidirectional', () => tf.layers.bidirectional({ layer: tf.layers.lstm(regularized()) }), [3, 3]],
    ['convLstm2d', () => tf.layers.convLstm2d({ ...regularized(), filters: 1, kernelSize: 1 }), [3]],
  ])('%s: its cells have penalties, which neither it nor the model lists', (name, build, expected) => {
    const layer = build();
    const model = chain(name === 'convLstm2d' ? [2, 3, 3, 1] : [2, 1], layer);
    expect(cells(layer).map(({ losses }) => losses.length)).toEqual(expected);
    expect(layer.losses).toEqual([]);
    expect(penalties(model)).toEqual([]);
  });

  it('so the training loss lacks them', async () => {
    const ones = { kernelInitializer: 'ones', recurrentInitializer: 'ones', biasInitializer: 'ones' } as const;
    const layer = tf.layers.simpleRNN({ ...regularized(), ...ones, activation: 'linear' });
    // One time step: 1 * 1 + 0 * 1 + 1 = 2, against 0 a data loss of 4. Three weights of one: penalties of 1.5, dropped.
    const model = compiled(chain([1, 1], layer));
    expect(await model.trainOnBatch(tf.ones([1, 1, 1]), tf.zeros([1, 1]))).toBe(4);
  });

  it('but timeDistributed forwards those of the layer that it wraps', () => {
    const layer = sum('wrapped', { kernelRegularizer: half() });
    const wrapper = tf.layers.timeDistributed({ layer });
    // The kernel is [1, 1]: 0.5 * (1 + 1).
    expect(penalties(chain([3, 2], wrapper))).toEqual([1]);
    expect(wrapper.losses).toBe(layer.losses);
  });

  it('unless it wraps a model', () => {
    const layer = chain([2], sum('inner', { kernelRegularizer: half() }));
    expect(penalties(layer)).toEqual([1]);
    expect(penalties(chain([3, 2], tf.layers.timeDistributed({ layer })))).toEqual([]);
  });
});

describe('an activityRegularizer', () => {
  const args = (more: object) => ({ ...more, activityRegularizer: half() }) as never;

  it.each<[string, number[], () => tfjs.layers.Layer]>([
    ['dense', [2], () => sum('out', { activityRegularizer: half() })],
    ['conv1d', [4, 2], () => tf.layers.conv1d(args({ filters: 1, kernelSize: 1 }))],
    ['conv2d', [4, 4, 1], () => tf.layers.conv2d(args({ filters: 1, kernelSize: 1 }))],
    ['embedding', [3], () => tf.layers.embedding(args({ inputDim: 3, outputDim: 2 }))],
  ])('throws when the layer is called: %s', (_, shape, make) => {
    expect(() => chain(shape, make())).toThrow('activity regularizer(s) is not supported yet');
  });

  it.each<[string, number[], () => tfjs.layers.Layer]>([
    ['lstm', [3, 2], () => tf.layers.lstm(args({ units: 1 }))],
    ['gru', [3, 2], () => tf.layers.gru(args({ units: 1 }))],
    ['simpleRNN', [3, 2], () => tf.layers.simpleRNN(args({ units: 1 }))],
    ['batchNormalization', [2], () => tf.layers.batchNormalization(args({}))],
    ['activation', [2], () => tf.layers.activation(args({ activation: 'relu' }))],
    ['reshape', [2], () => tf.layers.reshape(args({ targetShape: [1, 2] }))],
  ])('is not even kept: %s', (_, shape, make) => {
    const model = chain(shape, make());
    expect(model.layers[1]!.activityRegularizer ?? null).toBeNull();
    expect(penalties(model)).toEqual([]);
  });
});

describe('a model that Keras saved with an l1 or l2 regularizer does not load', () => {
  const saved = (className: string, config: object) => {
    const regularizer = { module: 'keras.regularizers', class_name: className, config, registered_name: null };
    const layer = { name: 'out', units: 1, batch_input_shape: [null, 2], kernel_regularizer: regularizer };
    const layers = [{ class_name: 'Dense', config: layer }];
    const topology = { class_name: 'Sequential', config: { name: 'saved', layers }, backend: 'tensorflow' };
    return tf.models.modelFromJSON(topology as unknown as tfjs.io.ModelJSON);
  };

  it.each([
    ['L1', { l1: 0.5 }],
    ['L2', { l2: 0.5 }],
  ])('%s', async (className, config) => {
    await expect(saved(className, config)).rejects.toThrow(`Unknown regularizer: ${className}`);
  });

  it('while one with both does', async () => {
    const model = (await saved('L1L2', { l1: 0.5, l2: 0.25 })) as tfjs.Sequential;
    model.setWeights([tf.ones([2, 1]), tf.zeros([1])]);
    // Two weights of one: 0.5 * 2 + 0.25 * 2.
    expect(penalties(model)).toEqual([1.5]);
  });
});

describe('regularizers that are not what was written', () => {
  const depthwise = (args: object) =>
    tf.layers.depthwiseConv2d({ kernelSize: 1, depthwiseInitializer: 'ones', name: 'depthwise', ...args });

  it('l1l2 with one rate puts 0.01 for the other', () => {
    expect(tf.regularizers.l1l2({ l2: 0.5 }).getConfig()).toEqual({ l1: 0.01, l2: 0.5 });
    expect(tf.regularizers.l1l2({ l1: 0.5 }).getConfig()).toEqual({ l1: 0.5, l2: 0.01 });
  });

  it('depthwiseConv2d takes depthwiseRegularizer and ignores kernelRegularizer', () => {
    // A 1 x 1 kernel of ones for each of two channels: 0.5 * (1 + 1).
    expect(penalties(chain([3, 3, 2], depthwise({ depthwiseRegularizer: half() })))).toEqual([1]);
    expect(penalties(chain([3, 3, 2], depthwise({ kernelRegularizer: half() })))).toEqual([]);
  });

  it('one that is assigned after the build does nothing', () => {
    const layer = sum('out');
    const model = chain([2], layer);
    (layer as unknown as { kernelRegularizer: object }).kernelRegularizer = half();
    expect(penalties(model)).toEqual([]);
  });

  it("'l1l2' works as a string, 'l1' and 'l2' throw", () => {
    // Two weights of one: 0.01 * 2 + 0.01 * 2.
    expect(penalties(chain([2], sum('out', { kernelRegularizer: 'l1l2' })))[0]).toBeNear(0.04);
    expect(() => sum('out', { kernelRegularizer: 'l2' })).toThrow('Unknown regularizer: l2');
    expect(() => sum('out', { kernelRegularizer: 'l1' })).toThrow('Unknown regularizer: l1');
  });

  it('depthwiseConv2d saves its regularizer as its constraint too, so that no weights can be loaded', async () => {
    const model = chain([3, 3, 2], depthwise({ depthwiseRegularizer: half() }));
    const modelTopology = model.toJSON(null, false) as unknown as tfjs.io.ModelJSON;
    const loaded = await tf.models.modelFromJSON(modelTopology);
    // As a constraint, the regularizer's scalar is to replace the kernel.
    expect(() => loaded.setWeights(model.getWeights())).toThrow(
      'shape of the new value () and previous value (1,1,2,1)',
    );
  });
});
