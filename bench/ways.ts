import * as tf from '@tensorflow/tfjs-node';
import { decomposedLoss, earlyStopping, minimize, trainStep, trainingLoop } from 'tfjs-decomposed-loss';
import { fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { compiled, l2, type Workload } from './workloads.js';

/**
 * One way to train an epoch of a workload. Ways are timed in groups, each against the first of its group. Ways that differ by a
 * hundredth have a group of their own, with more rounds and on one model, because two models that are built alike may differ by
 * two hundredths.
 */
export interface Way {
  group: 'cost' | 'watching' | 'steps' | 'loops';
  name: string;
  title: string;
  /** Whether it is part of the short form, for CI. */
  short: boolean;
  /**
   * Returns what is timed: one epoch.
   *
   * @param shared - The model with L2 of the group; `cost` builds models of its own.
   */
  prepare(workload: Workload, data: Data, shared: tf.Sequential): () => Promise<void>;
}

interface Data {
  x: tf.Tensor;
  y: tf.Tensor;
}

const fit =
  (
    build: (workload: Workload, shared: tf.Sequential) => tf.Sequential,
    callbacks: (data: Data) => tf.CustomCallback[] = () => [],
  ) =>
  (workload: Workload, data: Data, shared: tf.Sequential): (() => Promise<void>) => {
    const model = build(workload, shared);
    const args = { batchSize: workload.batchSize, epochs: 1, verbose: 0 as const, shuffle: false };
    return async () => {
      await model.fit(data.x, data.y, { ...args, yieldEvery: 'never', callbacks: callbacks(data) });
    };
  };

const regularized = (workload: Workload): tf.Sequential => compiled(workload, l2());

const theSame = (_: Workload, shared: tf.Sequential): tf.Sequential => shared;

function fused(workload: Workload): tf.Sequential {
  const model = regularized(workload);
  fuseRegularizers(model);
  return model;
}

/** A metric that computes the penalty again, at each step. */
function withMetric(workload: Workload): tf.Sequential {
  const model: tf.Sequential = compiled(workload, l2(), [
    () => tf.addN(model.layers.flatMap((layer) => layer.calculateLosses())),
  ]);
  return model;
}

const asCallbacks = (...callbacks: unknown[]): tf.CustomCallback[] => callbacks as tf.CustomCallback[];

/** The batches of an epoch, one after the other. */
async function eachBatch(
  { batchSize, steps }: Workload,
  { x, y }: Data,
  step: (x: tf.Tensor, y: tf.Tensor) => unknown,
): Promise<void> {
  for (let i = 0; i < steps; i += 1) {
    const [xs, ys] = [tf.slice(x, i * batchSize, batchSize), tf.slice(y, i * batchSize, batchSize)];
    await step(xs, ys);
    tf.dispose([xs, ys]);
  }
}

const loop =
  (step: (model: tf.Sequential, x: tf.Tensor, y: tf.Tensor) => unknown) =>
  (workload: Workload, data: Data, shared: tf.Sequential): (() => Promise<void>) =>
  () =>
    eachBatch(workload, data, (x, y) => step(shared, x, y));

/** The data loss of a batch. */
function dataLoss(workload: Workload, model: tf.Sequential, x: tf.Tensor, y: tf.Tensor): tf.Scalar {
  const lossFunction =
    workload.loss === 'meanSquaredError' ? tf.losses.meanSquaredError : tf.metrics.categoricalCrossentropy;
  return tf.mean<tf.Scalar>(lossFunction(y, model.apply(x, { training: true }) as tf.Tensor));
}

/** What people write by hand: the loss, the penalties, and both of them read. */
function byHand(workload: Workload, data: Data, model: tf.Sequential): () => Promise<void> {
  const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
  return () =>
    eachBatch(workload, data, (x, y) => {
      tf.tidy(() => {
        let ofData: tf.Scalar | undefined;
        const total = model.optimizer.minimize(
          () => {
            ofData = tf.keep(dataLoss(workload, model, x, y));
            const penalties = model.layers.flatMap((layer) => layer.calculateLosses());
            return penalties.reduce((sum, penalty) => tf.add(sum, penalty), ofData);
          },
          true,
          variables,
        )!;
        total.dataSync();
        ofData!.dataSync();
        ofData!.dispose();
      });
    });
}

/** The same step with `minimize`. */
const minimized = (workload: Workload, model: tf.Sequential, x: tf.Tensor, y: tf.Tensor) =>
  minimize(model.optimizer, () => dataLoss(workload, model, x, y), { models: model, variables: model });

const byMinimize = (workload: Workload, data: Data, model: tf.Sequential) => (): Promise<void> =>
  eachBatch(workload, data, (x, y) => minimized(workload, model, x, y));

/** The same steps in a `trainingLoop` of one epoch, with callbacks. */
const inTrainingLoop = (workload: Workload, data: Data, model: tf.Sequential) => async (): Promise<void> => {
  const own = new tf.CustomCallback({ onEpochEnd: () => {} }, 'never');
  const callbacks = [decomposedLoss({ yieldEvery: 'never' }), earlyStopping({ monitor: 'loss' }), own];
  await trainingLoop({ callbacks, models: model, epochs: 1 }, async (loop) => {
    await eachBatch(workload, data, (x, y) => loop.step(() => minimized(workload, model, x, y)));
    await loop.endEpoch();
  });
};

/** The factor on the number of rounds, by group. */
export const ROUNDS = { cost: 1, watching: 2, steps: 2, loops: 2 };

export const ways: Way[] = [
  { group: 'cost', name: 'l2', title: 'plain fit, L2', short: true, prepare: fit(regularized) },
  {
    group: 'cost',
    name: 'none',
    title: 'plain fit, no regularizers',
    short: true,
    prepare: fit((workload) => compiled(workload)),
  },
  { group: 'watching', name: 'l2-again', title: 'plain fit, L2', short: true, prepare: fit(theSame) },
  {
    group: 'watching',
    name: 'noise',
    title: 'plain fit, L2, again: the noise',
    short: true,
    prepare: fit(theSame),
  },
  {
    group: 'watching',
    name: 'decomposed',
    title: 'decomposedLoss()',
    short: true,
    prepare: fit(theSame, () => asCallbacks(decomposedLoss({ yieldEvery: 'never' }))),
  },
  {
    group: 'watching',
    name: 'breakdown',
    title: "decomposedLoss({breakdown: 'layer'})",
    short: true,
    prepare: fit(theSame, () => asCallbacks(decomposedLoss({ breakdown: 'layer', yieldEvery: 'never' }))),
  },
  { group: 'cost', name: 'fused', title: 'fuseRegularizers', short: false, prepare: fit(fused) },
  {
    group: 'cost',
    name: 'fused-decomposed',
    title: 'fuseRegularizers and decomposedLoss()',
    short: true,
    prepare: fit(fused, () => asCallbacks(decomposedLoss({ yieldEvery: 'never' }))),
  },
  {
    group: 'cost',
    name: 'evaluate',
    title: 'evaluate() on the training data, each epoch',
    short: false,
    prepare(workload, data) {
      const model = regularized(workload);
      const { batchSize } = workload;
      const again = () =>
        asCallbacks(
          new tf.CustomCallback({
            onEpochEnd: () => tf.dispose(model.evaluate(data.x, data.y, { batchSize })),
          }),
        );
      return async () => {
        const args = { batchSize, epochs: 1, verbose: 0 as const, shuffle: false, yieldEvery: 'never' as const };
        await model.fit(data.x, data.y, { ...args, callbacks: again() });
      };
    },
  },
  {
    group: 'cost',
    name: 'metric',
    title: 'a metric that recomputes the penalty',
    short: false,
    prepare: fit(withMetric),
  },
  {
    group: 'cost',
    name: 'minimize',
    title: 'a loop of optimizer.minimize',
    short: false,
    prepare: (workload, data) => byHand(workload, data, regularized(workload)),
  },
  {
    group: 'steps',
    name: 'trainOnBatch',
    title: 'trainOnBatch',
    short: true,
    prepare: loop((model, x, y) => model.trainOnBatch(x, y)),
  },
  {
    group: 'steps',
    name: 'trainStep',
    title: 'trainStep (trainOnBatch = 1)',
    short: true,
    prepare: loop((model, x, y) => trainStep(model, x, y)),
  },
  {
    group: 'loops',
    name: 'by-hand',
    title: 'optimizer.minimize, penalty by hand',
    short: true,
    prepare: byHand,
  },
  {
    group: 'loops',
    name: 'by-hand-again',
    title: 'the loop by hand again (by hand = 1): the noise',
    short: true,
    prepare: byHand,
  },
  { group: 'loops', name: 'own-minimize', title: 'minimize (by hand = 1)', short: true, prepare: byMinimize },
  {
    group: 'loops',
    name: 'training-loop',
    title: 'trainingLoop, three callbacks (by hand = 1)',
    short: true,
    prepare: inTrainingLoop,
  },
  {
    group: 'loops',
    name: 'minimize-fused',
    title: 'fuseRegularizers and minimize (by hand = 1)',
    short: true,
    prepare: (workload, data) => byMinimize(workload, data, fused(workload)),
  },
];
