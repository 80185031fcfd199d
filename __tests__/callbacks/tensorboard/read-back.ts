import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, type LogKeys } from 'tfjs-decomposed-loss';
import { tensorBoard } from 'tfjs-decomposed-loss/tensorboard';
import { tf } from '../../helpers/backend';
import { batches, data, regressor, twoOutputs } from '../../helpers/models';

/** One value as TensorBoard's own package for Python reads it from the event files. */
interface Row {
  run: string;
  tag: string;
  step: number;
  value: number;
}

/** Which charts the keys of the logs belong to, by hand. */
const TRAIN = {
  loss: 'total_loss',
  data_loss: 'data_loss',
  regularization_loss: 'regularization_loss',
  'regularization_loss/hidden': 'regularization_loss/hidden',
  'regularization_loss/out': 'regularization_loss/out',
  mae: 'mae',
};
const LOSSES = {
  val_total_loss: 'total_loss',
  val_data_loss: 'data_loss',
  val_regularization_loss: 'regularization_loss',
};
const VALIDATION = { ...LOSSES, val_mae: 'mae' };

const python = process.env['TENSORBOARD_PYTHON'] ?? 'python3';
const silent = { verbose: 0 as const };
const [x, y] = [() => data([10, 4]), () => data([10, 1])];

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'events-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const sorted = (rows: Row[]): string[] =>
  rows.map(({ run, tag, step, value }) => `${run} ${tag} at ${step}: ${value}`).sort();

const inEventFiles = (): string[] =>
  sorted(JSON.parse(execFileSync(python, [join(__dirname, 'read_events.py'), folder], { encoding: 'utf8' })) as Row[]);

/** The rows that stand for a log; event files hold float32. */
function rows(logs: tfjs.Logs, run: string, charts: { [key: string]: string }, step: number, prefix = ''): Row[] {
  return Object.entries(charts)
    .filter(([key]) => key in logs)
    .map(([key, tag]) => ({ run, tag: prefix + tag, step, value: Math.fround(logs[key]!) }));
}

/** The rows that stand for a training, by batch and by epoch. */
class Expected extends tf.CustomCallback {
  readonly rows: Row[] = [];

  constructor(train: { [key: string]: string } = TRAIN, validation: { [key: string]: string } = VALIDATION) {
    let batchesSeen = 0;
    super({
      onBatchEnd: (_, logs = {}) => void this.rows.push(...rows(logs, 'train', train, (batchesSeen += 1), 'batch_')),
      onEpochEnd: (epoch, logs = {}) =>
        void this.rows.push(...rows(logs, 'train', train, epoch), ...rows(logs, 'validation', validation, epoch)),
    });
  }
}

it('finds every value of fit, by batch and by epoch, over two fits', async () => {
  const expected = new Expected();
  const model = regressor({ metrics: ['mae'] });
  const args = { ...silent, batchSize: 3, validationSplit: 0.3 };
  const callbacks = [tensorBoard(folder, { updateFreq: 'batch' }), expected, decomposedLoss({ breakdown: 'layer' })];
  await model.fit(x(), y(), { ...args, epochs: 3, callbacks });
  await model.fit(x(), y(), { ...args, epochs: 5, initialEpoch: 3, callbacks });
  const found = inEventFiles();
  expect(found).toEqual(sorted(expected.rows));
  expect(found).toHaveLength(5 * 3 * 4 + 5 * 6 + 5 * 4);
});

it('finds those of fitDataset by epoch, under other names', async () => {
  const logKeys: LogKeys = {
    dataLoss: 'fit',
    regularizationLoss: 'penalty',
    valDataLoss: 'held out',
    valRegularizationLoss: 'held penalty',
    valTotalLoss: 'all',
  };
  const train = { loss: 'all', fit: 'fit', penalty: 'penalty', 'penalty/hidden/kernel': 'penalty/hidden/kernel' };
  const outputs = { 'penalty/out/kernel': 'penalty/out/kernel', 'penalty/out/bias': 'penalty/out/bias' };
  const expected = new Expected({ ...train, ...outputs }, { all: 'all', 'held out': 'fit', 'held penalty': 'penalty' });
  const callbacks = [decomposedLoss({ logKeys, breakdown: 'weight' }), tensorBoard(folder, { logKeys }), expected];
  const dataset = () => batches([x(), y()], [data([4, 4], 5), data([4, 1], 6)]);
  await regressor().fitDataset(dataset(), { ...silent, epochs: 4, validationData: dataset(), callbacks });
  const found = inEventFiles();
  expect(found).toEqual(sorted(expected.rows.filter(({ tag }) => !tag.startsWith('batch_'))));
  expect(found).toHaveLength(4 * 6 + 4 * 3);
});

it('finds those of several outputs, each under its true name', async () => {
  const parts = ['data_loss/price', 'data_loss/sold'];
  const names = [...parts, 'price_loss', 'sold_loss', 'price_mae', 'sold_mae'];
  const train = { loss: 'total_loss', data_loss: 'data_loss', regularization_loss: 'regularization_loss' };
  // The host has six values, two running sums before the rest, for the five labels from `val_loss` on.
  const shifted = { val_sold_loss: 'price_loss', val_price_mae: 'sold_loss', val_sold_mae: 'price_mae' };
  const expected = new Expected(
    { ...train, ...Object.fromEntries(names.map((name) => [name, name])) },
    { ...LOSSES, ...shifted, ...Object.fromEntries(parts.map((name) => [`val_${name}`, name])) },
  );
  const callbacks = [expected, tensorBoard(folder), decomposedLoss()];
  const targets = [y(), tf.tensor2d([0, 1, 0, 1, 1, 0, 1, 1, 0, 1], [10, 1])];
  const args = { ...silent, epochs: 2, validationSplit: 0.5, callbacks };
  await twoOutputs({ metrics: ['mae'] }).fit(x(), targets, args);
  const found = inEventFiles();
  expect(found).toEqual(sorted(expected.rows.filter(({ tag }) => !tag.startsWith('batch_'))));
  expect(found).toHaveLength(2 * 9 + 2 * 8);
});

it('finds what was written before a run threw', async () => {
  const expected = new Expected();
  const failing = new tf.CustomCallback({
    onBatchEnd: (batch) => {
      if (batch === 2) throw new Error('from a callback');
    },
  });
  const callbacks = [tensorBoard(folder, { updateFreq: 'batch' }), expected, decomposedLoss(), failing];
  const run = regressor().fit(x(), y(), { ...silent, batchSize: 2, callbacks });
  await expect(run).rejects.toThrow('from a callback');
  const found = inEventFiles();
  expect(found).toEqual(sorted(expected.rows));
  expect(found).toHaveLength(3 * 3);
});
