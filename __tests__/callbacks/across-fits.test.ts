import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, earlyStopping, type EarlyStoppingArgs } from 'tfjs-decomposed-loss';
import { lossLogger } from 'tfjs-decomposed-loss/node';
import { tensorBoard } from 'tfjs-decomposed-loss/tensorboard';
import { tf } from '../helpers/backend';
import { tensorsLeftBy } from '../helpers/memory';
import { batches, data, regressor } from '../helpers/models';

type Callback = InstanceType<typeof tf.Callback>;

const [x, y] = [() => data([4, 4]), () => data([4, 1])];
const weightsOf = (model: tfjs.LayersModel) => model.getWeights().map((weight) => Array.from(weight.dataSync()));

/** Writes one value after another into the logs of the epochs, and keeps the weights of each. */
function scripted(values: number[]) {
  const weights: number[][][] = [];
  class Scripted extends tf.Callback {
    override async onEpochEnd(_: number, logs: tfjs.Logs = {}) {
      logs['value'] = values[weights.length]!;
      weights.push(weightsOf(this.model));
    }
  }
  return { callback: new Scripted(), weights };
}

const trainings = {
  fit: (model: tfjs.LayersModel, callbacks: Callback[], args: tfjs.ModelFitArgs = {}) =>
    model.fit(x(), y(), { epochs: 1, verbose: 0, shuffle: false, callbacks, ...args }),
  fitDataset: (model: tfjs.LayersModel, callbacks: Callback[]) =>
    model.fitDataset(batches([x(), y()]), { epochs: 1, verbose: 0, callbacks }),
};

const values = [5, 3, 4, 2, 3, 4, 1];

describe('earlyStopping({acrossFits: true})', () => {
  const stoppingOn = (args: EarlyStoppingArgs = {}) => earlyStopping({ monitor: 'value', acrossFits: true, ...args });

  it.each(['fit', 'fitDataset'] as const)('stops a loop of %s where one training would stop', async (by) => {
    const one = scripted(values);
    const args = { patience: 2, restoreBestWeights: true };
    const whole = earlyStopping({ monitor: 'value', ...args });
    const trained = regressor();
    await trained.fit(x(), y(), { epochs: 7, verbose: 0, shuffle: false, callbacks: [one.callback, whole] });

    const { callback, weights } = scripted(values);
    const stopping = stoppingOn(args);
    const model = regressor();
    for (let fit = 0; fit < 7 && stopping.stoppedEpoch === undefined; fit += 1) {
      await trainings[by](model, [callback, stopping]);
    }
    const found = ({ best, bestEpoch, stoppedEpoch }: typeof whole) => ({ best, bestEpoch, stoppedEpoch });
    expect(found(stopping)).toEqual(found(whole));
    expect(found(stopping)).toEqual({ best: 2, bestEpoch: 3, stoppedEpoch: 5 });
    expect(weights).toEqual(one.weights);
    expect(weightsOf(model)).toEqual(weightsOf(trained));
    expect(weightsOf(model)).toEqual(weights[3]);
  });

  it('puts weights back only in the training that stops', async () => {
    const { callback, weights } = scripted([1, 2, 3]);
    const stopping = stoppingOn({ patience: 2, restoreBestWeights: true });
    const model = regressor();
    const seen: number[][][] = [];
    for (let fit = 0; fit < 3; fit += 1) {
      await trainings.fit(model, [callback, stopping]);
      seen.push(weightsOf(model));
    }
    expect(seen).toEqual([weights[0], weights[1], weights[0]]);
  });

  it('counts the first epochs to leave out over all trainings', async () => {
    const { callback } = scripted([1, 2, 3, 4]);
    const stopping = stoppingOn({ patience: 1, startFromEpoch: 2 });
    const model = regressor();
    for (let fit = 0; fit < 4; fit += 1) await trainings.fit(model, [callback, stopping]);
    expect(stopping).toMatchObject({ best: 3, bestEpoch: 2, stoppedEpoch: 3 });
  });

  it('holds the weights until it stops, or is disposed, and then begins anew', async () => {
    const stopping = stoppingOn({ patience: 3, restoreBestWeights: true });
    const model = regressor();
    const [inputs, targets] = [x(), y()];
    const { callback } = scripted([1, 2, 3, 0.5, 1, 1, 1, 9, 9, 9]);
    const fit = (epochs: number) => () =>
      model.fit(inputs, targets, { epochs, verbose: 0, callbacks: [callback, stopping] });
    const held = model.getWeights().length;
    expect(await tensorsLeftBy(fit(1))).toBe(held);
    expect(await tensorsLeftBy(fit(1))).toBe(0);
    expect(await tensorsLeftBy(async () => stopping.dispose())).toBe(-held);
    expect(await tensorsLeftBy(async () => stopping.dispose())).toBe(0);
    expect(await tensorsLeftBy(fit(1))).toBe(held);
    expect(stopping).toMatchObject({ best: 3, bestEpoch: 2, stoppedEpoch: undefined });
    expect(await tensorsLeftBy(fit(4))).toBe(-held);
    expect(stopping).toMatchObject({ best: 0.5, bestEpoch: 3, stoppedEpoch: 6 });
    expect(await tensorsLeftBy(fit(1))).toBe(held);
    expect(stopping).toMatchObject({ best: 9, bestEpoch: 7, stoppedEpoch: undefined });
    stopping.dispose();
  });

  it('goes on after a training that threw, and where the model was compiled anew or a layer frozen', async () => {
    const model = regressor();
    const stopping = stoppingOn({ patience: 2, restoreBestWeights: true });
    const { callback, weights } = scripted([1, 2, 3, 4]);
    class Failing extends tf.Callback {
      override async onEpochEnd() {
        throw new Error('the callback failed');
      }
    }
    await trainings.fit(model, [callback, stopping]);
    await expect(trainings.fit(model, [new Failing(), callback, stopping])).rejects.toThrow('the callback failed');
    model.layers[0]!.trainable = false;
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.2) });
    await trainings.fit(model, [callback, stopping]);
    model.layers[0]!.trainable = true;
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.2) });
    await trainings.fit(model, [callback, stopping]);
    expect(stopping).toMatchObject({ best: 1, bestEpoch: 0, stoppedEpoch: 2 });
    expect(weightsOf(model)).toEqual(weights[0]);
  });

  it('refuses another model while it counts, which changes nothing, and takes it after dispose()', async () => {
    const stopping = stoppingOn({ patience: 1, restoreBestWeights: true });
    const { callback, weights } = scripted([1, 2, 3]);
    const [model, another] = [regressor(), regressor()];
    await trainings.fit(model, [callback, stopping]);
    await expect(trainings.fit(another, [stopping])).rejects.toThrow(
      /^Expected `earlyStopping\(\{acrossFits: true\}\)` to go on with the model that it counts for, got `sequential_\d+_model`, which has other weights\. Make another one for each model, or call `dispose\(\)`/,
    );
    await trainings.fit(model, [callback, stopping]);
    expect(stopping.stoppedEpoch).toBe(1);
    expect(weightsOf(model)).toEqual(weights[0]);
    await trainings.fit(model, [callback, stopping]);
    stopping.dispose();
    await trainings.fit(another, [scripted([7]).callback, stopping]);
    expect(stopping).toMatchObject({ best: 7, bestEpoch: 0 });
    stopping.dispose();
  });

  it('is off by default: each training begins anew', async () => {
    const stopping = earlyStopping({ monitor: 'value', restoreBestWeights: true });
    const { callback } = scripted([1, 2, 3]);
    const model = regressor();
    for (let fit = 0; fit < 3; fit += 1) await trainings.fit(model, [callback, stopping]);
    expect(stopping).toMatchObject({ best: 3, bestEpoch: 0, stoppedEpoch: undefined });
  });
});

describe('epochs are numbered on', () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'losses-'))));
  afterEach(() => rmSync(folder, { recursive: true }));
  const path = () => join(folder, 'losses.csv');
  const logged = () =>
    readFileSync(path(), 'utf8')
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => Number(line.split(',')[0]));

  /** A `tensorBoard()`, and the steps that it writes. */
  function board() {
    const steps: number[] = [];
    const scalar = (tag: string, _: unknown, step: number) => {
      if (tag === 'data_loss') steps.push(step);
    };
    const node = { summaryFileWriter: () => ({ scalar, flush: () => {} }) };
    return { steps, callback: tensorBoard('logs', { node }) };
  }

  it.each(['fit', 'fitDataset'] as const)('in a loop of %s', async (by) => {
    const log = jest.spyOn(console, 'log').mockImplementation();
    const { steps, callback } = board();
    const model = regressor();
    const callbacks = [decomposedLoss({ verbose: true }), lossLogger(path()), callback];
    for (let fit = 0; fit < 3; fit += 1) await trainings[by](model, callbacks);
    const printed = log.mock.calls.map(([line]) => String(line).split('  ')[0]);
    log.mockRestore();
    expect([logged(), steps, printed]).toEqual([
      [0, 1, 2],
      [0, 1, 2],
      ['Epoch 1/1', 'Epoch 2', 'Epoch 3'],
    ]);
  });

  it('also by batch, over several epochs, and where the model was compiled anew', async () => {
    const { steps, callback } = board();
    const model = regressor();
    const callbacks = [decomposedLoss(), lossLogger(path(), { updateFreq: 'batch' }), callback];
    await trainings.fit(model, callbacks, { epochs: 2, batchSize: 2 });
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    await trainings.fit(model, callbacks, { epochs: 2, batchSize: 2 });
    expect(logged()).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
    expect(steps).toEqual([0, 1, 2, 3]);
  });

  it('but as fit says with initialEpoch, and from 0 with another model', async () => {
    const { steps, callback } = board();
    const model = regressor();
    const callbacks = [decomposedLoss(), lossLogger(path()), callback];
    await trainings.fit(model, callbacks, { epochs: 2 });
    await trainings.fit(model, callbacks, { initialEpoch: 5, epochs: 7 });
    await trainings.fit(model, callbacks);
    await trainings.fit(regressor(), callbacks);
    expect([logged(), steps]).toEqual([
      [0, 1, 5, 6, 7, 0],
      [0, 1, 5, 6, 7, 0],
    ]);
  });

  it('in a file that is begun anew, but not by each training of the loop', async () => {
    const logger = lossLogger(path(), { append: false });
    const model = regressor();
    for (let fit = 0; fit < 3; fit += 1) await trainings.fit(model, [logger]);
    expect(logged()).toEqual([0, 1, 2]);
    await trainings.fit(regressor(), [logger]);
    expect(logged()).toEqual([0]);
  });
});
