import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as tfjs from '@tensorflow/tfjs';
import {
  combineCallbacks,
  decomposedLoss,
  evaluate,
  evaluateLoss,
  lossTerm,
  minimize,
  trainStep,
} from 'tfjs-decomposed-loss';
import { plotLosses } from 'tfjs-decomposed-loss/charts';
import { accumulateGradients, lossAndGradients } from 'tfjs-decomposed-loss/gradients';
import { lossLogger } from 'tfjs-decomposed-loss/node';
import {
  addWeightDecay,
  auditRegularizers,
  enforceRegularizers,
  fuseRegularizers,
  regularizationSchedule,
} from 'tfjs-decomposed-loss/regularizers';
import { tensorBoard } from 'tfjs-decomposed-loss/tensorboard';
import { backend, tf } from '../helpers/backend';
import { tensorsLeftBy } from '../helpers/memory';
import { secondCopy } from '../helpers/second-copy';

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
    // Keras counts it once.
    expect(await evaluate(model, [x(), x()], y())).toMatchObject({ data: 20, regularization: 1 });
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

  it('is read with the first micro-batch of a step, for all of them', async () => {
    const { calls, model } = counting();
    const accumulated = accumulateGradients(model);
    for (let step = 1; step <= 2; step += 1) {
      await accumulated.add([x(), x()], y());
      await accumulated.add([x(), x()], y());
      const { data, parts, weights } = await accumulated.apply();
      expect([calls(), weights['kl']]).toEqual([step, 0.1 * step]);
      expect(data).toBeNear(parts[model.outputNames[0]!]! + weights['kl']! * parts['kl']!);
    }
    for (let step = 3; step <= 4; step += 1) {
      const { weights } = await trainStep(model, [x(), x()], y());
      expect([calls(), weights['kl']]).toEqual([step, 0.1 * step]);
    }
  });

  it('is that of the last step in the validation of a loop of your own', async () => {
    const { calls, model } = counting();
    const optimizer = tf.train.sgd(0.01);
    const loss = () => tf.mean<tfjs.Scalar>(model.apply([x(), x()]) as tfjs.Tensor);
    const step = await minimize(optimizer, loss, { models: model, variables: model });
    const validation = await evaluateLoss(loss, { models: model });
    expect([calls(), step.weights['kl'], validation.weights['kl']]).toEqual([1, 0.1, 0.1]);
    expect((await evaluate(model, [x(), x()], y())).weights['kl']).toBe(0.1);
  });

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

  it('is read once in a custom loss, and is that of the term alone', async () => {
    const { calls, model } = counting();
    const loss = (): tfjs.Scalar => tf.mean<tfjs.Scalar>(model.apply([x(), x()]) as tfjs.Tensor);
    const { data, weights } = await minimize(tf.train.sgd(0), loss, { models: model });
    expect(weights).toEqual({ loss: 1, kl: 0.1 });
    expect(data).toBeNear(4 + 0.1 * 8);
    expect(calls()).toBe(1);
  });
});

describe.each(['flat', 'nested', 'nested in a Sequential'] as const)('a term in a model that is %s', (kind) => {
  /** The output is 2, so the loss of the output is 4, and so is the term, which counts half; the kernel's penalty is 0.4. */
  function model(): tfjs.LayersModel {
    const input = tf.input({ shape: [2] });
    const kernelRegularizer = tf.regularizers.l2({ l2: 0.1 });
    const kernel = { kernelInitializer: 'ones' as const, kernelRegularizer, useBias: false };
    const dense = tf.layers.dense({ name: 'dense', units: 2, inputShape: [2], ...kernel });
    const kl = lossTerm({ name: 'kl', weight: 0.5, loss: ([one]) => tf.mean<tfjs.Scalar>(tf.square(one!)) });
    const out = tf.layers.activation({ name: 'out', activation: 'linear' });
    const applied = (): tfjs.SymbolicTensor => kl.apply(dense.apply(input)) as tfjs.SymbolicTensor;
    const within = {
      flat: () => applied(),
      nested: () => tf.model({ name: 'inner', inputs: input, outputs: applied() }).apply(input) as tfjs.SymbolicTensor,
      'nested in a Sequential': () => tf.sequential({ layers: [dense, kl] }).apply(input) as tfjs.SymbolicTensor,
    };
    const whole = tf.model({ inputs: input, outputs: out.apply(within[kind]()) as tfjs.SymbolicTensor });
    whole.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
    return whole;
  }
  const BY_HAND = {
    data: 6,
    regularization: expect.closeTo(0.4, 6),
    parts: { out: 4, kl: 4 },
    weights: { out: 1, kl: 0.5 },
  };

  it('is in the logs of training and validation, in files and in pictures', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'term-'));
    const callbacks = combineCallbacks(
      decomposedLoss(),
      lossLogger(join(folder, 'log.csv')),
      ...(backend === 'tensorflow' ? [tensorBoard(join(folder, 'events'))] : []),
    );
    const validationData: [tfjs.Tensor, tfjs.Tensor] = [x(), y()];
    const history = await model().fit(x(), y(), { epochs: 2, batchSize: 3, verbose: 0, validationData, callbacks });
    const parts = { loss: 6, 'loss/out': 4, 'loss/kl': 4 };
    for (const prefix of ['data_', 'val_data_']) {
      for (const [key, value] of Object.entries(parts)) expect(history.history[prefix + key]).toEqual([value, value]);
    }
    const [header] = readFileSync(join(folder, 'log.csv'), 'utf8').split('\n');
    expect(header!.split(',')).toEqual(expect.arrayContaining(['data_loss/kl', 'val_data_loss/kl']));
    expect(plotLosses(history)).toContain('kl');
    const runs = backend === 'tensorflow' ? ['train', 'validation'] : [];
    for (const run of runs) {
      const events = join(folder, 'events', run);
      expect(
        readdirSync(events)
          .map((file) => readFileSync(join(events, file), 'latin1'))
          .join(''),
      ).toContain('data_loss/kl');
    }
    rmSync(folder, { recursive: true });
  });

  it.each([false, true])('is a part of the data loss and of its gradient, fused: %s', async (isFused) => {
    const one = model();
    if (isFused) fuseRegularizers(one);
    expect(await trainStep(one, x(), y())).toMatchObject(BY_HAND);
    expect(await evaluate(one, x(), y())).toMatchObject(BY_HAND);
    const { loss, data, penalty, dispose } = await lossAndGradients(one, x(), y());
    expect(loss).toMatchObject(BY_HAND);
    const [[ofData], [ofPenalty]] = [Object.values(data), Object.values(penalty)] as [[tfjs.Tensor], [tfjs.Tensor]];
    for (const value of ofData.dataSync()) expect(value).toBeCloseTo(3, 5);
    for (const value of ofPenalty.dataSync()) expect(value).toBeCloseTo(0.2, 5);
    dispose();
  });
});

it('terms of one name in two models within a model are numbered', async () => {
  const inputs = tf.input({ shape: [2] });
  const inner = (factor: number): tfjs.LayersModel => {
    const kl = lossTerm({ name: 'kl', loss: ([one]) => tf.mean<tfjs.Scalar>(tf.mul(one!, factor)) });
    return tf.model({ inputs, outputs: kl.apply(inputs) as tfjs.SymbolicTensor });
  };
  const out = tf.layers.activation({ name: 'out', activation: 'linear' });
  const all = [inner(2), inner(3), out];
  const outputs = all.reduce((tensor, layer) => layer.apply(tensor) as tfjs.SymbolicTensor, inputs);
  const model = tf.model({ inputs, outputs });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  expect((await evaluate(model, x(), y())).parts).toEqual({ out: 1, kl: 2, kl_1: 3 });
});

describe('a model with a term that was loaded from a file', () => {
  const reloaded = async (): Promise<tfjs.LayersModel> => {
    const topology = branches({ weight: 0.5 }).toJSON(null, false) as never;
    const model = await tf.models.modelFromJSON(topology);
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.01) });
    return model;
  };

  it('trains without the term, warns once, and the audit finds it', async () => {
    const warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
    const model = await reloaded();
    const inputs = [x(), x()];
    for (let step = 0; step < 2; step += 1) await trainStep(model, inputs, y());
    const { total, data, parts } = await evaluate(model, inputs, y());
    expect([total, parts['kl'] ?? 0]).toEqual([data, 0]);
    const warnings = warn.mock.calls.map(([text]) => String(text)).filter((text) => text.includes('lossTerm'));
    warn.mockRestore();
    expect(warnings).toEqual([expect.stringMatching(/^The `lossTerm` `kl` was loaded without its function/)]);
    const { findings } = auditRegularizers(model);
    expect(findings).toContainEqual(
      expect.objectContaining({ code: 'loss-term-without-function', severity: 'warning', layer: 'kl', weight: null }),
    );
  });

  it('that has its function has no such finding', () => {
    expect(auditRegularizers(branches()).findings.filter(({ code }) => code.startsWith('loss-term'))).toEqual([]);
  });

  it('is known once the subpath for Keras is imported', async () => {
    const { classNameMap } = tf.serialization.SerializationMap.getMap();
    const known = classNameMap['LossTerm']!;
    const topology = branches().toJSON(null, false) as never;
    delete classNameMap['LossTerm'];
    await expect(tf.models.modelFromJSON(topology)).rejects.toThrow('LossTerm');
    secondCopy('../../src/keras');
    expect((await tf.models.modelFromJSON(topology)).layers.map((layer) => layer.getClassName())).toContain('LossTerm');
    classNameMap['LossTerm'] = known;
  });
});

it('asks its function in training and in evaluations of this library, and not in predictions or those of the host', async () => {
  let calls = 0;
  const loss = ([one]: tfjs.Tensor[]) => {
    calls += 1;
    return tf.mean<tfjs.Scalar>(one!);
  };
  const layers = [
    tf.layers.dense({ units: 2, inputShape: [2] }),
    lossTerm({ name: 'mean', loss }),
    tf.layers.dense({ units: 2 }),
  ];
  const model = tf.sequential({ layers });
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  const callsOf = async (run: () => unknown): Promise<number> => {
    const before = calls;
    await run();
    return calls - before;
  };
  const passes = [() => model.predict(x()), () => model.evaluate(x(), y()), () => model.apply(x())];
  for (const pass of passes) expect(await callsOf(pass)).toBe(0);
  expect(await callsOf(() => trainStep(model, x(), y()))).toBe(1);
  expect(await callsOf(() => evaluate(model, x(), y()))).toBe(1);
  for (const pass of passes) expect(await callsOf(pass)).toBe(0);
});

describe('what the function of a term returns', () => {
  const withTerm = (loss: (inputs: tfjs.Tensor[]) => tfjs.Scalar): tfjs.LayersModel => {
    const dense = () => tf.layers.dense({ units: 2, inputShape: [2] });
    const model = tf.sequential({ layers: [dense(), lossTerm({ name: 'term', loss }), dense()] });
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    return model;
  };
  const runs: Array<[string, (model: tfjs.LayersModel, ...batch: [tfjs.Tensor, tfjs.Tensor]) => Promise<unknown>]> = [
    ['trainStep', trainStep],
    ['evaluate', evaluate],
    [
      'minimize',
      (model, input) =>
        minimize(model.optimizer, () => tf.mean<tfjs.Scalar>(model.apply(input) as tfjs.Tensor), { models: model }),
    ],
  ];

  it.each(runs)("is the user's where it was made elsewhere or is kept: %s", async (_, run) => {
    const outside = tf.scalar(2);
    await run(
      withTerm(() => outside),
      x(),
      y(),
    );
    expect(outside.isDisposed).toBe(false);
    let kept: tfjs.Scalar | undefined;
    await run(
      withTerm(([one]) => (kept = tf.keep(tf.mean(one!)))),
      x(),
      y(),
    );
    expect(kept?.isDisposed).toBe(false);
  });

  it.each(runs)('leaves no tensor, nor does what it is made of: %s', async (_, run) => {
    const model = withTerm(([one]) => tf.mean(tf.square(one!)));
    const batch = [x(), y()] as const;
    await run(model, ...batch);
    expect(await tensorsLeftBy(() => run(model, ...batch))).toBe(0);
  });
});

it('leaves a class alone that is registered under its name, and registers its own where there is none', () => {
  const { classNameMap } = tf.serialization.SerializationMap.getMap();
  const before = classNameMap['LossTerm'];
  const other = classNameMap['Dense']!;
  classNameMap['LossTerm'] = other;
  lossTerm({ name: 'one', loss: () => tf.scalar(0) });
  expect(classNameMap['LossTerm']).toBe(other);
  delete classNameMap['LossTerm'];
  lossTerm({ name: 'one', loss: () => tf.scalar(0) });
  expect(classNameMap['LossTerm']?.[0]).toBe(before?.[0]);
});

it.each([0, 1])('the audit finds a term that no output depends on, with %i layers before it', (between) => {
  const input = tf.input({ shape: [2] });
  const hidden = tf.layers.dense({ units: 2 }).apply(input);
  const layers = Array.from({ length: between }, () => tf.layers.dense({ units: 2 }));
  const before = layers.reduce((flow, layer) => layer.apply(flow) as tfjs.SymbolicTensor, hidden);
  const term = lossTerm({ name: 'kl', loss: ([tensor]) => tf.mean(tensor!) }).apply(before) as tfjs.SymbolicTensor;
  const found = (outputs: unknown) =>
    auditRegularizers(tf.model({ inputs: input, outputs: outputs as tfjs.SymbolicTensor }))
      .findings.filter(({ code }) => code.startsWith('loss-term'))
      .map(({ code, severity, layer }) => [code, severity, layer]);
  expect(found(tf.layers.dense({ units: 1 }).apply(hidden))).toEqual([['loss-term-unconnected', 'information', 'kl']]);
  expect(found(term)).toEqual([]);
});

describe('a term with the name of an output is refused, and nothing changes', () => {
  const twin = () => {
    const input = tf.input({ shape: [2] });
    const term = lossTerm({ name: 'out', loss: ([tensor]) => tf.mean(tensor!) });
    const inner = tf.model({ inputs: input, outputs: term.apply(input) as tfjs.SymbolicTensor });
    const outputs = tf.layers.dense({ name: 'out', units: 2 }).apply(inner.apply(input)) as tfjs.SymbolicTensor;
    const model = tf.model({ inputs: input, outputs });
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    return model;
  };

  it.each<[string, (model: tfjs.LayersModel) => Promise<unknown>]>([
    ['trainStep', (model) => trainStep(model, x(), y())],
    ['evaluate', (model) => evaluate(model, x(), y())],
    ['fit', (model) => model.fit(x(), y(), { verbose: 0, callbacks: decomposedLoss() })],
    ['lossAndGradients', (model) => lossAndGradients(model, x(), y())],
    ['accumulateGradients', (model) => accumulateGradients(model).add(x(), y())],
  ])('%s', async (_, run) => {
    const model = twin();
    const before = weightsOf(model);
    await expect(run(model)).rejects.toThrow(
      /`lossTerm` layers of `model\w*` to have other names than its outputs \(`out`\)/,
    );
    expect(weightsOf(model)).toEqual(before);
  });
});

it("the host's own evaluation and val_loss leave the term out", async () => {
  const model = branches();
  const { parts } = await evaluate(model, [x(), x()], y());
  const output = parts[model.outputNames[0]!]!;
  expect((model.evaluate([x(), x()], y()) as tfjs.Scalar).dataSync()[0]).toBeNear(output);
  model.optimizer = tf.train.sgd(0);
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
  const { history } = await model.fit([x(), x()], y(), { verbose: 0, validationData: [[x(), x()], y()] });
  expect(history['val_loss']![0]).toBeNear(output);
});

describe('bad input', () => {
  const loss = ([tensor]: tfjs.Tensor[]) => tf.mean<tfjs.Scalar>(tensor!);

  it.each<[object, RegExp]>([
    [{ loss }, /`name` of `lossTerm` to be the name of a part, got undefined/],
    [{ loss, name: '' }, /`name` of `lossTerm`.*got ''/],
    [{ loss, name: 'constructor' }, /`name` of `lossTerm`.*got 'constructor'/],
    [{ name: 'kl' }, /`loss` of `lossTerm` to be a function.*got undefined/],
    [{ loss, name: 'kl', weight: NaN }, /`weight` of the `lossTerm` `kl` to be a finite number, got NaN/],
    [{ loss, name: 'kl', weight: '1' }, /`weight` of the `lossTerm` `kl`.*got '1'/],
    [{ loss, name: 'kl', wieght: 1 }, /of `lossTerm`, got `wieght`/],
  ])('%p', (args, message) => {
    expect(() => lossTerm(args as Parameters<typeof lossTerm>[0])).toThrow(message);
  });

  it.each<[string, object, RegExp]>([
    [
      'a loss that is no scalar',
      { loss: ([one]: tfjs.Tensor[]) => tf.square(one!) },
      /`kl` to return a scalar, got a tensor/,
    ],
    [
      'a weight that is no number',
      { weight: () => NaN },
      /`weight` of the `lossTerm` `kl` to be a finite number, got NaN/,
    ],
  ])('%s, within the step, which changes nothing', async (_, args, message) => {
    const term = lossTerm({ name: 'kl', loss, ...args });
    const [first, last] = [tf.layers.dense({ units: 2, inputShape: [2] }), tf.layers.dense({ units: 2 })];
    const model = tf.sequential({ layers: [first, term, last] });
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    const before = weightsOf(model);
    await expect(trainStep(model, x(), y())).rejects.toThrow(message);
    expect(weightsOf(model)).toEqual(before);
  });
});
