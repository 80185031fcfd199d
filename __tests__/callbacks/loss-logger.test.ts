import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import { lossLogger, type LossLoggerArgs } from 'tfjs-decomposed-loss/node';
import { backend, tf } from '../helpers/backend';
import { tensorsLeftBy, tensorsLeftByFailing } from '../helpers/memory';
import { batches, data, regressor } from '../helpers/models';

type Callback = InstanceType<typeof tf.Callback> | tfjs.CustomCallback;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'losses-'));
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const file = (name = 'losses.csv') => join(folder, name);
const text = (path = file()) => readFileSync(path, 'utf8');
const lines = (path = file()) => text(path).trimEnd().split('\n');

const fit = (callbacks: Callback[], args: tfjs.ModelFitArgs = {}, model = regressor()) =>
  model.fit(data([6, 4]), data([6, 1]), { epochs: 3, verbose: 0, validationSplit: 0.5, callbacks, ...args });

/** Puts values into the logs of each epoch. */
function adding(values: (epoch: number) => object): Callback {
  class Adding extends tf.Callback {
    override async onEpochEnd(epoch: number, logs: tfjs.Logs = {}) {
      Object.assign(logs, values(epoch));
    }
  }
  return new Adding();
}

/** The rows that Python's reader finds, as it finds them. */
function readByPython(path: string): string[][] {
  const code = 'import csv,json,sys; print(json.dumps(list(csv.reader(open(sys.argv[1], newline="")))))';
  return JSON.parse(spawnSync('python3', ['-c', code, path], { encoding: 'utf8' }).stdout) as string[][];
}
const hasPython = spawnSync('python3', ['--version']).status === 0;
const withPython = hasPython ? it : it.skip;

/** A history by rows: the epoch, then the values of each key. */
const rowsOf = ({ epoch, history }: tfjs.History) =>
  epoch.map((number, index) => ({
    epoch: number,
    ...Object.fromEntries(Object.entries(history).map(([key, values]) => [key, values[index] as number])),
  }));

describe.each(['before', 'behind'])('standing %s decomposedLoss()', (place) => {
  const order = (logger: Callback, other: Callback) => (place === 'before' ? [logger, other] : [other, logger]);

  it('writes the history as JSON lines', async () => {
    const path = file('losses.jsonl');
    const history = await fit(order(lossLogger(path), decomposedLoss({ breakdown: 'weight' })));
    expect(lines(path).map((line) => JSON.parse(line) as object)).toEqual(rowsOf(history));
    expect(text(path).endsWith('}\n')).toBe(true);
  });

  withPython('writes the history as CSV', async () => {
    const history = await fit(order(lossLogger(file()), decomposedLoss({ breakdown: 'layer' })));
    const [header, ...rows] = readByPython(file());
    const expected = rowsOf(history);
    expect(header).toEqual(Object.keys(expected[0]!));
    expect(rows).toEqual(expected.map((row) => Object.values(row).map(String)));
  });
});

it.each([
  ['fit', (callbacks: Callback[]) => fit(callbacks, { batchSize: 2, epochs: 2, shuffle: false })],
  [
    'fitDataset',
    (callbacks: Callback[]) => {
      const dataset = batches([data([2, 4]), data([2, 1])], [data([3, 4]), data([3, 1])]);
      const args = { epochs: 2, verbose: 0, callbacks };
      return regressor().fitDataset(dataset, args);
    },
  ],
])('writes each batch of %s, as other callbacks see it', async (_, train) => {
  const seen: object[] = [];
  let epoch = 0;
  const reader = new tf.CustomCallback({
    onEpochBegin: (number) => void (epoch = number),
    onBatchEnd: (batch, logs) => void seen.push({ epoch, batch, ...logs }),
  });
  const logger = lossLogger(pathToFileURL(file()), { updateFreq: 'batch', format: 'jsonl' });
  await train([decomposedLoss(), logger, reader]);
  expect(seen).toHaveLength(4);
  expect(lines().map((line) => JSON.parse(line) as object)).toEqual(seen);
  expect(Object.keys(seen[0]!)).toEqual(expect.arrayContaining(['size', 'loss', 'data_loss', 'regularization_loss']));
});

describe('names', () => {
  const odd = [
    '=1+1',
    '+1',
    '-1',
    '@a',
    "'quoted",
    'a,b',
    'a "b"',
    'a\nb',
    'a\r\nb',
    '\ttab',
    ' space ',
    'é✓',
    '"',
    ',',
  ];
  const values = Object.fromEntries(odd.map((name, index) => [name, index]));

  withPython('come back from CSV, and no spreadsheet computes one', async () => {
    await fit([adding(() => values), lossLogger(file())]);
    const [header, ...rows] = readByPython(file());
    expect(header!.slice(-odd.length).map((name) => name.replace(/^'/, ''))).toEqual(odd);
    expect(header!.filter((name) => /^[=+\-@\t\r]/.test(name))).toEqual([]);
    expect(rows).toHaveLength(3);
    rows.forEach((row) => expect(row.slice(-odd.length)).toEqual(odd.map((_, index) => String(index))));
  });

  it('come back from JSON', async () => {
    await fit([adding(() => values), lossLogger(file('a.jsonl'))]);
    lines(file('a.jsonl')).forEach((line) => expect(JSON.parse(line)).toMatchObject(values));
  });

  it('that are numbers stand behind the epoch in JSON too, and the log is resumed', async () => {
    const path = file('a.jsonl');
    const logger = () => lossLogger(path, { updateFreq: 'epoch' });
    await fit([adding(() => ({ 1: 7, [-1]: 8 })), logger()], { epochs: 1 });
    await fit([adding(() => ({ 1: 7 })), logger()], { epochs: 1 });
    expect(lines(path)).toHaveLength(2);
    lines(path).forEach((line) => expect(line).toMatch(/^\{"epoch":0,"1":7,"val_loss":[\d.]+,"loss":[\d.]+[,}]/));
    expect(JSON.parse(lines(path)[0]!)).toMatchObject({ epoch: 0, 1: 7, [-1]: 8 });
  });

  it('are the same when a log is resumed', async () => {
    await fit([adding(() => values), lossLogger(file())]);
    const first = text();
    await fit([adding(() => values), lossLogger(file())]);
    expect(text().startsWith(first)).toBe(true);
    expect(text().slice(first.length).split('\n')).toHaveLength(4);
  });

  withPython("of decomposedLoss()'s own may be any", async () => {
    await fit([decomposedLoss({ logKeys: { dataLoss: '=data, "x"' } }), lossLogger(file())]);
    const [header] = readByPython(file());
    expect(header).toEqual(expect.arrayContaining([`'=data, "x"`, 'val_=data, "x"']));
  });
});

describe('values', () => {
  const values = { a: NaN, b: Infinity, c: -Infinity, d: -0.5 };

  it('that are not finite have a text in JSON', async () => {
    await fit([adding(() => values), lossLogger(file('a.jsonl'))], { epochs: 1 });
    expect(JSON.parse(text(file('a.jsonl')))).toMatchObject({ ...values, a: 'NaN', b: 'Infinity', c: '-Infinity' });
  });

  it('and in CSV', async () => {
    await fit([adding(() => values), lossLogger(file())], { epochs: 1 });
    expect(lines().at(-1)).toMatch(/,NaN,Infinity,-Infinity,-0.5$/);
  });

  it('that come up later are left out of a CSV with a word, and those that miss are empty', async () => {
    const warn = jest.spyOn(console, 'warn').mockImplementation();
    const late = adding((epoch) => (epoch === 0 ? { early: 1 } : { late: 2 }));
    await fit([late, lossLogger(file())]);
    expect(lines()[0]).toMatch(/,early$/);
    expect(lines()[2]).toMatch(/,$/);
    expect(warn.mock.calls).toEqual([[expect.stringMatching(/^`late` came up after the header of '.*losses.csv'/)]]);
  });
});

it('can be read while training runs', async () => {
  const seen: number[] = [];
  const reader = new tf.CustomCallback({ onEpochEnd: () => void seen.push(lines().length) });
  await fit([lossLogger(file()), reader]);
  expect(seen).toEqual([2, 3, 4]);
});

it('makes the folder', async () => {
  await fit([lossLogger(file('a/b/losses.csv'))]);
  expect(lines(file('a/b/losses.csv'))).toHaveLength(4);
});

describe('a file that is there', () => {
  const epochs = () => lines().map((line) => line.split(',')[0]);

  it('is gone on with', async () => {
    await fit([decomposedLoss(), lossLogger(file())]);
    await fit([decomposedLoss(), lossLogger(file())], { initialEpoch: 3, epochs: 5 });
    expect(epochs()).toEqual(['epoch', '0', '1', '2', '3', '4']);
  });

  it('and whole is gone on with in silence', async () => {
    const warn = jest.spyOn(console, 'warn').mockImplementation();
    await fit([lossLogger(file())]);
    await fit([lossLogger(file())]);
    expect(warn).not.toHaveBeenCalled();
  });

  it('by the same callback', async () => {
    const logger = lossLogger(file());
    await fit([logger]);
    await fit([logger]);
    expect(epochs()).toEqual(['epoch', '0', '1', '2', '0', '1', '2']);
  });

  it('is begun anew on request', async () => {
    await fit([decomposedLoss(), lossLogger(file())]);
    await fit([lossLogger(file(), { append: false })]);
    expect(epochs()).toEqual(['epoch', '0', '1', '2']);
    expect(lines()[0]).toBe('epoch,val_loss,loss');
  });

  it('keeps its order of columns, and may have been saved by a spreadsheet', async () => {
    writeFileSync(file(), '"epoch","loss","val_loss"\r\n0,1,2\r\n'.replace('"epoch"', 'epoch'));
    const history = await fit([lossLogger(file())], { epochs: 1 });
    const { loss, val_loss } = history.history as Record<string, number[]>;
    expect(text()).toBe(`epoch,"loss","val_loss"\r\n0,1,2\r\n0,${loss![0]},${val_loss![0]}\n`);
  });

  it('with other columns is an error that names them, and stays as it is', async () => {
    await fit([decomposedLoss(), lossLogger(file())]);
    const before = text();
    await expect(fit([lossLogger(file())], { validationSplit: 0 })).rejects.toThrow(
      /this training lacks `val_loss`, .*`data_loss`/,
    );
    await expect(fit([decomposedLoss(), adding(() => ({ more: 1 })), lossLogger(file())])).rejects.toThrow(
      'the file lacks `more`. Choose another file',
    );
    expect(text()).toBe(before);
  });

  it.each(['2,0.5', '2,0.5,', '2,0.5,0.', '2,0.5,-', '2,0.5,1e-', '2,0.5,Na', '2,0.5,0.2,', '2'])(
    'that a crash left with a torn row, %s, loses that row',
    async (torn) => {
      await fit([lossLogger(file())], { epochs: 2 });
      const before = text();
      appendFileSync(file(), torn);
      const warn = jest.spyOn(console, 'warn').mockImplementation();
      await fit([lossLogger(file())], { initialEpoch: 2, epochs: 3 });
      expect(warn.mock.calls).toEqual([[`Cut off the torn last line of '${file()}': "${torn}".`]]);
      expect(text().startsWith(before)).toBe(true);
      expect(epochs()).toEqual(['epoch', '0', '1', '2']);
    },
  );

  it.each(['2,0.5,0.25', '2,0.5,NaN', '2,,-Infinity', '2,0.5,1e-7', '2,"0.5","0.25"'])(
    'whose last row, %s, is whole but has no line end, keeps it',
    async (row) => {
      await fit([lossLogger(file())], { epochs: 2 });
      const before = text();
      appendFileSync(file(), row);
      const warn = jest.spyOn(console, 'warn').mockImplementation();
      await fit([lossLogger(file())], { initialEpoch: 3, epochs: 4 });
      expect(warn.mock.calls).toEqual([
        [`Ended the last line of '${file()}', a whole row without a line end: ${JSON.stringify(row)}.`],
      ]);
      expect(text().startsWith(`${before}${row}\n3,`)).toBe(true);
      expect(epochs()).toEqual(['epoch', '0', '1', '2', '3']);
    },
  );

  it('whose last line of JSON is whole but has no line end keeps it', async () => {
    const path = file('a.jsonl');
    await fit([lossLogger(path)], { epochs: 2 });
    writeFileSync(path, text(path).trimEnd());
    jest.spyOn(console, 'warn').mockImplementation();
    await fit([lossLogger(path)], { initialEpoch: 2, epochs: 3 });
    expect(lines(path).map((line) => (JSON.parse(line) as { epoch: number }).epoch)).toEqual([0, 1, 2]);
  });

  it.each(['epo', 'epoch,val_lo', 'epoch,"a\nb', 'epoch,val_loss,loss'])('or a torn header, %j', async (torn) => {
    writeFileSync(file(), torn);
    const warn = jest.spyOn(console, 'warn').mockImplementation();
    await fit([lossLogger(file())], { epochs: 1 });
    expect(warn.mock.calls).toEqual([[`Cut off the torn last line of '${file()}': ${JSON.stringify(torn)}.`]]);
    expect(lines()[0]).toBe('epoch,val_loss,loss');
    expect(epochs()).toEqual(['epoch', '0']);
  });

  it('or a torn line of JSON', async () => {
    const path = file('a.jsonl');
    await fit([lossLogger(path)], { epochs: 2 });
    const before = text(path);
    appendFileSync(path, '{"epoch":2,"lo');
    jest.spyOn(console, 'warn').mockImplementation();
    await fit([lossLogger(path)], { initialEpoch: 2, epochs: 3 });
    expect(text(path).startsWith(before)).toBe(true);
    expect(lines(path).map((line) => (JSON.parse(line) as { epoch: number }).epoch)).toEqual([0, 1, 2]);
  });

  it('is found to its end where it is long', async () => {
    writeFileSync(file(), `epoch,val_loss,loss\n${'0,1,2\n'.repeat(30_000)}7,${'x'.repeat(99)}`);
    const warn = jest.spyOn(console, 'warn').mockImplementation();
    await fit([lossLogger(file())], { epochs: 1 });
    expect(warn).toHaveBeenCalledWith(`Cut off the torn last line of '${file()}': "7,${'x'.repeat(38)}"….`);
    expect(lines()).toHaveLength(30_002);
    expect(lines().at(-2)).toBe('0,1,2');
  });

  it.each(['notes\n', 'my notes', '{"epoch":0}\n', 'epochs of history\n'])(
    'and is something else, %j, is an error, and stays as it is',
    async (content) => {
      writeFileSync(file(), content);
      await expect(fit([lossLogger(file())])).rejects.toThrow("to be empty or a log that begins with 'epoch,', got '");
      expect(text()).toBe(content);
    },
  );
});

describe('an epoch that was stopped in its middle, and so not validated', () => {
  const stopped = async (callbacks: Callback[], at = 0) => {
    const model = regressor();
    let epoch = 0;
    const stop = new tf.CustomCallback({
      onEpochBegin: (now) => void (epoch = now),
      onBatchEnd: () => {
        if (epoch === at) model.stopTraining = true;
      },
    });
    return fit([...callbacks, stop], { batchSize: 1 }, model);
  };

  it('is a row with gaps, of a CSV that others can go on with', async () => {
    const warn = jest.spyOn(console, 'warn').mockImplementation();
    const { epoch, history } = await stopped([decomposedLoss(), lossLogger(file())]);
    expect([epoch, history['val_loss']]).toEqual([[0], undefined]);
    await fit([decomposedLoss(), lossLogger(file())], { epochs: 1 });
    await stopped([decomposedLoss(), lossLogger(file())]);
    const names = lines()[0]!.split(',');
    expect(names.filter((name) => name.startsWith('val_'))).toHaveLength(4);
    const rows = lines().map((line) => line.split(','));
    const gaps = rows.map((row) => names.filter((_, column) => row[column] === ''));
    expect(gaps).toEqual([[], names.filter((name) => name.startsWith('val_')), [], gaps[1]]);
    expect(rows.every((row) => row.length === names.length)).toBe(true);
    expect(warn).not.toHaveBeenCalled();
  });

  it('is no excuse for other columns', async () => {
    await fit([lossLogger(file())], { epochs: 1 });
    await expect(stopped([decomposedLoss(), lossLogger(file())])).rejects.toThrow('the file lacks `data_loss`');
  });

  it('lacks the keys in JSON', async () => {
    await stopped([lossLogger(file('a.jsonl'))], 1);
    const [first, second] = lines(file('a.jsonl')).map((line) => Object.keys(JSON.parse(line) as object));
    expect([first, second]).toEqual([
      ['epoch', 'val_loss', 'loss'],
      ['epoch', 'loss'],
    ]);
  });
});

describe('a crash', () => {
  // The child is the same on each backend.
  const onCpu = backend === 'cpu' ? it : it.skip;

  onCpu('by kill -9 loses at most the last row', async () => {
    const root = join(__dirname, '../..');
    const child = spawn(
      process.execPath,
      ['--require', './scripts/node-24.cjs', '--import', 'tsx', '__tests__/children/log-until-killed.ts', file()],
      { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] },
    );
    let logged = 0;
    for await (const line of createInterface(child.stdout)) {
      logged = Number(line);
      if (logged === 50) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
    const complete = text().split('\n').slice(1, -1);
    expect(logged).toBeGreaterThanOrEqual(50);
    expect(complete.length).toBeGreaterThanOrEqual(logged);
    complete.forEach((line, index) => {
      const cells = line.split(',').map(Number);
      expect(cells.slice(0, 2)).toEqual([Math.floor(index / 64), index % 64]);
      expect(cells.every(Number.isFinite)).toBe(true);
    });
  });
});

describe('a stream', () => {
  /** A stream that takes one row at a time, and how many it has been given at once. */
  function slow(fails: (row: number) => boolean = () => false) {
    const taken: string[] = [];
    let most = 0;
    const stream = new Writable({
      highWaterMark: 1,
      write(chunk, _, done) {
        most = Math.max(most, stream.writableLength);
        setImmediate(() => {
          const failure = fails(taken.length) ? new Error('no more paper') : null;
          if (failure === null) taken.push(String(chunk));
          done(failure);
        });
      },
    });
    return { stream, taken, longest: () => Math.max(...taken.map(({ length }) => length)), most: () => most };
  }

  it.each(['csv', 'jsonl'] as const)('gets what a file gets, as %s', async (format) => {
    const { stream, taken } = slow();
    await fit([decomposedLoss(), lossLogger(stream, { format }), lossLogger(file(), { format })]);
    expect(taken.join('')).toBe(text());
    expect(stream.listenerCount('error')).toBe(0);
    expect(stream.writable).toBe(true);
  });

  it('that is slow is waited for', async () => {
    const { stream, most, longest } = slow();
    await fit([lossLogger(stream, { updateFreq: 'batch' })], { batchSize: 1 });
    expect(most()).toBe(longest());
  });

  it('has one header for several trainings', async () => {
    const { stream, taken } = slow();
    const logger = lossLogger(stream);
    await fit([logger], { epochs: 1 });
    await fit([logger], { epochs: 1 });
    expect(taken.join('').match(/epoch/g)).toHaveLength(1);
  });

  it('that fails is an error that says so, also in the next training', async () => {
    const { stream, taken } = slow((row) => row === 2);
    const logger = lossLogger(stream);
    await expect(fit([logger])).rejects.toThrow(
      'Expected the stream of `lossLogger` to take a row, got: no more paper.',
    );
    expect(taken).toHaveLength(2);
    // Some streams tell of their failure later; nobody else listens.
    expect(stream.listenerCount('error')).toBe(1);
    await expect(fit([logger])).rejects.toThrow('Expected the stream of `lossLogger` to be writable');
  });

  it('that fails between two rows too', async () => {
    const { stream } = slow();
    const breaking = new tf.CustomCallback({
      onEpochBegin: (epoch) => {
        if (epoch === 1) stream.destroy(new Error('gone'));
      },
    });
    await expect(fit([lossLogger(stream), breaking])).rejects.toThrow('to take a row, got: gone.');
  });

  it('that has ended is an error', async () => {
    const { stream } = slow();
    stream.end();
    await expect(fit([lossLogger(stream)])).rejects.toThrow('has ended or was destroyed');
  });
});

describe('after a training', () => {
  class Failing extends tf.Callback {
    override async onEpochEnd(epoch: number) {
      if (epoch === 1) throw new Error('the callback failed');
    }
  }
  const isOpen = () =>
    readdirSync('/proc/self/fd').some((fd) => {
      const link = join('/proc/self/fd', fd);
      return existsSync(link) && readlinkSync(link) === file();
    });
  const onLinux = existsSync('/proc/self/fd') ? it : it.skip;

  onLinux('the file is closed', async () => {
    const during: boolean[] = [];
    const looking = new tf.CustomCallback({ onEpochEnd: () => void during.push(isOpen()) });
    await fit([lossLogger(file()), looking]);
    expect(during).toEqual([true, true, true]);
    expect(isOpen()).toBe(false);
  });

  onLinux('also one that throws', async () => {
    await expect(fit([lossLogger(file()), new Failing()])).rejects.toThrow('the callback failed');
    expect(isOpen()).toBe(false);
    expect(lines()).toHaveLength(3);
  });

  it.each(['epoch', 'batch'] as const)('by %s no tensor is left', async (per) => {
    const [x, y] = [data([4, 4]), data([4, 1])];
    const train = (callbacks: Callback[], model = regressor()) =>
      model.fit(x, y, { epochs: 3, verbose: 0, batchSize: 2, callbacks });
    const model = regressor();
    expect(await tensorsLeftBy(() => train([decomposedLoss(), lossLogger(file(), { updateFreq: per })], model))).toBe(
      0,
    );
    const [one, other] = [regressor(), regressor()];
    const left = await tensorsLeftByFailing(() =>
      train([lossLogger(file('2.csv'), { updateFreq: per }), new Failing()], one),
    );
    expect(left).toBe(await tensorsLeftByFailing(() => train([new Failing()], other)));
  });
});

describe('refuses', () => {
  it.each<[string, unknown, object, string]>([
    ['no path', '', {}, 'Expected the path of a file or a writable stream'],
    ['what is no stream', { write: 1 }, {}, 'Expected the path of a file or a writable stream'],
    ['nothing', undefined, {}, 'Expected the path of a file or a writable stream'],
    ['another format', 'a', { format: 'xml' }, "Expected `format` of `lossLogger` to be 'csv' or 'jsonl', got 'xml'"],
    ['other rows', 'a', { updateFreq: 'step' }, "Expected `updateFreq` of `lossLogger` to be 'epoch' or 'batch'"],
    ['half an append', 'a', { append: 1 }, 'Expected `append` of `lossLogger` to be true or false, got 1 (number)'],
    ['a misspelt name', 'a', { fromat: 'csv' }, '`fromat`'],
  ])('%s', (_, to, args, message) => {
    expect(() => lossLogger(to as string, args as LossLoggerArgs)).toThrow(message);
  });

  it('a path that cannot be written, before training', async () => {
    const begun = jest.fn();
    const callbacks = [lossLogger(folder), new tf.CustomCallback({ onEpochBegin: begun })];
    await expect(fit(callbacks)).rejects.toThrow(/^Expected `path` to be a file that can be written, got '.*': EISDIR/);
    expect(begun).not.toHaveBeenCalled();
  });

  const onFull = existsSync('/dev/full') ? it : it.skip;
  onFull('to go on where the disk is full', async () => {
    await expect(fit([lossLogger('/dev/full')])).rejects.toThrow(/^Expected to append to '\/dev\/full', got: ENOSPC/);
  });

  it('a file that another one writes, by whatever path, and leaves both as they were', async () => {
    const link = file('link.csv');
    writeFileSync(file(), '');
    symlinkSync(file(), link);
    for (const append of [true, false]) {
      const own = lossLogger(file());
      const another = lossLogger(link, { append });
      const inside = new tf.CustomCallback({
        onEpochEnd: async (epoch) => {
          if (epoch > 0) return;
          const before = text();
          await expect(fit([another])).rejects.toThrow(
            `Expected each \`lossLogger\` to have its own file, got '${link}', which another one writes in a training that runs now.`,
          );
          expect(text()).toBe(before);
        },
      });
      await fit([own, inside]);
      await expect(fit([lossLogger(file()), another])).rejects.toThrow('to have its own file');
      await fit([another]);
      expect(lines()[0]).toMatch(/^epoch,/);
    }
  });

  it('to be in two trainings at once, of which the first goes on', async () => {
    const logger = lossLogger(file());
    const running = fit([logger]);
    await expect(fit([logger])).rejects.toThrow('to be in one training at a time');
    await running;
    expect(lines()).toHaveLength(4);
  });

  it('to stand in a list twice, and logs once it does not', async () => {
    const twice = lossLogger(file());
    await expect(fit([twice, twice])).rejects.toThrow('in `callbacks` once, got the same one twice');
    await fit([twice]);
    expect(lines()).toHaveLength(4);
  });

  it('to stand behind a plain object', async () => {
    await expect(fit([{} as Callback, lossLogger(file())])).rejects.toThrow(
      '`lossLogger()` itself in `callbacks`, got a copy of its methods',
    );
  });
});
