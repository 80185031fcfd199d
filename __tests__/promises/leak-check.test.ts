/** With its flag `IS_TEST`, TensorFlow.js checks each operation for memory that it does not give back, as its own tests do. */
import type * as tfjs from '@tensorflow/tfjs';
import {
  decomposedLoss,
  earlyStopping,
  evaluate,
  evaluateDataset,
  regularizationTerms,
  trainStep,
} from 'tfjs-decomposed-loss';
import { accumulateGradients, gradientBalance, lossAndGradients } from 'tfjs-decomposed-loss/gradients';
import {
  activityRegularization,
  addWeightDecay,
  auditRegularizers,
  enforceRegularizers,
  fuseRegularizers,
} from 'tfjs-decomposed-loss/regularizers';
import { backend, tf } from '../helpers/backend';
import { batches, data, fillWeights, regressor, twoOutputs } from '../helpers/models';

beforeEach(() => tf.env().set('IS_TEST', true));
afterEach(() => tf.env().set('IS_TEST', false));

const l1l2 = () => tf.regularizers.l1l2({ l1: 0.1, l2: 0.2 });

const withActivities = (): tfjs.LayersModel => {
  const dense = () =>
    tf.layers.dense({ units: 4, inputShape: [4], kernelRegularizer: l1l2(), biasRegularizer: l1l2() });
  const layers = [dense(), activityRegularization({ l1: 0.1, l2: 0.2 }), dense(), tf.layers.dense({ units: 1 })];
  const model = tf.sequential({ layers });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.adam(0.1), metrics: ['mae'] });
  return fillWeights(model);
};

const recurrent = (): tfjs.LayersModel => {
  const inputs = tf.input({ shape: [4] });
  const sequence = tf.layers.reshape({ targetShape: [2, 2] }).apply(inputs);
  const outputs = tf.layers.simpleRNN({ units: 1, kernelRegularizer: l1l2() }).apply(sequence);
  const model = tf.model({ inputs, outputs: outputs as tfjs.SymbolicTensor });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
  return fillWeights(model);
};

const models: Array<[string, () => tfjs.LayersModel]> = [
  ['L1 and L2', regressor],
  ['two outputs', twoOutputs],
  ['penalties on activations', withActivities],
  ['a recurrent layer', recurrent],
];

const changes: Array<[string, (model: tfjs.LayersModel) => unknown]> = [
  ['as it is', () => undefined],
  ['fused', fuseRegularizers],
  [
    'enforced, decayed and fused',
    (model) => {
      enforceRegularizers(model);
      addWeightDecay(model, { l1: 0.1, l2: 0.1, include: [/./], alsoRegularized: true });
      fuseRegularizers(model);
    },
  ],
];

const x = () => data([6, 4]);
const targets = (model: tfjs.LayersModel) => model.outputs.map((_, index) => tf.abs(data([6, 1], 2 + index)));

const callbacks = () => [
  decomposedLoss({ breakdown: 'weight' }),
  gradientBalance({ every: 2 }),
  earlyStopping({ monitor: 'val_data_loss', patience: 5, restoreBestWeights: true }),
];

const actions: Array<[string, (model: tfjs.LayersModel, x: tfjs.Tensor, y: tfjs.Tensor[]) => Promise<unknown>]> = [
  [
    'fit',
    (model, x, y) =>
      model.fit(x, y, { epochs: 2, batchSize: 4, validationSplit: 0.5, verbose: 0, callbacks: callbacks() }),
  ],
  [
    'fitDataset',
    (model, x, y) => {
      const dataset = batches([x, y], [x, y]);
      return model.fitDataset(dataset, { epochs: 2, validationData: dataset, verbose: 0, callbacks: callbacks() });
    },
  ],
  ['trainStep', (model, x, y) => trainStep(model, x, y)],
  ['lossAndGradients', async (model, x, y) => (await lossAndGradients(model, x, y)).dispose()],
  [
    'accumulateGradients',
    async (model, x, y) => {
      const accumulated = accumulateGradients(model);
      await accumulated.add(x, y);
      await accumulated.add(x, y);
      await accumulated.apply();
    },
  ],
  ['evaluate', (model, x, y) => evaluate(model, x, y, { batchSize: 4 })],
  ['evaluateDataset', (model, x, y) => evaluateDataset(model, batches([x, y], [x, y]))],
  ['regularizationTerms', async (model) => regularizationTerms(model)],
  ['auditRegularizers', async (model) => auditRegularizers(model)],
];

/** On the other backends the host's own kernels do not pass: `fusedMatMul` keeps a tensor. */
const whereTheHostPasses = backend === 'cpu' ? describe : describe.skip;

whereTheHostPasses.each(models)('a model with %s', (_, build) => {
  it.each(changes)('passes the check, %s', async (_change, change) => {
    const model = build();
    change(model);
    const [inputs, outputs] = [x(), targets(model)];
    for (const [name, action] of actions) {
      expect([name, await action(model, inputs, outputs).then(() => 'passes')]).toEqual([name, 'passes']);
    }
  });
});
