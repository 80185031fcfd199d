import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, trainStep } from 'tfjs-decomposed-loss';
import { gradientBalance } from 'tfjs-decomposed-loss/gradients';
import { regularizationSchedule } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { tensorsLeftBy } from '../helpers/memory';
import { data, fillWeights, regressor, state } from '../helpers/models';

type Fit = tfjs.ModelFitArgs;
const HOOKS = ['onTrainBegin', 'onEpochBegin', 'onBatchBegin', 'onBatchEnd', 'onEpochEnd', 'onTrainEnd'] as const;

const [x, y] = [data([6, 4]), data([6, 1])];
const args = { epochs: 2, batchSize: 4, verbose: 0 as const, shuffle: false };
const watchers = () => [
  decomposedLoss({ breakdown: 'weight' }),
  gradientBalance({ every: 1 }),
  regularizationSchedule((_, batch) => 1 + batch),
];
const run = async (model: tfjs.LayersModel, callbacks: unknown[]) =>
  (await model.fit(x, y, { ...args, validationData: [x, y], callbacks: callbacks as Fit['callbacks'] })).history;

/** A callback that does something in a hook. */
function within(hook: (typeof HOOKS)[number], action: () => Promise<unknown>): tfjs.Callback {
  return Object.assign(new (class extends tf.Callback {})(), { [hook]: action });
}

describe.each(HOOKS)('a fit that a callback starts in %s', (hook) => {
  it('of another model with the same optimizer: both report what they report alone', async () => {
    const alone = await run(regressor({ optimizer: tf.train.sgd(0.1) }), watchers());
    const optimizer = tf.train.sgd(0.1);
    const [outer, inner] = [regressor({ optimizer }), regressor({ optimizer })];
    const start = fillWeights(inner)
      .getWeights()
      .map((weight) => weight.clone());
    const histories: unknown[] = [];
    const action = async () => {
      inner.setWeights(start);
      histories.push(await run(inner, watchers()));
    };
    expect(await run(outer, [...watchers(), within(hook, action)])).toEqual(alone);
    expect(histories.length).toBeGreaterThan(0);
    histories.forEach((history) => expect(history).toEqual(alone));
  });

  it('of the same model: the host refuses it, and the run goes on', async () => {
    const alone = await run(regressor(), watchers());
    const model = regressor();
    const refused: unknown[] = [];
    const action = () => run(model, watchers()).catch((error: unknown) => refused.push(error));
    const left = await tensorsLeftBy(async () => {
      expect(await run(model, [...watchers(), within(hook, action)])).toEqual(alone);
    });
    expect(refused.join()).toContain('another fit() call is ongoing');
    expect(left).toBe(0);
  });
});

it('an evaluation by a callback between two epochs is none of ours: it leaves what the host leaves', async () => {
  const left: number[] = [];
  const evaluating = (model: tfjs.LayersModel) =>
    within('onEpochEnd', async () => {
      left.push(await tensorsLeftBy(async () => tf.dispose(model.evaluate(x, y))));
    });
  const model = regressor();
  await run(model, [decomposedLoss(), evaluating(model)]);
  expect(left).toEqual([0, 0]);
});

it('two models that share layers, trained in turn by trainStep, are the steps of the host', async () => {
  const pair = () => {
    const inputs = tf.input({ shape: [4] });
    const kernelRegularizer = tf.regularizers.l2({ l2: 0.1 });
    const shared = tf.layers.dense({ name: 'shared', units: 3, kernelRegularizer }).apply(inputs);
    const optimizer = tf.train.sgd(0.1);
    return [0.2, 0.3].map((l1) => {
      const head = tf.layers.dense({ units: 1, kernelRegularizer: tf.regularizers.l1({ l1 }) });
      const model = tf.model({ inputs, outputs: head.apply(shared) as tfjs.SymbolicTensor });
      model.compile({ loss: 'meanSquaredError', optimizer });
      return fillWeights(model);
    }) as [tfjs.LayersModel, tfjs.LayersModel];
  };
  const [ours, hosts] = [pair(), pair()];
  for (let step = 0; step < 6; step += 1) {
    const { total, data: loss, regularization } = await trainStep(ours[step % 2]!, x, y);
    expect(total).toBe(await hosts[step % 2]!.trainOnBatch(x, y));
    expect(loss + regularization).toBeNear(total);
  }
  for (const place of [0, 1]) expect(await state(ours[place]!)).toEqual(await state(hosts[place]!));
});
