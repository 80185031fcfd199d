import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, type LogKeys } from 'tfjs-decomposed-loss';
import { tensorBoard, type EventFileApi, type TensorBoardArgs } from 'tfjs-decomposed-loss/tensorboard';
import { backend, tf } from '../helpers/backend';
import { tensorsLeftBy } from '../helpers/memory';
import { batches, data, numbersOf, regressor, twoOutputs } from '../helpers/models';

const onTfjsNode = backend === 'tensorflow' ? describe : describe.skip;
const silent = { verbose: 0 as const };
const [x, y] = [() => data([6, 4]), () => data([6, 1])];

interface Written {
  folder: string;
  tag: string;
  step: number;
  value: number;
}

/** Writers that keep what they are given, one a folder, as tfjs-node's. */
function memory(): { node: EventFileApi; written: Written[]; flushed: () => number } {
  const written: Written[] = [];
  let flushed = 0;
  const writer = (folder: string) => ({
    scalar: (tag: string, value: number | tfjs.Scalar, step: number) =>
      void written.push({ folder, tag, step, value: typeof value === 'number' ? value : value.dataSync()[0]! }),
    flush: () => void (flushed = written.length),
  });
  const writers = new Map<string, ReturnType<typeof writer>>();
  const summaryFileWriter = (folder: string) => {
    if (!writers.has(folder)) writers.set(folder, writer(folder));
    return writers.get(folder)!;
  };
  return { node: { summaryFileWriter }, written, flushed: () => flushed };
}

const runs = (written: Written[], folder: string) => written.filter((one) => one.folder === join('logs', folder));
const tags = (written: Written[], folder: string) => [...new Set(runs(written, folder).map(({ tag }) => tag))].sort();
const curve = (written: Written[], folder: string, tag: string) =>
  runs(written, folder).filter((one) => one.tag === tag);
const values = (written: Written[], folder: string, tag: string) =>
  curve(written, folder, tag).map(({ value }) => value);

async function train(args: TensorBoardArgs = {}, fit: tfjs.ModelFitArgs = {}, model: tfjs.LayersModel = regressor()) {
  const { node, written } = memory();
  const callbacks = [decomposedLoss({ logKeys: args.logKeys }), tensorBoard('logs', { node, ...args })];
  const history = await model.fit(x(), y(), { ...silent, epochs: 2, callbacks, ...fit });
  return { history, written };
}

describe('the charts', () => {
  it('hold training and validation of one quantity, with the values of the history', async () => {
    const { history, written } = await train({}, { validationSplit: 0.5 }, regressor({ metrics: ['mae'] }));
    expect(tags(written, 'train')).toEqual(['data_loss', 'mae', 'regularization_loss', 'total_loss']);
    expect(tags(written, 'validation')).toEqual(tags(written, 'train'));
    const keys = [
      ['train', 'total_loss', 'loss'],
      ['train', 'data_loss', 'data_loss'],
      ['train', 'regularization_loss', 'regularization_loss'],
      ['train', 'mae', 'mae'],
      ['validation', 'total_loss', 'val_total_loss'],
      ['validation', 'data_loss', 'val_data_loss'],
      ['validation', 'regularization_loss', 'val_regularization_loss'],
      ['validation', 'mae', 'val_mae'],
    ] as const;
    for (const [folder, tag, key] of keys) expect(values(written, folder, tag)).toEqual(numbersOf(history, key));
    expect(written).toHaveLength(keys.length * 2);
  });

  it('have one run where there is no validation', async () => {
    const { written } = await train();
    expect(tags(written, 'train')).toEqual(['data_loss', 'regularization_loss', 'total_loss']);
    expect(tags(written, 'validation')).toEqual([]);
  });

  it('group the layers of a breakdown behind the regularization loss', async () => {
    const { node, written } = memory();
    const callbacks = [decomposedLoss({ breakdown: 'layer' }), tensorBoard('logs', { node })];
    const history = await regressor().fit(x(), y(), { ...silent, callbacks });
    const layers = ['regularization_loss/hidden', 'regularization_loss/out'];
    expect(tags(written, 'train')).toEqual(['data_loss', 'regularization_loss', ...layers, 'total_loss']);
    for (const tag of layers) expect(values(written, 'train', tag)).toEqual(numbersOf(history, tag));
  });

  it('bear the names that the losses were given', async () => {
    const logKeys: Partial<LogKeys> = {
      dataLoss: 'fit',
      valDataLoss: 'held_out',
      regularizationLoss: 'penalty',
      valTotalLoss: 'all',
    };
    const { history, written } = await train({ logKeys }, { validationSplit: 0.5 });
    expect(tags(written, 'train')).toEqual(['all', 'fit', 'penalty']);
    expect(tags(written, 'validation')).toEqual(['all', 'fit', 'penalty']);
    expect(values(written, 'validation', 'fit')).toEqual(numbersOf(history, 'held_out'));
    expect(values(written, 'validation', 'all')).toEqual(numbersOf(history, 'all'));
  });

  it('take the values of other callbacks, and leave what is no scalar', async () => {
    const { node, written } = memory();
    const other = new tf.CustomCallback({
      onEpochEnd: (_, logs) => void Object.assign(logs!, { rate: 0.5, val_note: 3, vector: data([2]) }),
    });
    const callbacks = [other, decomposedLoss(), tensorBoard('logs', { node })];
    await regressor().fit(x(), y(), { ...silent, validationSplit: 0.5, callbacks });
    expect(values(written, 'train', 'rate')).toEqual([0.5]);
    expect(values(written, 'validation', 'note')).toEqual([3]);
    expect([...tags(written, 'train'), ...tags(written, 'validation')]).not.toContain('vector');
  });

  it('take a key with `val_` for training where nothing is validated', async () => {
    const { node, written } = memory();
    const other = new tf.CustomCallback({ onEpochEnd: (_, logs) => void Object.assign(logs!, { val_x: 1 }) });
    await regressor().fit(x(), y(), { ...silent, callbacks: [other, decomposedLoss(), tensorBoard('logs', { node })] });
    expect(values(written, 'train', 'val_x')).toEqual([1]);
  });
});

describe('with several outputs, where the host shifts its validation values', () => {
  const targets = () => [data([6, 1]), tf.tensor2d([0, 1, 0, 1, 1, 0], [6, 1])] as const;

  /** What the charts of validation must hold after one epoch, from predictions, in tensors of the host. */
  function byHand(model: tfjs.LayersModel): { [tag: string]: number } {
    const [price, sold] = targets();
    const [prices, chances] = model.predict(x()) as [tfjs.Tensor, tfjs.Tensor];
    const number = (scalar: tfjs.Tensor) => scalar.dataSync()[0]!;
    return {
      price_loss: number(tf.losses.meanSquaredError(price, prices)),
      sold_loss: number(tf.metrics.binaryCrossentropy(sold, chances).mean()),
      price_mae: number(tf.losses.absoluteDifference(price, prices)),
      sold_mae: number(tf.losses.absoluteDifference(sold, chances)),
      price_mse: number(tf.losses.meanSquaredError(price, prices)),
    };
  }

  it.each([['fit'], ['fitDataset']] as const)('draws them under their true names: %s', async (by) => {
    const model = twoOutputs({ metrics: ['mae', 'mse', 'mape'] });
    const { node, written } = memory();
    const args = { ...silent, epochs: 1, callbacks: [tensorBoard('logs', { node }), decomposedLoss()] };
    const [price, sold] = targets();
    const validationData: [tfjs.Tensor, tfjs.Tensor[]] = [x(), [price, sold]];
    await (by === 'fit'
      ? model.fit(x(), [price, sold], { ...args, validationData })
      : model.fitDataset(batches([x(), [price, sold]]), { ...args, validationData: batches(validationData) }));
    const expected = byHand(model);
    for (const [tag, value] of Object.entries(expected)) {
      if (tags(written, 'validation').includes(tag)) expect(values(written, 'validation', tag)[0]).toBeNear(value);
    }
    expect(tags(written, 'validation')).toEqual(expect.arrayContaining(Object.keys(expected)));
    expect(values(written, 'validation', 'data_loss')[0]).toBeNear(expected['price_loss']! + expected['sold_loss']!);
  });

  it.each([
    ["draws the host's", 'fit', ['twin_loss_0']],
    ["leaves the host's out where it lost them", 'fitDataset', []],
  ] as const)('%s, for outputs of one name: %s', async (_, by, known) => {
    const inputs = tf.input({ shape: [4] });
    const dense = tf.layers.dense({ name: 'twin', units: 1 });
    const outputs = [dense.apply(inputs), dense.apply(inputs)] as tfjs.SymbolicTensor[];
    const model = tf.model({ inputs, outputs });
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    const { node, written } = memory();
    const args = { ...silent, epochs: 1, callbacks: [decomposedLoss(), tensorBoard('logs', { node })] };
    const drawn = () => batches([x(), [y(), data([6, 1], 5)]]);
    await (by === 'fit'
      ? model.fit(x(), [y(), y()], { ...args, validationData: [x(), [y(), data([6, 1], 5)]] })
      : model.fitDataset(drawn(), { ...args, validationData: drawn() }));
    const own = ['data_loss', 'data_loss/twin', 'data_loss/twin_1', 'regularization_loss', 'total_loss'];
    expect(tags(written, 'validation').sort()).toEqual([...own, ...known]);
    known.forEach((tag) => expect(values(written, 'validation', tag)).toEqual(values(written, 'validation', own[1]!)));
  });
});

describe('steps', () => {
  const steps = (written: Written[], tag: string) => curve(written, 'train', tag).map(({ step }) => step);

  it('are the epochs of the host, in each fit', async () => {
    const { written } = await train({}, { epochs: 5, initialEpoch: 3 });
    expect(steps(written, 'data_loss')).toEqual([3, 4]);
  });

  it('are the batches over all fits that write into one folder', async () => {
    const { node, written } = memory();
    const model = regressor();
    const seen: number[] = [];
    const recorder = new tf.CustomCallback({ onBatchEnd: (_, logs) => void seen.push(logs!['loss']!) });
    const one = tensorBoard('logs', { node, updateFreq: 'batch' });
    const another = tensorBoard('logs', { node, updateFreq: 'batch' });
    for (const [index, callback] of [one, one, another].entries()) {
      const args = { ...silent, batchSize: 4, epochs: index + 1, initialEpoch: index };
      await model.fit(x(), y(), { ...args, callbacks: [recorder, callback, decomposedLoss()] });
    }
    expect(steps(written, 'batch_total_loss')).toEqual([1, 2, 3, 4, 5, 6]);
    expect(values(written, 'train', 'batch_total_loss')).toEqual(seen);
    expect(steps(written, 'total_loss')).toEqual([0, 1, 2]);
    const all = ['data_loss', 'regularization_loss', 'total_loss'];
    expect(tags(written, 'train')).toEqual([...all.map((tag) => `batch_${tag}`), ...all]);
  });

  it('start anew in another folder', async () => {
    const { node, written } = memory();
    for (const folder of ['a', 'b']) {
      const callbacks = [decomposedLoss(), tensorBoard(folder, { node, updateFreq: 'batch' })];
      await regressor().fit(x(), y(), { ...silent, callbacks });
    }
    const first = written.filter(({ tag }) => tag === 'batch_data_loss');
    expect(first.map(({ folder, step }) => [folder, step])).toEqual([
      [join('a', 'train'), 1],
      [join('b', 'train'), 1],
    ]);
  });
});

it.each(['before', 'behind'])('writes the same whether it stands before or behind: %s', async (place) => {
  const { node, written } = memory();
  const board = tensorBoard('logs', { node, updateFreq: 'batch' });
  const callbacks = place === 'before' ? [board, decomposedLoss()] : [decomposedLoss(), board];
  const history = await regressor().fit(x(), y(), { ...silent, validationSplit: 0.5, callbacks });
  expect(values(written, 'train', 'data_loss')).toEqual(numbersOf(history, 'data_loss'));
  expect(values(written, 'validation', 'total_loss')).toEqual(numbersOf(history, 'val_total_loss'));
  expect(values(written, 'train', 'batch_data_loss')).toHaveLength(1);
});

describe('a run that throws', () => {
  const failing = () => new tf.CustomCallback({ onBatchEnd: (batch) => (batch === 1 ? fail() : undefined) });
  const fail = () => {
    throw new Error('from a callback');
  };

  it('has flushed what it wrote, and leaves a callback that serves again', async () => {
    const { node, written, flushed } = memory();
    const model = regressor();
    const board = tensorBoard('logs', { node, updateFreq: 'batch' });
    const args = { ...silent, batchSize: 2 };
    const run = model.fit(x(), y(), { ...args, callbacks: [decomposedLoss(), board, failing()] });
    await expect(run).rejects.toThrow('from a callback');
    expect(curve(written, 'train', 'batch_data_loss').map(({ step }) => step)).toEqual([1, 2]);
    expect(flushed()).toBe(written.length);
    await model.fit(x(), y(), { ...args, callbacks: [decomposedLoss(), board] });
    expect(curve(written, 'train', 'batch_data_loss').map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
    expect(flushed()).toBe(written.length);
  });
});

describe('arguments', () => {
  it.each([
    [
      'a folder that is none',
      [undefined],
      /Expected `logDir` of `tensorBoard` to be the path of a folder, got undefined/,
    ],
    ['an empty folder', [''], /got ''\. Pass 'logs'/],
    [
      'an unknown name',
      ['logs', { updateFrequency: 1 }],
      /`updateFreq`, `logKeys`, `node` of `tensorBoard`, got `updateFrequency`/,
    ],
    [
      'a frequency',
      ['logs', { updateFreq: 5 }],
      /Expected `updateFreq` of `tensorBoard` to be 'batch' or 'epoch', got 5 \(number\)/,
    ],
    [
      'a node',
      ['logs', { node: tf }],
      /Expected `node` of `tensorBoard` to be the `tf\.node` of a tfjs-node, got an? /,
    ],
    ['no node', ['logs', { node: null }], /Expected `node` of `tensorBoard` to be .*, got null/],
    ['log keys', ['logs', { logKeys: { data: 'x' } }], /Expected `logKeys` of `tensorBoard` to rename .*got `data`/],
  ])('are checked: %s', (_, args, message) => {
    expect(() => tensorBoard(...(args as [string]))).toThrow(message);
  });

  const fit = (callbacks: unknown, model: tfjs.LayersModel = regressor()) =>
    model.fit(x(), y(), { ...silent, callbacks: callbacks as tfjs.CustomCallback[] });

  it('names `decomposedLoss()` where it is missing, or has other names', async () => {
    const { node, written } = memory();
    const missing =
      /Expected `decomposedLoss\(\)` in `callbacks`, which writes `data_loss`, got `loss`.*same `logKeys`/;
    await expect(fit(tensorBoard('logs', { node }))).rejects.toThrow(missing);
    const renamed = decomposedLoss({ logKeys: { dataLoss: 'fit' } });
    await expect(fit([tensorBoard('logs', { node }), renamed])).rejects.toThrow(
      /which writes `data_loss`, got .*`fit`/,
    );
    expect(written).toEqual([]);
  });

  it('refuses a second quantity in the chart of the total', async () => {
    const { node } = memory();
    const inputs = tf.input({ shape: [4] });
    const outputs = ['total', 'other'].map((name) => tf.layers.dense({ name, units: 1 }).apply(inputs));
    const model = tf.model({ inputs, outputs: outputs as tfjs.SymbolicTensor[] });
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    const run = (logKeys?: Partial<LogKeys>) =>
      model.fit(x(), [y(), y()], {
        ...silent,
        callbacks: [decomposedLoss({ logKeys }), tensorBoard('logs', { node, logKeys })],
      });
    await expect(run()).rejects.toThrow(/Expected no metric or loss but the total to be called `total_loss`/);
    await run({ valTotalLoss: 'val_full_loss' });
  });

  it('refuses to stand in one list twice', async () => {
    const board = tensorBoard('logs', { node: memory().node });
    await expect(fit([board, decomposedLoss(), board])).rejects.toThrow(/once, got the same one twice/);
  });

  it('refuses two trainings at once, of which the first goes on', async () => {
    const { node, written } = memory();
    const board = tensorBoard('logs', { node });
    const running = fit([board, decomposedLoss()]);
    await expect(fit([board, decomposedLoss({ logKeys: { dataLoss: 'fit' } })])).rejects.toThrow(
      /`tensorBoard\(\)` to be in one training at a time.*Make another/,
    );
    const history = await running;
    expect(values(written, 'train', 'data_loss')).toEqual(numbersOf(history, 'data_loss'));
  });

  it('says what to do about a plain object before it', async () => {
    const board = tensorBoard('logs', { node: memory().node });
    await expect(fit([{ onTrainEnd: () => {} }, board, decomposedLoss()])).rejects.toThrow(
      /combineCallbacks\(\{…\}, tensorBoard\(\)\)/,
    );
  });

  it('says so where the model is of a second tfjs-layers', async () => {
    const { onTrainBegin } = tensorBoard('logs');
    await expect(onTrainBegin.call({} as never)).rejects.toThrow(/of one tfjs-layers, got a second copy/);
  });

  it('says what to do where training runs on another backend than that of tfjs-node, and changes nothing', async () => {
    if (backend === 'tensorflow') return;
    await expect(fit([decomposedLoss(), tensorBoard('logs')])).rejects.toThrow(
      new RegExp(
        `on @tensorflow/tfjs-node, .*got the backend \`${backend}\`\\. Run \`npm install @tensorflow/tfjs-node`,
      ),
    );
    expect(tf.getBackend()).toBe(backend);
  });
});

onTfjsNode('with tfjs-node', () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'events-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const fit = async (model: tfjs.LayersModel, others: tfjs.CustomCallback[] = []) => {
    const board = tensorBoard(folder, { updateFreq: 'batch' });
    const callbacks = [board, decomposedLoss({ breakdown: 'layer' }), ...others];
    return model.fit(x(), y(), { ...silent, batchSize: 2, validationSplit: 0.5, callbacks });
  };

  const openFiles = () =>
    readdirSync('/proc/self/fd').filter((descriptor) => {
      try {
        return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(folder);
      } catch {
        return false;
      }
    }).length;

  it('says what to do where another build of it is installed', async () => {
    jest.doMock('@tensorflow/tfjs-node', () => {
      throw new Error("Cannot find module '@tensorflow/tfjs-node'\nRequire stack: …");
    });
    await expect(fit(regressor())).rejects.toThrow(
      /got `Error: Cannot find module '@tensorflow\/tfjs-node'`\..* pass `{node: tf\.node}`/,
    );
    jest.dontMock('@tensorflow/tfjs-node');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('writes a file of events for each run', async () => {
    await fit(regressor());
    const events = (run: string) =>
      readdirSync(join(folder, run))
        .map((file) => readFileSync(join(folder, run, file), 'latin1'))
        .join();
    expect(readdirSync(folder).sort()).toEqual(['train', 'validation']);
    expect(events('train')).toMatch(/batch_data_loss[^]*regularization_loss\/hidden/);
    expect(events('validation')).toMatch(/total_loss/);
  });

  it('leaves no tensor but the handles of the two writers, and no other open file, also where a run throws', async () => {
    const model = regressor();
    await model.fit(x(), y(), { ...silent, callbacks: decomposedLoss() });
    const inputs = tf.tidy(() => [x(), y()]).length;
    const handles = 2;
    expect(await tensorsLeftBy(() => fit(model))).toBe(handles + inputs);
    const files = openFiles();
    const failing = new tf.CustomCallback({
      onEpochEnd: () => {
        throw new Error('from a callback');
      },
    });
    expect(await tensorsLeftBy(() => fit(model))).toBe(inputs);
    const held = (others: tfjs.CustomCallback[]) => expect(fit(model, others)).rejects.toThrow('from a callback');
    const plain = await tensorsLeftBy(async () =>
      expect(
        model.fit(x(), y(), { ...silent, batchSize: 2, validationSplit: 0.5, callbacks: failing }),
      ).rejects.toThrow(),
    );
    expect(await tensorsLeftBy(() => held([failing]))).toBe(plain);
    expect(openFiles()).toBe(files);
  });
});
