import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, earlyStopping, type EarlyStoppingArgs } from 'tfjs-decomposed-loss';
import fixture from '../fixtures/early-stopping.json';
import { tf } from '../helpers/backend';
import { tensorsLeftBy, tensorsLeftByFailing } from '../helpers/memory';
import { batches, classifier, data, fillWeights, numbersOf, oneHot, regressor, twoOutputs } from '../helpers/models';

type Callback = InstanceType<typeof tf.Callback>;

const weightsOf = (model: tfjs.LayersModel) => model.getWeights().map((weight) => Array.from(weight.dataSync()));

/** Writes the values of a list into the epochs' logs, and keeps the weights of each epoch. */
function scripted(key: string, values: Array<number | undefined>, initialEpoch = 0) {
  const weights: number[][][] = [];
  class Scripted extends tf.Callback {
    override async onEpochEnd(epoch: number, logs: tfjs.Logs = {}) {
      const value = values[epoch - initialEpoch];
      if (value !== undefined) logs[key] = value;
      weights[epoch] = weightsOf(this.model);
    }
  }
  return { callback: new Scripted(), weights };
}

/** Trains for as many epochs as there are values of `key`, which our callback finds in the logs. */
async function train(
  key: string,
  values: Array<number | undefined>,
  args: EarlyStoppingArgs,
  initialEpoch = 0,
  model = regressor(),
) {
  const stopping = earlyStopping({ monitor: key, ...args });
  const { callback, weights } = scripted(key, values, initialEpoch);
  const epochs = initialEpoch + values.length;
  const { epoch } = await model.fit(data([4, 4]), data([4, 1]), {
    ...{ initialEpoch, epochs, verbose: 0, callbacks: [callback, stopping] },
  });
  return { stopping, last: epoch.at(-1), ran: epoch.length, weights, model };
}

it('restores, and stops, where Keras 3 does', async () => {
  for (const { values, firstEpoch, args, keras } of fixture.cases) {
    const { stopping, last, weights, model } = await train(
      'value',
      values,
      {
        mode: args.mode as 'min' | 'max',
        patience: args.patience,
        minDelta: args.min_delta,
        baseline: args.baseline ?? undefined,
        startFromEpoch: args.start_from_epoch,
        restoreBestWeights: true,
      },
      firstEpoch,
    );
    expect({ last, stopped: stopping.stoppedEpoch }).toEqual({
      last: keras.lastEpoch,
      stopped: keras.stopped ? keras.lastEpoch : undefined,
    });
    expect(weightsOf(model)).toEqual(weights[keras.weightsOf]);
  }
});

describe('restored weights', () => {
  const run = (callbacks: Callback[], model: tfjs.LayersModel) =>
    model.fit(data([4, 4]), data([4, 1]), { epochs: 3, verbose: 0, shuffle: false, callbacks });

  it("leave the optimizer's own values as they are after the last step", async () => {
    const make = () => regressor({ optimizer: tf.train.adam(0.01) });
    const [model, plain] = [make(), make()];
    const stopping = earlyStopping({ monitor: 'value', patience: 9, restoreBestWeights: true });
    await run([scripted('value', [1, 2, 3]).callback, stopping], model);
    await run([], plain);
    expect(weightsOf(model)).not.toEqual(weightsOf(plain));
    const ofOptimizer = async (one: tfjs.LayersModel) =>
      (await one.optimizer.getWeights()).map(({ tensor }) => Array.from(tensor.dataSync()));
    expect(await ofOptimizer(model)).toEqual(await ofOptimizer(plain));
  });

  it('are not restored where training throws', async () => {
    const model = regressor();
    const { callback, weights } = scripted('value', [1, 2, 3]);
    class Failing extends tf.Callback {
      override async onEpochEnd(epoch: number) {
        if (epoch === 1) throw new Error('the callback failed');
      }
    }
    const stopping = earlyStopping({ monitor: 'value', patience: 9, restoreBestWeights: true });
    await expect(run([callback, stopping, new Failing()], model)).rejects.toThrow('the callback failed');
    expect(weightsOf(model)).toEqual(weights[1]);
    expect(weights[1]).not.toEqual(weights[0]);
  });
});

describe('what is better', () => {
  const falling = [5, 4, 3, 2];
  const minimised = [
    ...['loss', 'val_loss', 'val_data_loss', 'val_total_loss', 'regularization_loss/accumulate', 'accumulate_loss'],
    ...['val_accumulate_loss', 'acc_loss', 'acc_mse', 'accuracy_of_fit', 'my_acc', 'inaccuracy', 'val_accumulated'],
    ...['regularization_loss/acc', 'tacc'],
  ];
  const maximised = [
    ...['acc', 'val_acc', 'accuracy', 'val_accuracy', 'acc_1', 'val_acc_0', 'categoricalAccuracy', 'binaryAccuracy'],
    ...['acc_acc', 'val_acc_acc', 'accumulate_acc', 'val_accumulate_acc', 'precision', 'val_recall'],
    ...['r2Score', 'val_r2Score', 'acc_r2Score'],
  ];
  const twoHeads = () => {
    const inputs = tf.input({ shape: [4] });
    const outputs = ['acc', 'accumulate'].map((name) => tf.layers.dense({ name, units: 1 }).apply(inputs));
    const model = tf.model({ inputs, outputs: outputs as tfjs.SymbolicTensor[] });
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    return model;
  };
  const epochs = async (key: string, args: EarlyStoppingArgs = {}) => {
    const stopping = earlyStopping({ monitor: key, ...args });
    const callbacks = [scripted(key, falling).callback, stopping];
    const fit = { epochs: 4, verbose: 0 as const, callbacks };
    const { epoch } = await twoHeads().fit(data([2, 4]), [data([2, 1]), data([2, 1])], fit);
    return epoch.length;
  };

  it.each(minimised)('is smaller for %s', async (key) => expect(await epochs(key)).toBe(4));
  it.each(maximised)('is greater for %s', async (key) => expect(await epochs(key)).toBe(2));
  it('is what mode says', async () => {
    expect(await epochs('acc', { mode: 'min' })).toBe(4);
    expect(await epochs('loss', { mode: 'max' })).toBe(2);
  });

  it.each<[string, string | tfjs.ModelCompileArgs['metrics']]>([
    ['acc', 'accuracy'],
    // The oldest TensorFlow.js has no such metric.
    ...('r2Score' in tf.metrics
      ? [['r2Score', [tf.metrics.r2Score]] as [string, tfjs.ModelCompileArgs['metrics']]]
      : []),
  ])('finds the %s that the host itself writes', async (monitor, metrics) => {
    const model = classifier({ metrics, optimizer: tf.train.sgd(0) });
    const stopping = earlyStopping({ monitor, patience: 9 });
    const seen: number[] = [];
    class Reader extends tf.Callback {
      override async onEpochEnd(epoch: number, logs: tfjs.Logs = {}) {
        expect(logs).toHaveProperty(monitor);
        seen.push((logs[monitor] = [0.1, 0.5, 0.3][epoch]!));
      }
    }
    await model.fit(data([6, 4]), oneHot(6), { epochs: 3, verbose: 0, callbacks: [new Reader(), stopping] });
    expect(seen).toHaveLength(3);
    expect(stopping).toMatchObject({ best: 0.5, bestEpoch: 1 });
  });
});

describe("several outputs, whose validation values the host puts under other values' names", () => {
  const x = () => data([6, 4]);
  const y = () => data([6, 1]);
  const sold = () => tf.tensor2d([1, 0, 1, 1, 0, 1], [6, 1]);
  const both = () => [y(), sold()];
  const house = (metrics: tfjs.ModelCompileArgs['metrics'] = { price: 'mae', sold: 'acc' }) => twoOutputs({ metrics });
  const validated = { epochs: 2, verbose: 0 as const };
  const trainings = {
    fit: (callbacks: Callback[], model = house()) =>
      model.fit(x(), both(), { ...validated, validationData: [x(), both()], callbacks }),
    fitDataset: (callbacks: Callback[], model = house()) => {
      const validationData = batches([x(), both()]);
      return model.fitDataset(batches([x(), both()]), { ...validated, validationData, callbacks });
    },
  };

  it.each(['fit', 'fitDataset'] as const)('are not monitored as what they are not, with %s', async (by) => {
    const model = house();
    const { history } = await trainings[by]([decomposedLoss()], model);
    const errors = tf.tidy(() => (model.predict(x()) as tfjs.Tensor[])[0]!.sub(y()).abs().mean().dataSync()[0]!);
    const wrong = history['val_sold_acc']!.at(-1) as number;
    expect(wrong).toBeNear(errors);
    await expect(trainings[by]([earlyStopping({ monitor: 'val_sold_acc' })])).rejects.toThrow(
      "Expected `monitor` to be a key that holds what it says, got 'val_sold_acc', under which the host, with several " +
        "outputs, writes validation's `price_mae`. Monitor 'val_data_loss' or 'val_total_loss' of `decomposedLoss()`, or " +
        "training's 'sold_acc'.",
    );
  });

  it.each([
    ['val_loss', 'the data loss of `price`'],
    ['val_price_loss', 'the data loss of `price`, `sold`'],
    ['val_sold_loss', "validation's `price_loss`"],
    ['val_price_mae', "validation's `sold_loss`"],
  ])('%s is said to be %s', async (monitor, held) => {
    const model = house();
    const before = weightsOf(model);
    await expect(trainings.fit([earlyStopping({ monitor })], model)).rejects.toThrow(`writes ${held}. Monitor`);
    expect(weightsOf(model)).toEqual(before);
  });

  it.each(['val_data_loss', 'val_total_loss', 'sold_acc', 'price_mae', 'loss'])('%s is monitored', async (monitor) => {
    const stopping = earlyStopping({ monitor, patience: 9 });
    const history = await trainings.fit([stopping, decomposedLoss()]);
    expect(numbersOf(history, monitor)).toContain(stopping.best);
  });

  it('is what it says with one output, and without validation a missing key', async () => {
    const one = regressor({ metrics: ['mae'] });
    const stopping = earlyStopping({ monitor: 'val_mae' });
    await one.fit(x(), y(), { ...validated, validationSplit: 0.5, callbacks: [stopping] });
    expect(stopping.best).toBeDefined();
    const missing = house().fit(x(), both(), { verbose: 0, callbacks: [earlyStopping({ monitor: 'val_sold_acc' })] });
    await expect(missing).rejects.toThrow("to be a key of the epoch's logs");
  });

  it('cannot be told where fitDataset writes several under one key', async () => {
    const twice = house(['mae', 'mae']);
    expect(new Set(twice.metricsNames).size).toBeLessThan(twice.metricsNames.length);
    await expect(trainings.fitDataset([earlyStopping({ monitor: 'val_sold_mae' })], twice)).rejects.toThrow(
      'a value that cannot be told, as several share a name. Give each output and metric a name of its own, or monitor training',
    );
  });
});

describe('NaN', () => {
  it.each(['min', 'max'] as const)('is not the best where it comes first, as Keras 3 has it, for %s', async (mode) => {
    const values = [NaN, 2, 2, 2];
    const { stopping, weights, model } = await train('value', values, { mode, patience: 2, restoreBestWeights: true });
    expect(stopping).toMatchObject({ best: 2, bestEpoch: 1, stoppedEpoch: 3 });
    expect(weightsOf(model)).toEqual(weights[1]);
  });

  it('is never better, and stops as any epoch without improvement', async () => {
    const { stopping, ran, weights, model } = await train('value', [NaN, 3, NaN, 2, NaN, NaN, 1], {
      patience: 2,
      restoreBestWeights: true,
    });
    expect([ran, stopping.stoppedEpoch, stopping.best, stopping.bestEpoch]).toEqual([6, 5, 2, 3]);
    expect(weightsOf(model)).toEqual(weights[3]);
  });

  it('leaves the weights alone where there is nothing else', async () => {
    const { stopping, weights, model } = await train('value', [NaN, NaN], { restoreBestWeights: true });
    expect(stopping.bestEpoch).toBeUndefined();
    expect(weightsOf(model)).toEqual(weights[1]);
  });
});

/** The optimizer climbs, so that the first epoch is the best. */
const climbing = () => regressor({ optimizer: tf.train.sgd(-0.1) });
const keys = [
  ...['loss', 'val_loss', 'data_loss', 'val_data_loss', 'val_total_loss', 'val_regularization_loss'],
  ...['regularization_loss', 'regularization_loss/hidden'],
];
const ours = () => decomposedLoss({ breakdown: 'layer' });

describe.each(['before', 'behind'])('standing %s decomposedLoss()', (place) => {
  const order = (stopping: Callback, other: Callback) => (place === 'before' ? [stopping, other] : [other, stopping]);

  it.each(keys)('monitors %s', async (monitor) => {
    const stopping = earlyStopping({ monitor, patience: 2, restoreBestWeights: true });
    const { callback, weights } = scripted('other', []);
    const callbacks = [callback, ...order(stopping, ours())];
    const model = climbing();
    const args = { verbose: 0 as const, epochs: 9, validationSplit: 0.5, callbacks };
    const history = await model.fit(data([6, 4]), data([6, 1]), args);
    expect(history.epoch).toHaveLength(3);
    expect(stopping.best).toBe(numbersOf(history, monitor)[0]);
    expect(weightsOf(model)).toEqual(weights[0]);
  });

  it('monitors a renamed key with fitDataset', async () => {
    const stopping = earlyStopping({ monitor: 'val_fit', patience: 1 });
    const callbacks = order(stopping, decomposedLoss({ logKeys: { dataLoss: 'fit' } }));
    const dataset = batches([data([4, 4]), data([4, 1])]);
    const args = { epochs: 9, verbose: 0 as const, validationData: dataset, callbacks };
    const history = await climbing().fitDataset(dataset, args);
    expect(history.epoch).toHaveLength(2);
    expect(stopping.best).toBe(numbersOf(history, 'val_fit')[0]);
  });

  it("the host's own stops too", async () => {
    const callbacks = order(tf.callbacks.earlyStopping({ monitor: 'val_data_loss', patience: 2 }), ours());
    const args = { verbose: 0 as const, epochs: 9, validationSplit: 0.5, callbacks };
    expect((await climbing().fit(data([6, 4]), data([6, 1]), args)).epoch).toHaveLength(3);
  });
});

it('the host refuses to restore weights', () => {
  expect(() => tf.callbacks.earlyStopping({ restoreBestWeights: true })).toThrow('not implemented');
});

it('the host maximises whatever has acc in its name', async () => {
  const { callback } = scripted('accumulated', [3, 2, 1]);
  const callbacks = [callback, tf.callbacks.earlyStopping({ monitor: 'accumulated' })];
  const { epoch } = await regressor().fit(data([2, 4]), data([2, 1]), { epochs: 3, verbose: 0, callbacks });
  expect(epoch).toHaveLength(2);
});

it('restores the best weights where the epochs run out, and keeps the last where it is not asked to', async () => {
  const values = [3, 1, 2];
  const kept = await train('value', values, { patience: 9 });
  expect(weightsOf(kept.model)).toEqual(kept.weights[2]);
  const restored = await train('value', values, { patience: 9, restoreBestWeights: true });
  expect(weightsOf(restored.model)).toEqual(restored.weights[1]);
  expect(restored.stopping.stoppedEpoch).toBeUndefined();
});

it('begins each training anew', async () => {
  const stopping = earlyStopping({ monitor: 'value', patience: 3, baseline: 0, restoreBestWeights: true });
  const model = regressor();
  const { callback, weights } = scripted('value', [1, 2, 2, 2, 2]);
  const fit = () => model.fit(data([2, 4]), data([2, 1]), { epochs: 5, verbose: 0, callbacks: [callback, stopping] });
  expect((await fit()).epoch).toHaveLength(3);
  expect((await fit()).epoch).toHaveLength(3);
  expect(weightsOf(model)).toEqual(weights[0]);
});

describe('the best weights', () => {
  const twoSquares = () => {
    const dense = (name: string) => tf.layers.dense({ name, units: 4, inputShape: [4], useBias: false });
    const model = tf.sequential({ layers: [dense('a'), dense('b')] });
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
    return fillWeights(model);
  };
  const valuesOf = (model: tfjs.LayersModel) =>
    ['a', 'b'].map((name) => Array.from(model.getLayer(name).getWeights()[0]!.dataSync()));
  const trainWith = (model: tfjs.LayersModel, onEpochEnd: (epoch: number) => void, epochs = 3) => {
    const stopping = earlyStopping({ monitor: 'value', patience: 9, restoreBestWeights: true });
    const callbacks = [scripted('value', [1, 2, 3]).callback, new tf.CustomCallback({ onEpochEnd }), stopping];
    return model.fit(data([4, 4]), data([4, 4]), { epochs, verbose: 0, callbacks });
  };

  it('are put back into the layers that had them, also where one was frozen since', async () => {
    const model = twoSquares();
    let best: number[][] = [];
    await trainWith(model, (epoch) => {
      if (epoch === 0) best = valuesOf(model);
      if (epoch === 1) model.getLayer('a').trainable = false;
    });
    expect(best[0]).not.toEqual(best[1]);
    expect(valuesOf(model)).toEqual(best);
  });

  it('are not put into a model that is another one by then, of which none is changed', async () => {
    const model = twoSquares();
    const inner = (model as unknown as { model: tfjs.LayersModel }).model;
    let last: number[][] = [];
    const run = trainWith(model, (epoch) => {
      last = valuesOf(model);
      if (epoch < 2) return;
      const other = twoSquares();
      Object.defineProperty(inner, 'weights', { configurable: true, get: () => other.weights });
    });
    await expect(run).rejects.toThrow(
      /^Expected `sequential_\d+_model` to have the weights that it had in epoch 1, the best one, got others: layers came or/,
    );
    expect(valuesOf(model)).toEqual(last);
  });
});

describe('stopped in the middle of the first epoch, which is not validated then', () => {
  const stopAt = (batch: number, model: tfjs.LayersModel) =>
    new tf.CustomCallback({
      onBatchEnd: (now) => {
        if (now === batch) model.stopTraining = true;
      },
    });
  const fit = (model: tfjs.LayersModel, callbacks: Callback[]) =>
    model.fit(data([8, 4]), data([8, 1]), { epochs: 3, batchSize: 2, verbose: 0, validationSplit: 0.25, callbacks });

  it.each(['val_data_loss', 'val_loss', 'val_data_los'])('with %s ends as without it', async (monitor) => {
    const model = regressor();
    const stopping = earlyStopping({ monitor, restoreBestWeights: true });
    const history = await fit(model, [decomposedLoss(), stopping, stopAt(0, model)] as Callback[]);
    expect(history.history['val_loss']).toBeUndefined();
    expect([history.epoch, stopping.best, stopping.stoppedEpoch]).toEqual([[0], undefined, undefined]);
  });

  it('with fitDataset too', async () => {
    const model = regressor();
    const one: [tfjs.Tensor, tfjs.Tensor] = [data([2, 4]), data([2, 1])];
    const callbacks = [decomposedLoss(), earlyStopping(), stopAt(0, model)];
    const args = { epochs: 3, verbose: 0, validationData: batches(one), callbacks };
    expect((await model.fitDataset(batches(one, one), args)).epoch).toEqual([0]);
  });

  it('after a validated epoch keeps what that found', async () => {
    const model = regressor();
    const stopping = earlyStopping({ patience: 5 });
    const stop = new tf.CustomCallback({
      onEpochBegin: (epoch) => {
        if (epoch === 1) model.stopTraining = true;
      },
    });
    const { epoch } = await fit(model, [decomposedLoss(), stopping, stop] as Callback[]);
    expect([epoch, stopping.bestEpoch]).toEqual([[0, 1], 0]);
  });
});

describe('memory', () => {
  const stopping = () => earlyStopping({ monitor: 'loss', patience: 9, restoreBestWeights: true });

  it('is left as it was', async () => {
    const [x, y] = [data([4, 4]), data([4, 1])];
    const model = regressor();
    expect(
      await tensorsLeftBy(() => model.fit(x, y, { epochs: 3, verbose: 0, callbacks: [stopping(), decomposedLoss()] })),
    ).toBe(0);
  });

  it('is left as the host leaves it after a training that throws', async () => {
    class Failing extends tf.Callback {
      override async onEpochEnd(epoch: number) {
        if (epoch === 2) throw new Error('the callback failed');
      }
    }
    const [x, y] = [data([4, 4]), data([4, 1])];
    const left = (callbacks: Callback[]) => {
      const model = regressor();
      return tensorsLeftByFailing(() => model.fit(x, y, { epochs: 5, verbose: 0, callbacks }));
    };
    expect(await left([stopping(), new Failing()])).toBe(await left([new Failing()]));
  });

  it('after which it serves again', async () => {
    const callback = earlyStopping();
    const fit = (args: tfjs.ModelFitArgs) =>
      regressor().fit(data([4, 4]), data([4, 1]), { verbose: 0, callbacks: [callback, decomposedLoss()], ...args });
    await expect(fit({})).rejects.toThrow('val_data_loss');
    await fit({ validationSplit: 0.5 });
    expect(callback.bestEpoch).toBe(0);
  });
});

describe('a key', () => {
  const fit = (args: EarlyStoppingArgs) =>
    regressor().fit(data([4, 4]), data([4, 1]), { verbose: 0, callbacks: [earlyStopping(args), decomposedLoss()] });

  it('that is not there is an error that lists what is', async () => {
    await expect(fit({ monitor: 'val_data_los' })).rejects.toThrow(
      "Expected `monitor` to be a key of the epoch's logs, got 'val_data_los', where there are `loss`, `data_loss`, " +
        '`regularization_loss`. Monitor one of those',
    );
  });

  it('that is there now and then is looked at then', async () => {
    const values = [3, undefined, 2, undefined, 5];
    const { stopping, ran } = await train('value', values, { patience: 1 });
    expect([ran, stopping.best]).toEqual([5, 2]);
  });
});

it('says what it does if asked', async () => {
  const log = jest.spyOn(console, 'log').mockImplementation();
  await train('value', [0.5, 1], { restoreBestWeights: true });
  expect(log).not.toHaveBeenCalled();
  await train('value', [0.5, 1], { restoreBestWeights: true, verbose: 1 });
  await train('value', [NaN, NaN], { verbose: true });
  expect(log.mock.calls.flat()).toEqual([
    'Epoch 2: stopped early. Best value: 0.5, in epoch 1.',
    'Put back the weights of epoch 1.',
    'Epoch 2: stopped early. Best value: none.',
  ]);
  log.mockRestore();
});

describe('refuses', () => {
  it.each<[string, object, string]>([
    ['an empty key', { monitor: '' }, '`monitor`'],
    ['half an epoch', { patience: 1.5 }, '`patience`'],
    ['a negative change', { minDelta: -1 }, '`minDelta`'],
    ['another mode', { mode: 'maximum' }, '`mode`'],
    ['a baseline that is no number', { baseline: NaN }, '`baseline`'],
    ['an epoch before the first', { startFromEpoch: -1 }, '`startFromEpoch`'],
    ['a word for yes', { restoreBestWeights: 'yes' }, '`restoreBestWeights`'],
    ['a number for yes', { acrossFits: 1 }, '`acrossFits`'],
    ['a word for loud', { verbose: 'loud' }, '`verbose`'],
    ['a misspelt name', { minDelat: 1 }, '`minDelat`'],
  ])('%s', (_, args, named) => expect(() => earlyStopping(args)).toThrow(named));

  it('to stand in a list twice, and trains once it does not', async () => {
    const twice = earlyStopping({ monitor: 'loss' });
    const fit = (callbacks: Callback[]) => regressor().fit(data([4, 4]), data([4, 1]), { verbose: 0, callbacks });
    await expect(fit([twice, twice])).rejects.toThrow('in `callbacks` once, got the same one twice');
    await fit([twice]);
  });

  it('to stand behind a plain object', async () => {
    const callbacks = [{}, earlyStopping({ monitor: 'loss' })] as Callback[];
    const run = regressor().fit(data([4, 4]), data([4, 1]), { verbose: 0, callbacks });
    await expect(run).rejects.toThrow('`earlyStopping()` itself in `callbacks`, got a copy of its methods');
  });
});

it('refuses a key that no epoch has, also where there is validation', async () => {
  const [x, y] = [data([6, 4]), data([6, 1])];
  const training = regressor().fit(x, y, {
    verbose: 0,
    validationData: [x, y],
    callbacks: earlyStopping({ monitor: 'data_los' }),
  });
  await expect(training).rejects.toThrow("Expected `monitor` to be a key of the epoch's logs, got 'data_los'");
});
