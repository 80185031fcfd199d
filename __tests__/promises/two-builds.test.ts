/** The ESM and the CommonJS build of this library, or a bundle of it, meet on one model: one watches, the other changes. */
import type * as tfjs from '@tensorflow/tfjs';
import * as main from 'tfjs-decomposed-loss';
import * as gradients from 'tfjs-decomposed-loss/gradients';
import * as regularizers from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { tensorsLeftBy } from '../helpers/memory';
import { data, fillWeights, numbersOf } from '../helpers/models';
import { secondCopy } from '../helpers/second-copy';

const ours = { ...main, ...gradients, ...regularizers };
const theirs = {
  ...(secondCopy('tfjs-decomposed-loss') as typeof main),
  ...(secondCopy('tfjs-decomposed-loss/gradients') as typeof gradients),
  ...(secondCopy('tfjs-decomposed-loss/regularizers') as typeof regularizers),
};

/** A layer that is called twice, which the host penalises twice, and a recurrent one, whose penalty the host drops. */
function sharedAndRecurrent(): tfjs.LayersModel {
  const l1l2 = () => tf.regularizers.l1l2({ l1: 0.1, l2: 0.2 });
  const inputs = tf.input({ shape: [4] });
  const twice = tf.layers.dense({ name: 'twice', units: 4, kernelRegularizer: l1l2(), biasRegularizer: l1l2() });
  const hidden = twice.apply(twice.apply(inputs));
  const sequence = tf.layers.reshape({ targetShape: [2, 2] }).apply(hidden);
  const outputs = tf.layers
    .simpleRNN({ name: 'recurrent', units: 1, kernelRegularizer: l1l2() })
    .apply(sequence) as tfjs.SymbolicTensor;
  const model = tf.model({ inputs, outputs });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.01) });
  return fillWeights(model);
}

const x = () => data([6, 4]);
const y = () => data([6, 1], 2);
const args = { epochs: 2, batchSize: 3, verbose: 0 as const, shuffle: false };

/** What hangs on a model and its optimizer: all own members, and which function or accessor each is. */
const traces = (model: tfjs.LayersModel) =>
  [model, model.optimizer].flatMap((object) =>
    Object.entries(Object.getOwnPropertyDescriptors(object)).map(([name, { get, value }]) => [
      name,
      get,
      typeof value === 'function' ? (value as unknown) : typeof value,
    ]),
  );

async function trainedOnce(): Promise<tfjs.LayersModel> {
  const model = sharedAndRecurrent();
  await model.fit(x(), y(), args);
  return model;
}

type Build = typeof ours;

const changes: Array<[string, (build: Build, model: tfjs.LayersModel) => { restore(): void }]> = [
  ['fuses', ({ fuseRegularizers }, model) => fuseRegularizers(model)],
  ['enforces', ({ enforceRegularizers }, model) => enforceRegularizers(model)],
];

const pairs: Array<[string, Build, Build]> = [
  ['the first build watches', ours, theirs],
  ['the second build watches', theirs, ours],
];

describe.each(pairs)('%s', (_, watching, changing) => {
  it.each(changes)('and the other %s: the parts are those of one build alone', async (_change, change) => {
    const [model, alone] = [await trainedOnce(), await trainedOnce()];
    const before = traces(model);
    const { restore } = change(changing, model);
    change(watching, alone);
    const callbacks = (build: Build) => [
      build.decomposedLoss({ breakdown: 'weight' }),
      build.gradientBalance({ every: 1 }),
    ];
    const [own, expected] = [
      await model.fit(x(), y(), { ...args, callbacks: callbacks(watching) }),
      await alone.fit(x(), y(), { ...args, callbacks: callbacks(watching) }),
    ];
    expect(own.history).toEqual(expected.history);
    expect(numbersOf(own, 'regularization_loss')[0]).toBeGreaterThan(0.1);
    const [step, stepAlone] = [await watching.trainStep(model, x(), y()), await watching.trainStep(alone, x(), y())];
    expect(step).toEqual(stepAlone);
    expect(watching.regularizationTerms(model)).toEqual(watching.regularizationTerms(alone));
    restore();
    expect(traces(model)).toEqual(before);
  });

  it('and the other changes and restores meanwhile, in any order', async () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const model = await trainedOnce();
      const before = traces(model);
      const handles = [watching.enforceRegularizers(model), changing.fuseRegularizers(model)];
      const seen: number[] = [];
      const onEpochEnd = async (epoch: number, logs?: tfjs.Logs) => {
        seen.push(logs!['loss']! - logs!['data_loss']! - logs!['regularization_loss']!);
        if (epoch < 2) handles[order[epoch]!]!.restore();
      };
      const callbacks = [
        ours.decomposedLoss(),
        theirs.decomposedLoss({ logKeys: { dataLoss: 'd', regularizationLoss: 'r', valTotalLoss: 'v' } }),
        new tf.CustomCallback({ onEpochEnd }),
      ];
      const { history } = await model.fit(x(), y(), { ...args, epochs: 3, callbacks });
      seen.forEach((difference) => expect(difference).toBeNear(0, 1e-5));
      expect([history['d'], history['r']]).toEqual([history['data_loss'], history['regularization_loss']]);
      expect(traces(model)).toEqual(before);
    }
  });

  it('and the other refuses to change the penalties within a step', async () => {
    const model = sharedAndRecurrent();
    const handle = changing.fuseRegularizers(model);
    const onBatchBegin = () => {
      expect(() => handle.restore()).toThrow(/between training steps, got a change within one/);
      expect(() => changing.enforceRegularizers(model)).toThrow(/between training steps, got a change within one/);
    };
    const callbacks = [watching.decomposedLoss(), new tf.CustomCallback({ onBatchBegin })];
    await model.fit(x(), y(), { ...args, callbacks });
    handle.restore();
  });

  it('leaves no tensor behind', async () => {
    const model = sharedAndRecurrent();
    const [inputs, targets] = [x(), y()];
    changing.enforceRegularizers(model);
    changing.fuseRegularizers(model);
    const left = await tensorsLeftBy(async () => {
      const callbacks = [watching.decomposedLoss({ breakdown: 'layer' }), changing.gradientBalance({ every: 1 })];
      await model.fit(inputs, targets, { ...args, callbacks });
      await watching.trainStep(model, inputs, targets);
      (await watching.lossAndGradients(model, inputs, targets)).dispose();
    });
    expect(left).toBe(0);
  });
});
