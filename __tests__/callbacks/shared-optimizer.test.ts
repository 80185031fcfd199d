import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, lossTerm, type DecomposedLossArgs } from 'tfjs-decomposed-loss';
import { fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { data, regressor } from '../helpers/models';

type History = tfjs.History['history'];
interface Trained {
  model: tfjs.LayersModel;
  units: number;
}

const l2 = () => tf.regularizers.l2({ l2: 1 });
/** Weights don't move, so a run has the same values whatever runs beside it. */
const still = () => tf.train.sgd(0);

/** Trains models at the same time, batch by batch in turn. */
function fitTogether(models: Trained[], args: DecomposedLossArgs = {}): Promise<History[]> {
  const fits = models.map(async ({ model, units }) => {
    const fit = { epochs: 2, batchSize: 2, verbose: 0 as const, shuffle: false, yieldEvery: 'batch' as const };
    const { history } = await model.fit(data([4, 2]), data([4, units]), { ...fit, callbacks: decomposedLoss(args) });
    return history;
  });
  return Promise.all(fits);
}

/** What models report together must be what each of them reports alone. */
async function expectAsAlone(models: Trained[], args?: DecomposedLossArgs): Promise<void> {
  const alone: History[] = [];
  for (const model of models) alone.push(...(await fitTogether([model], args)));
  expect(await fitTogether(models, args)).toEqual(alone);
}

function withTerm(name: string, optimizer: tfjs.Optimizer): Trained {
  const inputs = tf.input({ shape: [2] });
  const kernelInitializer = 'ones';
  const dense = tf.layers.dense({ units: 1, kernelInitializer, useBias: false, kernelRegularizer: l2() });
  const term = lossTerm({ name, loss: ([z]) => tf.mean(tf.square(z!)) });
  const last = tf.layers.activation({ activation: 'linear' });
  const model = tf.model({ inputs, outputs: last.apply(term.apply(dense.apply(inputs))) as tfjs.SymbolicTensor });
  model.compile({ loss: 'meanSquaredError', optimizer });
  return { model, units: 1 };
}

function fused(optimizer: tfjs.Optimizer): Trained {
  const first = tf.layers.dense({ units: 2, inputShape: [2], kernelRegularizer: l2() });
  const model = tf.sequential({ layers: [first, tf.layers.dense({ units: 1, kernelRegularizer: l2() })] });
  model.compile({ loss: 'meanSquaredError', optimizer });
  fuseRegularizers(model);
  return { model, units: 1 };
}

it('one optimizer for two models that train at the same time: each has its own terms', async () => {
  const optimizer = still();
  const models = [withTerm('a', optimizer), withTerm('b', optimizer)];
  await expectAsAlone(models);
  const [a] = await fitTogether(models);
  expect(Object.keys(a!)).toContain('data_loss/a');
  // Two weights of 1.
  expect(a!['regularization_loss']).toEqual([2, 2]);
});

it('one optimizer for two models with fused penalties: each has its own breakdown', async () => {
  const optimizer = still();
  await expectAsAlone([fused(optimizer), fused(optimizer)], { breakdown: 'weight' });
});

it.each([0, 1])(
  'one optimizer for a model and one around it, with a term and fused penalties: %i first',
  async (first) => {
    const optimizer = still();
    const inner = withTerm('kl', optimizer);
    const inputs = tf.input({ shape: [2] });
    const dense = tf.layers.dense({ units: 3, kernelRegularizer: l2() });
    const model = tf.model({ inputs, outputs: dense.apply(inner.model.apply(inputs)) as tfjs.SymbolicTensor });
    model.compile({ loss: 'meanSquaredError', optimizer });
    fuseRegularizers(inner.model);
    const models = [inner, { model, units: 3 }];
    if (first === 1) models.reverse();
    await expectAsAlone(models, { breakdown: 'weight' });
  },
);

it('one optimizer for two models of which each has two watchers', async () => {
  const optimizer = still();
  const logKeys = { dataLoss: 'd', regularizationLoss: 'r' };
  const fit = async (model: tfjs.LayersModel) => {
    const callbacks = [decomposedLoss(), decomposedLoss({ logKeys, breakdown: 'weight' })];
    const args = { epochs: 2, batchSize: 2, verbose: 0 as const, yieldEvery: 'batch' as const, callbacks };
    return (await model.fit(data([4, 4]), data([4, 1]), args)).history;
  };
  const both = await Promise.all([fit(regressor({ optimizer })), fit(regressor({ optimizer }))]);
  both.forEach((history) => expect(history['d']).toEqual(history['data_loss']));
  both.forEach((history) => expect(history['r']).toEqual(history['regularization_loss']));
});
