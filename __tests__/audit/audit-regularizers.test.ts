import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import type * as tfjs from '@tensorflow/tfjs';
import fc from 'fast-check';
import {
  activityRegularization,
  addWeightDecay,
  auditRegularizers,
  enforceRegularizers,
  type RegularizationFinding,
} from 'tfjs-decomposed-loss/regularizers';
import { backend, tf, trainsConvolutions } from '../helpers/backend';
import { penalty } from '../helpers/float64';
import { tensorsLeftBy } from '../helpers/memory';
import { data, fillWeights, regressor } from '../helpers/models';
import { buildNested, nestedRecipes } from '../helpers/random-nested-models';

type Layer = tfjs.layers.Layer;
type Regularizer = ReturnType<typeof tf.regularizers.l2>;

const l2 = (rate = 0.1) => tf.regularizers.l2({ l2: rate });
const dense = (args: Partial<Parameters<typeof tf.layers.dense>[0]> = {}) =>
  tf.layers.dense({ units: 2, kernelRegularizer: l2(), ...args });

/** The functional model of some layers, one after the other, which training leaves as it is. */
function chain(shape: number[], ...chained: Layer[]): tfjs.LayersModel {
  const inputs = tf.input({ shape });
  const outputs = chained.reduce((x, layer) => layer.apply(x) as tfjs.SymbolicTensor, inputs);
  return compiled(tf.model({ inputs, outputs }));
}

function compiled<M extends tfjs.LayersModel>(model: M): M {
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
  return fillWeights(model);
}

/** What the host's own training adds to the loss: its total, less its evaluation, which lacks the penalties. */
async function trainedPenalty(model: tfjs.LayersModel): Promise<number> {
  const shape = (tensor: tfjs.SymbolicTensor) => [2, ...tensor.shape.slice(1)] as number[];
  const [x, y] = [data(shape(model.inputs[0]!), 5), tf.zeros(shape(model.outputs[0]!))];
  const total = (await model.trainOnBatch(x, y)) as number;
  const [evaluated] = (model.evaluate(x, y) as tfjs.Scalar).dataSync();
  return total - evaluated!;
}

const weightOf = (model: tfjs.LayersModel, layer: string, weight: string): tfjs.Tensor =>
  model
    .getLayer(layer)
    .weights.find(({ originalName }) => originalName.endsWith(weight))!
    .read();

const codes = (model: tfjs.LayersModel) => auditRegularizers(model).findings.map(({ code }) => code);

/** Each finding as `code layer/weight`. */
const places = (model: tfjs.LayersModel) =>
  auditRegularizers(model).findings.map(({ code, layer, weight }) => `${code} ${layer}/${weight}`);

describe('a clean model has no findings', () => {
  it.each<[string, () => tfjs.LayersModel]>([
    ['a sequential one', () => regressor()],
    ['one without weights', () => chain([3], tf.layers.activation({ activation: 'relu' }))],
    ['a nested one', () => chain([3], chain([3], dense()), dense({ biasRegularizer: tf.regularizers.l1() }))],
    [
      'wrapped, embedded, normalized and convolved',
      () =>
        chain(
          [4],
          tf.layers.embedding({ inputDim: 5, outputDim: 4, embeddingsRegularizer: l2() }),
          tf.layers.timeDistributed({ layer: dense({ units: 4 }) }),
          tf.layers.batchNormalization({ gammaRegularizer: l2(), betaRegularizer: l2() }),
          tf.layers.reshape({ targetShape: [4, 4, 1] }),
          tf.layers.separableConv2d({
            filters: 2,
            kernelSize: 2,
            depthwiseRegularizer: l2(),
            pointwiseRegularizer: l2(),
            biasRegularizer: l2(),
          }),
          tf.layers.depthwiseConv2d({ kernelSize: 2, depthwiseRegularizer: l2() }),
          tf.layers.prelu({ alphaRegularizer: l2() }),
        ),
    ],
    [
      'with a frozen layer that has no regularizer',
      () => chain([3], tf.layers.dense({ units: 2, trainable: false }), dense()),
    ],
  ])('%s', (_, build) => {
    expect(auditRegularizers(build()).findings).toEqual([]);
  });
});

describe('regularizer-dropped', () => {
  const all = () => ({ units: 2, kernelRegularizer: l2(), recurrentRegularizer: l2(0.2), biasRegularizer: l2(0.3) });
  const cell = (name: string) => tf.layers.simpleRNNCell({ name, ...all() });
  const three = (path: string) =>
    ['kernel', 'recurrent_kernel', 'bias'].map((weight) => `regularizer-dropped ${path}/${weight}`);
  const inner = () => tf.sequential({ name: 'inner', layers: [dense({ name: 'd', inputShape: [2] })] });

  it.each<[string, number[], () => Layer, string[]]>([
    ['simpleRNN', [3, 2], () => tf.layers.simpleRNN({ name: 'r', ...all() }), three('r')],
    ['lstm', [3, 2], () => tf.layers.lstm({ name: 'r', ...all() }), three('r')],
    ['gru', [3, 2], () => tf.layers.gru({ name: 'r', ...all() }), three('r')],
    [
      'rnn',
      [3, 2],
      () => tf.layers.rnn({ name: 'r', cell: [cell('a'), cell('b')] }),
      [...three('r/a'), ...three('r/b')],
    ],
    [
      'bidirectional',
      [3, 2],
      () => tf.layers.bidirectional({ name: 'b', layer: tf.layers.gru({ name: 'g', ...all() }) }),
      [...three('b/forward_g'), ...three('b/backward_g')],
    ],
    [
      'convLstm2d',
      [2, 3, 3, 1],
      () => tf.layers.convLstm2d({ name: 'c', ...all(), filters: 1, kernelSize: 2 }),
      three('c'),
    ],
    [
      'timeDistributed around a model',
      [3, 2],
      () => tf.layers.timeDistributed({ name: 't', layer: inner() }),
      ['regularizer-dropped t/inner/d/kernel'],
    ],
    [
      'a Sequential in a Sequential',
      [2],
      () => tf.sequential({ name: 's', layers: [inner()] }),
      ['regularizer-dropped s/d/kernel'],
    ],
  ])('%s', async (name, shape, build, expected) => {
    const model = chain(shape, build());
    expect(places(model)).toEqual(expected);
    const { findings } = auditRegularizers(model);
    expect(findings.map(({ severity }) => severity)).not.toContain('information');
    expect(findings.map((finding) => finding.penalty!.applied)).toEqual(findings.map(() => 0));
    if (name !== 'convLstm2d' || trainsConvolutions) expect(await trainedPenalty(model)).toBeNear(0, 1e-5);
    // What it says is declared is what training adds once it is enforced.
    const declared = findings.reduce((sum, finding) => sum + finding.penalty!.declared, 0);
    enforceRegularizers(model);
    expect(codes(model)).toEqual([]);
    if (name !== 'convLstm2d' || trainsConvolutions) expect(await trainedPenalty(model)).toBeNear(declared, 1e-4);
  });

  it('says what is declared, what training applies, and the remedy', () => {
    const model = chain([3, 2], tf.layers.lstm({ name: 'lstm', units: 2, biasRegularizer: l2(0.5) }));
    expect(auditRegularizers(model).findings).toEqual([
      {
        code: 'regularizer-dropped',
        severity: 'warning',
        layer: 'lstm',
        weight: 'bias',
        declared: 'l2(0.5)',
        applied: 'nothing: TensorFlow.js leaves out recurrent cells',
        remedy: expect.stringContaining('`enforceRegularizers(model)`'),
        penalty: { declared: expect.closeTo(penalty(weightOf(model, 'lstm', 'bias'), { l2: 0.5 }), 5), applied: 0 },
      },
    ]);
  });

  it('is information where the weight is frozen, until it is freed', async () => {
    const frozen = tf.layers.lstm({ name: 'lstm', units: 2, trainable: false, recurrentRegularizer: l2() });
    const model = chain([3, 2], frozen, dense({ name: 'last' }));
    const [finding, ...others] = auditRegularizers(model).findings;
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      code: 'regularizer-dropped',
      severity: 'information',
      weight: 'recurrent_kernel',
      applied: 'nothing: TensorFlow.js leaves out recurrent cells, and the weight is frozen',
    });
    const last = penalty(weightOf(model, 'last', 'kernel'), { l2: 0.1 });
    expect(await trainedPenalty(model)).toBeNear(last, 1e-5);
    expect(finding!.remedy).toContain('`enforceRegularizers(model, {frozen: true})`');
    enforceRegularizers(model, { frozen: true });
    expect(codes(model)).toEqual([]);
    frozen.trainable = true;
    frozen.cell.trainable = true;
    compiled(model);
    const lstm = penalty(weightOf(model, 'lstm', 'recurrent_kernel'), { l2: 0.1 });
    const both = lstm + penalty(weightOf(model, 'last', 'kernel'), { l2: 0.1 });
    expect(await trainedPenalty(model)).toBeNear(both, 1e-5);
  });

  it('is silent where the regularizer does nothing', () => {
    const idle = tf.layers.lstm({ units: 2, kernelRegularizer: l2(0), recurrentRegularizer: l2(0) });
    expect(codes(chain([3, 2], idle))).toEqual(['coefficient-zero', 'coefficient-zero']);
  });
});

describe('penalty-counted-repeatedly', () => {
  it('for a shared layer and a shared model, as often as training adds it', async () => {
    const layer = dense({ name: 'twice' });
    const model = chain([2], layer, layer, dense({ name: 'once' }));
    const [finding, ...others] = auditRegularizers(model).findings;
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      code: 'penalty-counted-repeatedly',
      severity: 'warning',
      layer: 'twice',
      applied: 'twice: once a call',
    });
    const once = penalty(weightOf(model, 'once', 'kernel'), { l2: 0.1 });
    expect(finding!.penalty!.applied).toBeNear((await trainedPenalty(model)) - once, 1e-5);
    expect(finding!.penalty!.declared).toBeNear(penalty(weightOf(model, 'twice', 'kernel'), { l2: 0.1 }));

    const inner = chain([2], dense({ name: 'inside' }));
    const shared = chain([2], inner, inner, inner);
    expect(auditRegularizers(shared).findings).toMatchObject([
      { layer: `${inner.name}/inside`, weight: 'kernel', applied: '3 times: once a call' },
    ]);
    expect(auditRegularizers(shared).findings[0]!.penalty!.applied).toBeNear(await trainedPenalty(shared), 1e-5);
  });

  it('not when it is enforced once, and not for weight decay, which counts once by itself', () => {
    const layer = dense({ kernelRegularizer: undefined });
    const model = chain([2], layer, layer);
    addWeightDecay(model, { l2: 0.1 });
    expect(codes(model)).toEqual([]);
    const declared = dense();
    const shared = chain([2], declared, declared);
    enforceRegularizers(shared);
    expect(codes(shared)).toEqual([]);
  });
});

describe('nested-sequential-mismatch', () => {
  it('where the list of a Sequential lacks what its training adds', async () => {
    const inner = tf.sequential({ layers: [dense({ name: 'inside', inputShape: [2] })] });
    const model = compiled(tf.sequential({ layers: [inner, dense({ name: 'last' })] }));
    const [finding, ...others] = auditRegularizers(model).findings;
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ code: 'nested-sequential-mismatch', severity: 'information', layer: 'inside' });
    const listed = (model as unknown as { calculateLosses(): tfjs.Scalar[] }).calculateLosses();
    expect(listed).toHaveLength(1);
    expect(finding!.penalty!.applied).toBeNear((await trainedPenalty(model)) - listed[0]!.dataSync()[0]!, 1e-5);
  });

  it('not for a functional model that has a Sequential as a layer, enforced', () => {
    const inner = tf.sequential({ layers: [dense({ inputShape: [2] })] });
    const model = chain([2], tf.sequential({ layers: [inner] }));
    enforceRegularizers(model);
    expect(codes(model)).toEqual([]);
  });

  it('not for a plain Sequential, also when it is enforced', () => {
    const lstm = tf.layers.lstm({ units: 2, inputShape: [3, 2], kernelRegularizer: l2(), recurrentRegularizer: l2() });
    const model = compiled(tf.sequential({ layers: [lstm] }));
    enforceRegularizers(model);
    expect(codes(model)).toEqual([]);
    expect(codes(compiled(tf.sequential({ layers: [dense({ inputShape: [2] })] })))).toEqual([]);
  });
});

describe('frozen-layer-penalized', () => {
  it('while training still adds the penalty and leaves the weight alone', async () => {
    const model = chain([2], dense({ name: 'frozen', trainable: false }), dense({ name: 'last' }));
    const last = penalty(weightOf(model, 'last', 'kernel'), { l2: 0.1 });
    const [finding, ...others] = auditRegularizers(model).findings;
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ code: 'frozen-layer-penalized', severity: 'warning', layer: 'frozen' });
    expect(finding!.remedy).toContain('enforceRegularizers(model, {frozen: true})');
    expect(finding!.penalty!.applied).toBeNear((await trainedPenalty(model)) - last, 1e-5);
    enforceRegularizers(model, { frozen: true });
    expect(codes(model)).toEqual([]);
  });

  it('when frozen after compile, at once; when freed after compile, until the next', async () => {
    const layer = dense({ name: 'layer', kernelInitializer: 'ones' });
    const model = chain([2], layer, dense({ name: 'last' }));
    const moves = async () => {
      model.optimizer = tf.train.sgd(0.1);
      const before = weightOf(model, 'layer', 'kernel').arraySync();
      await model.trainOnBatch(data([2, 2]), tf.ones([2, 2]));
      return JSON.stringify(before) !== JSON.stringify(weightOf(model, 'layer', 'kernel').arraySync());
    };
    layer.trainable = false;
    expect(places(model)).toEqual(['frozen-layer-penalized layer/kernel', 'trainable-changed layer/null']);
    expect(await moves()).toBe(false);
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    layer.trainable = true;
    expect(places(model)).toEqual(['frozen-layer-penalized layer/kernel', 'trainable-changed layer/null']);
    expect(auditRegularizers(model).findings[0]!.remedy).toContain('`model.compile(...)` again');
    expect(await moves()).toBe(false);
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    expect(codes(model)).toEqual([]);
    expect(await moves()).toBe(true);
  });
});

describe('coefficients', () => {
  const declares = (kernelRegularizer: unknown) =>
    chain([2], dense({ kernelRegularizer: kernelRegularizer as Regularizer }));
  const { l1l2, l1 } = tf.regularizers;

  it.each<[string, Regularizer | string, string[]]>([
    ['implicit l1', l1l2({ l2: 0.5 }), ['implicit-coefficient']],
    ['implicit l2', l1l2({ l1: 0.5 }), ['implicit-coefficient']],
    ['both explicit', l1l2({ l1: 0.02, l2: 0.5 }), []],
    ['0.01 alone', l1({ l1: 0.01 }), []],
    ['0.01 and none', l1l2({ l1: 0.01, l2: 0 }), []],
    ['zero', l2(0), ['coefficient-zero']],
    ['negative', l2(-0.1), ['coefficient-negative']],
    ['negative beside positive', l1l2({ l1: -1, l2: 1 }), ['coefficient-negative']],
    ['NaN', l2(NaN), ['coefficient-not-finite']],
    ['infinite', l1({ l1: Infinity }), ['coefficient-not-finite']],
  ])('%s', async (_, regularizer, expected) => {
    const model = declares(regularizer);
    const audit = auditRegularizers(model);
    expect(audit.findings.map(({ code }) => code)).toEqual(expected);
    const trained = await trainedPenalty(model);
    audit.findings.forEach((finding) => {
      const { applied } = finding.penalty!;
      expect(Number.isFinite(applied)).toBe(Number.isFinite(trained));
      if (Number.isFinite(trained)) expect(applied).toBeNear(trained, 1e-5);
    });
  });

  it('says maybe where nothing tells a default from a value', () => {
    const [finding] = auditRegularizers(declares(l1l2({ l2: 0.5 }))).findings;
    expect(finding).toMatchObject({ severity: 'information', declared: 'l1l2(l1 = 0.01, l2 = 0.5)' });
    expect(finding!.remedy).toMatch(/^Maybe l1 = 0\.01 .*`l2\(\{l2: 0\.5\}\)`/);
    const [both] = auditRegularizers(declares('l1l2')).findings;
    expect(both).toMatchObject({ code: 'implicit-coefficient', severity: 'information' });
    expect(both!.remedy).toMatch(/^Maybe/);
  });

  it('not of weight decay, whose arguments have no such default', () => {
    const model = chain([2], tf.layers.dense({ units: 2 }));
    addWeightDecay(model, { l1: 0.01, l2: 0.5 });
    expect(codes(model)).toEqual([]);
  });
});

describe('assigned-after-build', () => {
  const assign = (layer: Layer, args: object) => Object.assign(layer, args);

  it('where the weights were there before the regularizer', async () => {
    const layer = tf.layers.dense({ units: 2, name: 'late' });
    const model = chain([2], layer);
    assign(layer, { kernelRegularizer: l2(0.5) });
    const [finding, ...others] = auditRegularizers(model).findings;
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      code: 'assigned-after-build',
      severity: 'warning',
      layer: 'late',
      weight: 'kernel',
      declared: 'kernelRegularizer: l2(0.5)',
      applied: 'nothing',
    });
    expect(finding!.penalty).toEqual({
      declared: expect.closeTo(penalty(weightOf(model, 'late', 'kernel'), { l2: 0.5 }), 5),
      applied: 0,
    });
    expect(await trainedPenalty(model)).toBeNear(0, 1e-5);
    expect(finding!.remedy).toContain('addWeightDecay');
  });

  it('where it replaces another, which goes on', async () => {
    const layer = dense({ name: 'late' });
    const model = chain([2], layer);
    assign(layer, { kernelRegularizer: l2(0.5) });
    const [finding] = auditRegularizers(model).findings;
    expect(finding!.applied).toBe('nothing of it, but l2(0.1) once');
    expect(finding!.penalty!.applied).toBeNear(await trainedPenalty(model), 1e-5);
  });

  it('on a recurrent layer, and on its cell', () => {
    const recurrent = tf.layers.simpleRNN({ units: 2, name: 'r' });
    const model = chain([3, 2], recurrent);
    assign(recurrent, { recurrentRegularizer: l2() });
    assign(recurrent.cell, { kernelRegularizer: l2() });
    expect(places(model)).toEqual(['assigned-after-build r/recurrent_kernel', 'assigned-after-build r/kernel']);
  });

  it('under the first of the paths that a shared layer has, once', () => {
    const layer = tf.layers.dense({ units: 2, name: 'late' });
    const [one, other] = [chain([2], layer), chain([2], layer)];
    const model = chain([2], one, other);
    assign(layer, { kernelRegularizer: l2() });
    expect(places(model)).toEqual([`assigned-after-build ${one.name}/late/kernel`]);
  });

  it('not before the build', async () => {
    const layer = tf.layers.dense({ units: 2, name: 'early' });
    assign(layer, { kernelRegularizer: l2(0.5) });
    const model = chain([2], layer);
    expect(codes(model)).toEqual([]);
    expect(await trainedPenalty(model)).toBeNear(penalty(weightOf(model, 'early', 'kernel'), { l2: 0.5 }), 1e-5);
  });

  it('not of a layer that computes its penalties itself', () => {
    class Own extends tf.layers.Layer {
      static className = 'OwnPenalty';
      kernelRegularizer = l2();
      override build(shape: tfjs.Shape): void {
        this.addWeight('kernel', [shape.at(-1)!, 2], 'float32', tf.initializers.ones());
        this.built = true;
      }
      override call(x: tfjs.Tensor | tfjs.Tensor[]): tfjs.Tensor {
        return tf.matMul([x].flat()[0]!, this.weights[0]!.read());
      }
      override computeOutputShape(): tfjs.Shape {
        return [null, 2];
      }
      override calculateLosses(): tfjs.Scalar[] {
        return [this.kernelRegularizer.apply(this.weights[0]!.read())];
      }
    }
    expect(codes(chain([2], new Own({}), dense()))).toEqual([]);
  });
});

describe('ignored-argument', () => {
  const depthwise = (args: object) => tf.layers.depthwiseConv2d({ kernelSize: 2, name: 'dw', ...args });
  const saved = (model: tfjs.LayersModel) =>
    model.toJSON(null, false) as { config: { layers: Array<{ config: object }> } };

  it('kernelRegularizer of a depthwiseConv2d, which only the saved form shows', () => {
    const model = chain([4, 4, 1], depthwise({ kernelRegularizer: l2() }));
    const topology = saved(model);
    expect(auditRegularizers(model, { topology }).findings).toMatchObject([{ code: 'no-regularizer' }]);
    const regularizer = { class_name: 'L2', config: { l2: 0.1 } };
    Object.assign(topology.config.layers[1]!.config, { kernel_regularizer: regularizer });
    expect(auditRegularizers(model, { topology }).findings).toMatchObject([
      {
        code: 'ignored-argument',
        severity: 'warning',
        layer: 'dw',
        weight: null,
        declared: 'kernelRegularizer: L2 {"l2":0.1}',
        applied: 'nothing',
        remedy: expect.stringContaining('takes `depthwiseRegularizer`'),
        penalty: null,
      },
    ]);
  });

  it('kernelRegularizer that the layer holds, and a biasRegularizer without a bias', () => {
    const layer = depthwise({});
    const model = chain(
      [4, 4, 1],
      layer,
      tf.layers.dense({ units: 1, name: 'd', useBias: false, biasRegularizer: l2() }),
    );
    Object.assign(layer, { kernelRegularizer: l2() });
    expect(auditRegularizers(model).findings).toMatchObject([
      { code: 'ignored-argument', severity: 'warning', layer: 'dw' },
      { code: 'ignored-argument', severity: 'information', layer: 'd', declared: 'biasRegularizer: l2(0.1)' },
    ]);
    expect(auditRegularizers(model, { topology: saved(model) })).toEqual(auditRegularizers(model));
  });

  it('not of what is used, in the topology of many kinds of layers', () => {
    const model = chain(
      [4, 4, 1],
      depthwise({ depthwiseRegularizer: l2() }),
      tf.layers.reshape({ targetShape: [9, 1] }),
      tf.layers.lstm({ units: 2, kernelRegularizer: l2(), recurrentRegularizer: l2(), returnSequences: true }),
      tf.layers.timeDistributed({ layer: dense() }),
    );
    enforceRegularizers(model);
    expect(auditRegularizers(model, { topology: saved(model) }).findings).toEqual([]);
  });

  it('refuses a topology that is none', () => {
    expect(() => auditRegularizers(regressor(), { topology: 'model.json' as never })).toThrow(
      "Expected `topology` of `auditRegularizers` to be the `modelTopology` of a saved model, got 'model.json'.",
    );
    expect(() => auditRegularizers(regressor(), { json: {} } as never)).toThrow('got `json`');
  });
});

describe('activity-regularizer-ignored', () => {
  it('where a wrapper keeps the host from refusing it', async () => {
    const wrapped = tf.layers.dense({ units: 2, name: 'inside', activityRegularizer: l2() });
    const model = chain([3, 2], tf.layers.timeDistributed({ layer: wrapped, name: 'td' }));
    expect(places(model)).toContain('activity-regularizer-ignored td/inside/null');
    expect(await trainedPenalty(model)).toBeNear(0, 1e-5);
  });

  it('and the remedy gives the mean over the time steps, as Keras does', async () => {
    const shape = [3, 2];
    const activityRegularizer = l2();
    const inner = tf.layers.dense({ units: 2, useBias: false, activityRegularizer });
    const { findings } = auditRegularizers(chain(shape, tf.layers.timeDistributed({ layer: inner })));
    const { remedy } = findings.find(({ code }) => code === 'activity-regularizer-ignored')!;
    const code = remedy.split('`').find((part) => part.startsWith('tf.layers'))!;
    const scope = { tf, activityRegularization, l1: 0, l2: 0.1 };
    const plain = tf.layers.timeDistributed({ layer: tf.layers.dense({ units: 2, useBias: false }) });
    const model = chain(shape, plain, runInNewContext(code, scope) as Layer);
    const activations = model.predict(data([2, ...shape], 5)) as tfjs.Tensor;
    // Over 2 samples and 3 time steps.
    expect(await trainedPenalty(model)).toBeNear(penalty(activations, { l2: 0.1 }) / (2 * 3), 1e-5);
  });

  it('in a topology, of a recurrent layer that drops it', () => {
    const model = chain([3, 2], tf.layers.gru({ units: 2, name: 'gru' }));
    const topology = { class_name: 'GRU', config: { name: 'gru', activity_regularizer: 'l1l2' } };
    expect(auditRegularizers(model, { topology }).findings).toMatchObject([
      { code: 'activity-regularizer-ignored', layer: 'gru', declared: 'activityRegularizer: "l1l2"' },
    ]);
  });
});

describe('kernel-without-regularizer', () => {
  it('is information on trainable kernels, where another kernel has a regularizer', () => {
    const bare = (name: string, args = {}) => tf.layers.dense({ units: 2, name, ...args });
    const model = chain([2], dense(), bare('bare'), bare('frozen', { trainable: false }));
    expect(auditRegularizers(model).findings).toMatchObject([
      { code: 'kernel-without-regularizer', severity: 'information', layer: 'bare', weight: 'kernel', penalty: null },
    ]);
    addWeightDecay(model, { l2: 0.1, include: 'bare' });
    expect(codes(model)).toEqual([]);
  });
});

describe('penalty-disagrees', () => {
  const scheduled = (rate: number) => {
    const regularizer = l2(rate);
    const model = chain([2], dense({ name: 'd', kernelRegularizer: regularizer }));
    Object.assign(regularizer, { l2: 0.5 });
    return model;
  };

  it('where a coefficient that was 0 is raised later: the host has switched it off', async () => {
    const model = scheduled(0);
    const [finding, ...others] = auditRegularizers(model).findings;
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ code: 'penalty-disagrees', severity: 'warning', layer: 'd', declared: 'l2(0.5)' });
    expect(finding!.penalty!.declared).toBeNear(penalty(weightOf(model, 'd', 'kernel'), { l2: 0.5 }), 1e-5);
    expect(finding!.penalty!.applied).toBeNear(await trainedPenalty(model), 1e-5);
  });

  it('where the sum of squares overflows float32', () => {
    const model = chain([2], dense({ name: 'd' }));
    model.setWeights([tf.fill([2, 2], 1e20), tf.zeros([2])]);
    expect(auditRegularizers(model).findings).toMatchObject([
      { code: 'penalty-disagrees', penalty: { declared: expect.closeTo(4e39, -35), applied: Infinity } },
    ]);
  });

  it('not where one above 0 is changed, which the host follows', async () => {
    const model = scheduled(0.1);
    expect(codes(model)).toEqual([]);
    expect(await trainedPenalty(model)).toBeNear(penalty(weightOf(model, 'd', 'kernel'), { l2: 0.5 }), 1e-5);
  });

  it('not for a large kernel in float32', () => {
    const model = chain([400], dense({ units: 300 }));
    expect(codes(model)).toEqual([]);
  });
});

describe('random nested models', () => {
  it('name each term that training drops or counts several times, none once it is enforced', async () => {
    await fc.assert(
      fc.asyncProperty(nestedRecipes, async (recipe) => {
        const { model, declared, penalty: once } = buildNested(recipe);
        const counted = new Set(['regularizer-dropped', 'penalty-counted-repeatedly']);
        const findings = auditRegularizers(model).findings.filter(({ code }) => counted.has(code));
        const [before, missing] = [await trainedPenalty(model), sum(findings, ({ declared: d, applied: a }) => d - a)];
        const frozen = declared.filter(({ weight }) => !model.trainableWeights.includes(weight));
        // The audit is silent on what a frozen weight lacks.
        if (frozen.length === 0) expect(before + missing).toBeNear(once(), 1e-3);
        enforceRegularizers(model);
        expect(codes(model).filter((code) => counted.has(code))).toEqual([]);
        expect(codes(model)).not.toContain('penalty-disagrees');
        expect(await trainedPenalty(model)).toBeNear(once(), 1e-3);
        model.dispose();
      }),
      { numRuns: 15, seed: 7 },
    );
  });

  const sum = (
    findings: readonly RegularizationFinding[],
    value: (penalty: { declared: number; applied: number }) => number,
  ) => findings.reduce((total, finding) => total + value(finding.penalty!), 0);
});

describe('the report', () => {
  const model = () =>
    chain(
      [3, 2],
      tf.layers.lstm({ name: 'lstm', units: 2, kernelRegularizer: l2(0.01) }),
      tf.layers.dense({ name: 'out', units: 1, kernelRegularizer: tf.regularizers.l1l2({ l2: 0.5 }) }),
    );

  it('is an aligned table with the remedies below', () => {
    const built = model();
    expect(auditRegularizers(built).toString()).toBe(
      `Regularization of \`${built.name}\`: 2 regularizers, 1 warning, 2 for information.

severity     finding                     layer  weight            declared                   training applies
warning      regularizer-dropped         lstm   kernel            l2(0.01)                   nothing: TensorFlow.js leaves out recurrent cells
information  implicit-coefficient        out    kernel            l1l2(l1 = 0.01, l2 = 0.5)  once
information  kernel-without-regularizer  lstm   recurrent_kernel  none                       nothing

regularizer-dropped: Call \`enforceRegularizers(model)\` before training: it adds what is declared, as Keras does. (Or declare none and call \`addWeightDecay(model, {l2: …})\`.)
implicit-coefficient: Maybe l1 = 0.01 was never written: \`l1l2({l2})\` fills it in, where Keras has 0. If so, use \`l2({l2: 0.5})\` or \`l1l2\` with both.
kernel-without-regularizer: If that is not meant, call \`addWeightDecay(model, {l2: …})\`, or give the layer a regularizer.`,
    );
  });

  it('is one line for a clean model', () => {
    const built = regressor();
    expect(String(auditRegularizers(built))).toBe(`Regularization of \`${built.name}\`: 3 regularizers, no findings.`);
  });

  it('prints what the guide shows', () => {
    const guide = readFileSync(join(__dirname, '../../docs/regularizers.md'), 'utf8');
    const [, shown] = /^```\n(Regularization of [^]*?)^```/m.exec(guide)!;
    const regularizer = () => l2(0.01);
    const forecast = tf.sequential({
      name: 'forecast',
      layers: [
        tf.layers.lstm({
          name: 'lstm',
          units: 2,
          inputShape: [3, 1],
          kernelRegularizer: regularizer(),
          recurrentRegularizer: regularizer(),
        }),
        dense({ units: 1, kernelRegularizer: regularizer() }),
      ],
    });
    const printed = auditRegularizers(compiled(forecast)).toString();
    const [beginning, end] = shown!.split('…');
    expect(printed).toContain(beginning);
    expect(end).toBe('\n');
  });

  it('prints itself, and counts for machines', () => {
    const log = jest.spyOn(console, 'log').mockImplementation(() => {});
    const audit = auditRegularizers(model());
    audit.print();
    expect(log).toHaveBeenCalledWith(audit.toString());
    log.mockRestore();
    const { findings } = audit;
    expect(JSON.parse(JSON.stringify(audit))).toEqual({
      model: audit.model,
      regularizers: 2,
      warnings: 1,
      information: 2,
      findings: JSON.parse(JSON.stringify(findings)) as unknown,
    });
  });

  it('leaves no tensor behind, and the model as it was', async () => {
    const built = model();
    const before = built.getWeights().map((weight) => weight.arraySync());
    expect(await tensorsLeftBy(async () => auditRegularizers(built))).toBe(0);
    expect(built.getWeights().map((weight) => weight.arraySync())).toEqual(before);
  });

  it.each([
    ['a model that is not built', () => tf.sequential(), 'Expected `model` to be built'],
    ['something else', () => ({}) as tfjs.LayersModel, 'Expected `model` to be a tf.LayersModel'],
  ])('refuses %s', (_, build, message) => {
    expect(() => auditRegularizers(build())).toThrow(message);
  });

  it(`runs on ${backend}`, () => {
    expect(tf.getBackend()).toBe(backend);
  });
});
