import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, evaluate, regularizationTerms, trainStep } from 'tfjs-decomposed-loss';
import { addWeightDecay, enforceRegularizers, type DecayedWeight } from 'tfjs-decomposed-loss/regularizers';
import { enforcedCases, kerasCases } from '../fixtures/cases';
import { kerasCase } from '../fixtures/keras';
import { isForBackend, tf, trainsConvolutions } from '../helpers/backend';
import { penalty } from '../helpers/float64';
import { data, fillWeights, state } from '../helpers/models';

type Layer = tfjs.layers.Layer;
type Chain = Array<Layer | tfjs.LayersModel>;

const chain = (x: tfjs.SymbolicTensor, ...layers: Chain) =>
  layers.reduce((h, layer) => layer.apply(h) as tfjs.SymbolicTensor, x);

function functional(shape: number[], ...layers: Chain): tfjs.LayersModel {
  const inputs = tf.input({ shape });
  return compiled(tf.model({ inputs, outputs: chain(inputs, ...layers) }));
}

function compiled<M extends tfjs.LayersModel>(model: M): M {
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.05) });
  return fillWeights(model);
}

const dense = (name: string, units: number, args: Partial<Parameters<typeof tf.layers.dense>[0]> = {}) =>
  tf.layers.dense({ name, units, ...args });

const paths = (weights: DecayedWeight[]) => weights.map(({ layer, weight }) => `${layer}/${weight}`);

/** `fit` reports the loss before its one step. */
async function lossOf(model: tfjs.LayersModel): Promise<number> {
  const [x, y] = batch(model);
  const { history } = await model.fit(x, y, { batchSize: 100, epochs: 1, shuffle: false, verbose: 0 });
  tf.dispose([x, y]);
  return history['loss']![0] as number;
}

const batch = (model: tfjs.LayersModel) =>
  [model.inputs, model.outputs].map(([tensor], i) => data([6, ...(tensor!.shape.slice(1) as number[])], i + 1)) as [
    tfjs.Tensor,
    tfjs.Tensor,
  ];

const sumOfTerms = (model: tfjs.LayersModel) => regularizationTerms(model).reduce((sum, { value }) => sum + value, 0);

function weightOf(model: tfjs.LayersModel, name: string): tfjs.Tensor {
  return model.weights.find(({ originalName }) => originalName === name)!.read();
}

describe('against Keras, whose layers were declared with the same regularizers', () => {
  const cases = [...kerasCases, ...enforcedCases].filter((one) => isForBackend(one) && one.expected.terms.length > 0);

  /** A weight's name in Keras; TensorFlow.js leaves out the cell. */
  const names = (keras: string) => [keras, keras.replace(/[^/]+\/([^/]+)$/, '$1')];

  async function stripped({ model, dispose }: { model: tfjs.LayersModel; dispose(): void }): Promise<tfjs.LayersModel> {
    const json = JSON.stringify(model.toJSON(null, false), (key, value: unknown) =>
      key.endsWith('_regularizer') || key === 'depthwise_constraint' ? null : value,
    );
    const depth = model.layers.map((layer) => (layer as unknown as { depthMultiplier?: number }).depthMultiplier);
    dispose();
    const topology = JSON.parse(json) as { model_config?: unknown; config: { layers: Array<{ config: object }> } };
    // The host does not save it for a SeparableConv2D.
    topology.config.layers.forEach(
      ({ config }, i) => depth[i] && Object.assign(config, { depth_multiplier: depth[i] }),
    );
    return tf.models.modelFromJSON(topology as never);
  }

  it.each(cases)('$name', async ({ name, build, expected }) => {
    const bare = await stripped(build(tf));
    const { model, x, y, fitArgs, dispose } = kerasCase(name, () => bare).build(tf);
    expect(regularizationTerms(model)).toEqual([]);
    for (const { weight: keras, l1, l2 } of expected.terms) {
      const { added } = addWeightDecay(model, {
        l1,
        l2,
        include: (_, { originalName }) => names(keras).includes(originalName),
      });
      expect(added).toHaveLength(1);
    }
    const { history } = await model.fit(x, y, { ...fitArgs, callbacks: decomposedLoss() });
    expected.epochs.forEach((epoch, i) => {
      expect((history['loss']![i] as number) / epoch.total).toBeNear(1, 1e-5);
      expect((history['regularization_loss']![i] as number) / epoch.regularization).toBeNear(1, 1e-5);
    });
    for (const { name: keras, sumOfSquares } of expected.finalWeights) {
      const weight = model.weights.find(({ originalName }) => names(keras).includes(originalName))!;
      expect(penalty(weight.read(), { l2: 1 }) / (sumOfSquares || 1)).toBeNear(sumOfSquares && 1, 1e-4);
    }
    dispose();
  });
});

describe('against the host, whose layers were declared with the same regularizers', () => {
  type Build = (regularizer: () => object) => tfjs.LayersModel;
  const kernelRegularizer = () => ({ kernelRegularizer: tf.regularizers.l1l2({ l1: 0.02, l2: 0.1 }) });

  const models: Array<[string, Build]> = [
    [
      'Sequential',
      (r) => compiled(tf.sequential({ layers: [dense('a', 3, { inputShape: [4], ...r() }), dense('b', 1, r())] })),
    ],
    [
      'nested',
      (r) => {
        const inner = tf.sequential({ name: 'inner', layers: [dense('a', 3, { inputShape: [4], ...r() })] });
        return functional([4], inner, dense('b', 1, r()));
      },
    ],
    [
      'Sequential in Sequential',
      (r) => {
        const inner = tf.sequential({ name: 'inner', layers: [dense('a', 3, { inputShape: [4], ...r() })] });
        return compiled(tf.sequential({ layers: [inner, dense('b', 1, r())] }));
      },
    ],
    [
      'TimeDistributed',
      (r) =>
        functional(
          [5, 4],
          tf.layers.timeDistributed({ name: 'distributed', layer: dense('a', 3, r()) }),
          tf.layers.globalAveragePooling1d({}),
          dense('b', 1, r()),
        ),
    ],
  ];
  if (trainsConvolutions) {
    models.push([
      'convolutions',
      (r) =>
        functional(
          [6, 6, 2],
          tf.layers.conv2d({ name: 'conv', filters: 2, kernelSize: 3, ...r() }),
          tf.layers.flatten(),
          dense('b', 1, r()),
        ),
    ]);
  }

  it.each(models)('trains to the same weights, bit for bit: %s', async (_, build) => {
    const [declared, decayed] = [build(kernelRegularizer), build(() => ({}))];
    addWeightDecay(decayed, { l1: 0.02, l2: 0.1 });
    expect(regularizationTerms(decayed)).toEqual(regularizationTerms(declared));
    const [x, y] = batch(declared);
    const args = { epochs: 3, batchSize: 2, shuffle: false, verbose: 0 as const };
    const { history } = await decayed.fit(x, y, args);
    expect(history).toEqual((await declared.fit(x, y, args)).history);
    expect(await state(decayed)).toEqual(await state(declared));
  });
});

describe('a weight that is used several times', () => {
  it('counts once a step, in a layer that is called twice', async () => {
    const shared = dense('shared', 4, { biasRegularizer: tf.regularizers.l1({ l1: 0.3 }) });
    const build = () => functional([4], shared, shared, dense('out', 1));
    const model = build();
    const before = await lossOf(model);
    fillWeights(model);
    addWeightDecay(model, { l2: 0.1, include: 'shared' });
    const kernel = penalty(weightOf(model, 'shared/kernel'), { l2: 0.1 });
    expect(regularizationTerms(model)).toMatchObject([
      { layer: 'shared', weight: 'kernel', kind: 'l2', l2: 0.1, calls: 1, value: expect.closeTo(kernel, 5) },
      { layer: 'shared', weight: 'bias', kind: 'l1', l1: 0.3, calls: 2 },
    ]);
    expect(await lossOf(model)).toBeNear(before + kernel, 1e-5);
  });

  it('counts once a step, in a model that is called twice', async () => {
    const x = tf.input({ shape: [4] });
    const inner = tf.model({ inputs: x, outputs: chain(x, dense('a', 4)), name: 'inner' });
    const model = functional([4], inner, inner, dense('out', 1));
    const before = await lossOf(model);
    fillWeights(model);
    const { added } = addWeightDecay(model, { l2: 0.1, exclude: 'out' });
    expect(paths(added)).toEqual(['inner/a/kernel']);
    const kernel = penalty(weightOf(model, 'a/kernel'), { l2: 0.1 });
    expect(regularizationTerms(model)).toMatchObject([{ layer: 'inner/a', weight: 'kernel', l2: 0.1, calls: 1 }]);
    expect(await lossOf(model)).toBeNear(before + kernel, 1e-5);
  });

  it('counts once a step where every layer is called twice', async () => {
    const inputs = tf.input({ shape: [4] });
    const inner = tf.model({ inputs, outputs: chain(inputs, dense('a', 4)), name: 'inner' });
    const model = compiled(tf.model({ inputs, outputs: chain(inputs, inner, inner) }));
    const before = await lossOf(model);
    fillWeights(model);
    addWeightDecay(model, { l2: 0.1 });
    const kernel = penalty(weightOf(model, 'a/kernel'), { l2: 0.1 });
    expect(sumOfTerms(model)).toBeNear(kernel, 1e-5);
    expect(await lossOf(model)).toBeNear(before + kernel, 1e-5);
  });

  it('counts once a step in a wrapped layer that is also called bare', async () => {
    const a = dense('a', 4);
    const distributed = tf.layers.timeDistributed({ name: 'distributed', layer: a });
    const model = functional([3, 4], distributed, tf.layers.globalAveragePooling1d({}), a);
    const before = await lossOf(model);
    fillWeights(model);
    expect(paths(addWeightDecay(model, { l2: 0.1 }).added)).toEqual(['distributed/a/kernel']);
    const kernel = penalty(weightOf(model, 'distributed/kernel'), { l2: 0.1 });
    expect(regularizationTerms(model)).toMatchObject([{ layer: 'distributed/a', weight: 'kernel', l2: 0.1, calls: 1 }]);
    expect(await lossOf(model)).toBeNear(before + kernel, 1e-5);
  });
});

const recurrent = (regularizer?: ReturnType<typeof tf.regularizers.l2>) =>
  functional([3, 4], tf.layers.lstm({ name: 'lstm', units: 2, kernelRegularizer: regularizer }), dense('out', 1));

describe('a weight that has a regularizer', () => {
  it('is left alone, also where the host drops the regularizer', () => {
    const model = recurrent(tf.regularizers.l2({ l2: 0.5 }));
    const { added, leftAlone } = addWeightDecay(model, { l2: 0.1 });
    expect(paths(added)).toEqual(['lstm/recurrent_kernel', 'out/kernel']);
    expect(paths(leftAlone)).toEqual(['lstm/kernel']);
  });

  it('is left alone where a layer answers with penalties of its own making', () => {
    const regularizer = tf.regularizers.l2({ l2: 0.5 });
    class Own extends tf.layers.Layer {
      static className = 'Own';
      override build() {
        this.addWeight('kernel', [1], 'float32', tf.initializers.ones());
        this.built = true;
      }
      override calculateLosses() {
        return [regularizer.apply(this.weights[0]!.read())];
      }
      override call(x: tfjs.Tensor | tfjs.Tensor[]) {
        return tf.mul([x].flat()[0]!, this.weights[0]!.read());
      }
    }
    const own = new Own({ name: 'own' });
    const model = functional([4], own, dense('out', 1));
    expect(paths(addWeightDecay(model, { l2: 0.1 }).leftAlone)).toEqual(['own/kernel']);
    const bias = addWeightDecay(model, { l2: 0.1, include: 'own', alsoRegularized: true });
    expect(paths(bias.added)).toEqual(['own/kernel']);
    expect(regularizationTerms(model).filter(({ layer }) => layer === 'own')).toMatchObject([{ l2: 0.1 }, { l2: 0.5 }]);
  });

  it('is penalised on top of it when asked', () => {
    const model = functional([4], dense('a', 2, { kernelRegularizer: tf.regularizers.l2({ l2: 0.5 }) }), dense('b', 1));
    const { added } = addWeightDecay(model, { l2: 0.1, include: 'a', alsoRegularized: true });
    expect(paths(added)).toEqual(['a/kernel']);
    expect(regularizationTerms(model)).toMatchObject([{ l2: 0.5 }, { l2: 0.1 }]);
  });

  it.each([false, true])('of an earlier call is never doubled: alsoRegularized %s', async (alsoRegularized) => {
    const shared = dense('shared', 4);
    const model = functional([4], shared, shared, dense('out', 1));
    const first = addWeightDecay(model, { l2: 0.1, alsoRegularized });
    const loss = await lossOf(model);
    fillWeights(model);
    const second = addWeightDecay(model, { l2: 0.7, alsoRegularized });
    expect(second.added).toEqual([]);
    expect(second.leftAlone).toEqual(first.added);
    expect(await lossOf(model)).toBe(loss);
  });
});

describe('in a model whose input is called with the layers', () => {
  /** An encoder and a model around it that have one input, which is the usual way to make an autoencoder. */
  const build = (...after: tfjs.layers.Layer[]) => {
    const input = tf.input({ shape: [4] });
    const inner = tf.model({ inputs: input, outputs: dense('shared', 4).apply(input) as tfjs.SymbolicTensor });
    const twice = inner.apply(inner.apply(input)) as tfjs.SymbolicTensor;
    const outputs = after.reduce((flow, layer) => layer.apply(flow) as tfjs.SymbolicTensor, twice);
    const model = tf.model({ inputs: input, outputs });
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
    return fillWeights(model);
  };

  it('counts a weight once where each layer is called several times', async () => {
    const model = build();
    const before = await trainStep(model, data([3, 4]), data([3, 4]));
    addWeightDecay(model, { l1: 0.3, l2: 0.1 });
    const { total, regularization } = await trainStep(model, data([3, 4]), data([3, 4]));
    expect(regularization).toBeNear(penalty(weightOf(model, 'shared/kernel'), { l1: 0.3, l2: 0.1 }));
    expect(total).toBeNear(before.total + regularization);
  });

  it('attaches it to a layer that is called once, if there is one', () => {
    const model = build(dense('out', 1));
    addWeightDecay(model, { l2: 0.1 });
    expect(regularizationTerms(model).map(({ calls }) => calls)).toEqual([1, 1]);
  });
});

it('acts in another model too on a layer that is called once, and on one that is shared in this model alone', () => {
  const [once, shared] = [dense('once', 4), dense('shared', 4)];
  const model = functional([4], once, shared, shared);
  const other = functional([4], once, shared);
  addWeightDecay(model, { l2: 0.1 });
  const rows = (one: tfjs.LayersModel) => regularizationTerms(one).map(({ layer, calls }) => [layer, calls]);
  expect([rows(model), rows(other)]).toEqual([
    expect.arrayContaining([
      ['once', 1],
      ['shared', 1],
    ]),
    [['once', 1]],
  ]);
});

it('includes frozen weights', () => {
  const model = functional([4], dense('frozen', 2, { trainable: false }), dense('out', 1));
  expect(paths(addWeightDecay(model, { l2: 0.1 }).added)).toEqual(['frozen/kernel', 'out/kernel']);
  expect(regularizationTerms(model)).toHaveLength(2);
});

it('asks no regularizer that is there', () => {
  let calls = 0;
  const counting = tf.regularizers.l2({ l2: 0.1 });
  const apply = counting.apply.bind(counting);
  counting.apply = (weight) => {
    calls += 1;
    return apply(weight);
  };
  const model = functional([4], dense('a', 2, { kernelRegularizer: counting }), dense('b', 1));
  const { leftAlone } = addWeightDecay(model, { l2: 0.1 });
  expect([calls, paths(leftAlone)]).toEqual([0, ['a/kernel']]);
});

describe('restore', () => {
  it('leaves nothing, so that the model trains as one that was never touched', async () => {
    const build = () =>
      functional([4], dense('a', 4, { kernelRegularizer: tf.regularizers.l2({ l2: 0.5 }) }), dense('b', 1));
    const [touched, untouched] = [build(), build()];
    const { restore } = addWeightDecay(touched, { l1: 0.3, alsoRegularized: true });
    expect(regularizationTerms(touched)).toHaveLength(3);
    await lossOf(touched);
    await lossOf(untouched);
    fillWeights(untouched);
    fillWeights(touched);
    restore();
    restore();
    expect(regularizationTerms(touched)).toEqual(regularizationTerms(untouched));
    expect(touched.layers.map(({ losses }) => losses.length)).toEqual(
      untouched.layers.map(({ losses }) => losses.length),
    );
    expect(await lossOf(touched)).toBe(await lossOf(untouched));
    expect(await state(touched)).toEqual(await state(untouched));
  });

  it('takes the penalty of a shared layer away', () => {
    const shared = dense('shared', 4);
    const model = functional([4], shared, shared, dense('out', 1));
    const { restore } = addWeightDecay(model, { l2: 0.1 });
    expect(regularizationTerms(model)).toHaveLength(2);
    restore();
    expect(regularizationTerms(model)).toEqual([]);
    expect(model.layers.flatMap(({ losses }) => losses)).toEqual([]);
  });

  it('takes away its own penalties only, and lets them be added again', () => {
    const model = functional([4], dense('a', 2), dense('b', 1));
    const first = addWeightDecay(model, { l2: 0.1, include: 'a' });
    addWeightDecay(model, { l2: 0.2, include: 'b' });
    first.restore();
    expect(regularizationTerms(model)).toMatchObject([{ layer: 'b', l2: 0.2 }]);
    expect(paths(addWeightDecay(model, { l2: 0.3 }).added)).toEqual(['a/kernel']);
  });

  it('refuses where something else replaced a penalty, and changes nothing then', () => {
    const model = functional([4], dense('a', 2), dense('b', 1));
    const { restore } = addWeightDecay(model, { l2: 0.1 });
    const { losses } = model.getLayer('b');
    const [replaced] = losses.splice(0, 1, () => tf.scalar(0));
    expect(() => restore()).toThrow('to be where it put them, got some that something else replaced since. Undo later');
    expect(model.getLayer('a').losses).toHaveLength(1);
    losses.splice(0, 1, replaced!);
    restore();
    expect(regularizationTerms(model)).toEqual([]);
  });
});

describe('the model', () => {
  it('is saved as without it', async () => {
    const model = functional([4], dense('a', 2), dense('b', 1));
    const saved = async () => {
      let all: tfjs.io.ModelArtifacts | undefined;
      await model.save(
        tf.io.withSaveHandler(async (artifacts) => {
          all = artifacts;
          return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
        }),
      );
      return all!;
    };
    const before = await saved();
    addWeightDecay(model, { l2: 0.1 });
    const after = await saved();
    expect(after).toEqual(before);
    const loaded = await tf.loadLayersModel(tf.io.fromMemory(after));
    expect(paths(addWeightDecay(loaded, { l2: 0.1 }).added)).toEqual(['a/kernel', 'b/kernel']);
  });

  it('keeps the penalties when it is compiled again', () => {
    const inner = tf.sequential({ layers: [dense('a', 4, { inputShape: [4] })], name: 'inner' });
    const model = tf.sequential({ layers: [dense('first', 4, { inputShape: [4] }), inner, inner] });
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    addWeightDecay(model, { l2: 0.1 });
    const terms = regularizationTerms(model);
    expect(terms).toMatchObject([
      { layer: 'inner/a', calls: 1 },
      { layer: 'first', calls: 1 },
    ]);
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    expect(regularizationTerms(model)).toEqual(terms);
  });

  it('reports them in evaluation and in each epoch, by weight', async () => {
    const bidirectional = tf.layers.bidirectional({
      name: 'both',
      layer: tf.layers.simpleRNN({ units: 2, name: 'rnn' }),
      mergeMode: 'concat',
    });
    const model = functional([3, 4], bidirectional, dense('out', 1));
    const { added } = addWeightDecay(model, { l2: 0.1 });
    expect(paths(added)).toEqual([
      'both/forward_rnn/kernel',
      'both/forward_rnn/recurrent_kernel',
      'both/backward_rnn/kernel',
      'both/backward_rnn/recurrent_kernel',
      'out/kernel',
    ]);
    const kernels = model.weights.filter(({ originalName }) => originalName.endsWith('kernel'));
    const expected = kernels.reduce((sum, weight) => sum + penalty(weight.read(), { l2: 0.1 }), 0);
    const [x, y] = batch(model);
    expect((await evaluate(model, x, y)).regularization).toBeNear(expected, 1e-5);
    const { history } = await model.fit(x, y, { verbose: 0, callbacks: decomposedLoss({ breakdown: 'weight' }) });
    const keys = Object.keys(history).filter((key) => key.startsWith('regularization_loss/'));
    expect(keys).toEqual(paths(added).map((path) => `regularization_loss/${path}`));
  });

  it('penalises a model within a TimeDistributed, of which the host drops what is declared', async () => {
    const inner = tf.sequential({ name: 'inner', layers: [dense('a', 2, { inputShape: [4] })] });
    const distributed = tf.layers.timeDistributed({ name: 'distributed', layer: inner });
    const model = functional([3, 4], distributed, tf.layers.globalAveragePooling1d({}));
    const before = await lossOf(model);
    fillWeights(model);
    expect(paths(addWeightDecay(model, { l2: 0.1 }).added)).toEqual(['distributed/inner/a/kernel']);
    const kernel = penalty(model.getWeights()[0]!, { l2: 0.1 });
    expect(regularizationTerms(model)).toMatchObject([{ layer: 'distributed/inner/a', weight: 'kernel', l2: 0.1 }]);
    expect(await lossOf(model)).toBeNear(before + kernel, 1e-5);
  });

  it('has no tensor more after training, and after restore', async () => {
    const shared = dense('shared', 4);
    const model = functional([4], shared, shared, dense('out', 1));
    await lossOf(model);
    const before = tf.memory().numTensors;
    const { restore } = addWeightDecay(model, { l1: 0.1, l2: 0.1 });
    for (let i = 0; i < 5; i++) await lossOf(model);
    expect(tf.memory().numTensors).toBe(before);
    restore();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('together with enforceRegularizers', () => {
  const build = () => {
    const shared = dense('shared', 4, { biasRegularizer: tf.regularizers.l1({ l1: 0.3 }) });
    const rnn = tf.layers.simpleRNN({ name: 'rnn', units: 4, kernelRegularizer: tf.regularizers.l2({ l2: 0.5 }) });
    return functional([3, 4], rnn, shared, shared, dense('out', 1));
  };
  const decay = (model: tfjs.LayersModel) => addWeightDecay(model, { l2: 0.1 });
  const enforce = (model: tfjs.LayersModel) => enforceRegularizers(model);

  it.each([
    ['before', [decay, enforce]],
    ['after', [enforce, decay]],
  ] as const)('adds each penalty once, %s it', async (_, [first, second]) => {
    const model = build();
    const before = await lossOf(build());
    const undo = [first(model), second(model)];
    const all: Array<[string, number, { l1?: number; l2?: number }]> = [
      ['out/kernel', 1, { l2: 0.1 }],
      ['rnn/kernel', 1, { l2: 0.5 }],
      ['rnn/recurrent_kernel', 1, { l2: 0.1 }],
      ['shared/bias', 1, { l1: 0.3 }],
      ['shared/kernel', 1, { l2: 0.1 }],
    ];
    const rows = regularizationTerms(model).map(({ layer, weight, calls }) => [`${layer}/${weight}`, calls]);
    expect(rows.sort()).toEqual(all.map(([path, calls]) => [path, calls]));
    const expected = all.reduce((sum, [path, , args]) => sum + penalty(weightOf(model, path), args), 0);
    const dropped = penalty(weightOf(model, 'shared/bias'), { l1: 2 * 0.3 });
    expect(await lossOf(model)).toBeNear(before - dropped + expected, 1e-5);
    fillWeights(model);
    undo.reverse().forEach(({ restore }) => restore());
    expect(regularizationTerms(model)).toEqual(regularizationTerms(build()));
  });
});

describe('arguments', () => {
  it.each([
    [{}, 'Expected `l1` or `l2` to be above 0, got an object with no keys.'],
    [undefined, 'Expected the arguments of `addWeightDecay` to be an object with `l1`, `l2`, `include`'],
    [{ l1: 0, l2: 0 }, 'Expected `l1` or `l2` to be above 0, got an object with `l1`, `l2`.'],
    [{ l2: -1 }, 'Expected `l2` of `addWeightDecay` to be a finite number, 0 or more, got -1 (number).'],
    [{ l1: NaN }, 'Expected `l1` of `addWeightDecay` to be a finite number, 0 or more, got NaN (number).'],
    [
      { l2: 0.1, exlude: 'a' },
      'Expected the arguments `l1`, `l2`, `include`, `exclude`, `alsoRegularized` of `addWeightDecay`, got `exlude`.',
    ],
    [{ l2: '0.1' }, "Expected `l2` of `addWeightDecay` to be a finite number, 0 or more, got '0.1'."],
  ])('%j is refused', (args, message) => {
    const model = functional([4], dense('a', 1));
    expect(() => addWeightDecay(model, args as never)).toThrow(message);
    expect(regularizationTerms(model)).toEqual([]);
  });

  it('one coefficient alone stands alone: no l1 of 0.01 beside an l2, as `tf.regularizers.l1l2({l2})` has', () => {
    const model = functional([4], dense('a', 1));
    addWeightDecay(model, { l2: 0.5 });
    expect(regularizationTerms(model)).toMatchObject([{ kind: 'l2', l1: 0, l2: 0.5, regularizer: 'L1L2' }]);
  });
});
