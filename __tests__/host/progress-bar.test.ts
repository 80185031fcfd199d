import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as tfjs from '@tensorflow/tfjs';
import { fitProgressBar } from '../../src/host/run/progress-bar';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import { backend, tf } from '../helpers/backend';
import { data, regressor } from '../helpers/models';

const root = join(__dirname, '../..');
const hasTerminal = spawnSync('python3', ['-c', 'import pty; pty.openpty()']).status === 0;
const onTfjsNode = backend === 'tensorflow' ? it : it.skip;
const inTerminal = backend === 'tensorflow' && hasTerminal ? describe : describe.skip;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'terminal-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' };
const child = (options: string[]) => [
  ...[process.execPath, '--require', './scripts/node-24.cjs', '--import', 'tsx'],
  ...['__tests__/children/train-in-terminal.ts', ...options],
];

/** What a training draws in a terminal: frame by frame and line by line, without control characters. */
function drawn(columns: number, options: string[], out = '-'): string[] {
  const driver = ['__tests__/children/in-terminal.py', String(columns), out, ...child(options)];
  const { stdout, status } = spawnSync('python3', driver, { cwd: root, env, encoding: 'utf8' });
  expect(status).toBe(0);
  // eslint-disable-next-line no-control-regex -- a terminal's own characters
  const plain = stdout.replace(/\x1b\[1G/g, '\n').replace(/\x1b\[\d*[A-Z]/g, '');
  return plain.split(/[\r\n]+/).filter((line) => line !== '');
}

const frames = (lines: string[]) => lines.filter((line) => line.startsWith('eta=') && line.includes('loss='));
const EPOCH =
  /^Epoch [12] \/ 2 - \d+ms \d+us\/step - acc=\S+ data_loss=\S+ loss=\S+ regularization_loss=\S+ val_.* val_total_loss=\S+$/;

inTerminal('tfjs-node in a terminal of', () => {
  it.each<[number, string, string[]]>([
    [40, 'data_loss', ['data_loss']],
    [60, 'data_loss and loss, with a bar', ['[=>-]+', 'data_loss', 'loss', 'acc']],
    [80, 'the three losses, with a bar', ['[=>-]+', 'data_loss', 'regularization_loss', 'loss']],
  ])('%i columns shows %s during the epoch, whole, in one line', (columns, _, parts) => {
    const lines = drawn(columns, ['parts', 'acc']);
    const seen = frames(lines);
    expect(seen.length).toBeGreaterThanOrEqual(2);
    const shown = parts.map((part) => (part.startsWith('[') ? part : `${part}=\\d+\\.\\d+(?:e-\\d+)?`)).join(' ');
    seen.forEach((frame) => {
      expect(frame).toMatch(new RegExp(`^eta=\\d+\\.\\d +${shown}$`));
      expect(frame.length).toBeLessThanOrEqual(columns);
    });
    expect(lines).toContain('Epoch 2 / 2');
    expect(lines.join('')).toMatch(/us\/step - acc=\S+ data_loss=/);
  });

  it('80 columns shows great losses whole, those that fit, in one line', () => {
    const seen = frames(drawn(80, ['parts', 'acc', 'great']));
    expect(seen.length).toBeGreaterThanOrEqual(2);
    seen.forEach((frame) => {
      expect(frame).toMatch(/^eta=\d+\.\d [=>-]+ data_loss=\d{11,}\.\d\d( \w+=\d+\.\d+)*$/);
      expect(frame.length).toBeLessThanOrEqual(80);
    });
  });

  it('200 columns shows what the host shows', () => {
    const seen = frames(drawn(200, ['parts', 'acc']));
    expect(seen[0]).toMatch(/^eta=\d\.\d [=>-]{100} acc=\S+ data_loss=\S+ loss=\S+ regularization_loss=\S+ $/);
  });

  it('60 columns shows no whole data loss without this, as the host cuts the values', () => {
    const [frame] = frames(drawn(60, ['acc']));
    expect(frame).toMatch(/\.\.\.$|^eta=0\.0 -+ acc=\S+ loss=\S+ $/);
  });

  it('80 columns shows it with fitDataset too', () => {
    expect(frames(drawn(80, ['parts', 'acc', 'dataset']))[0]).toMatch(
      / data_loss=\S+ regularization_loss=\S+ loss=\S+$/,
    );
  });

  it('80 columns has the line of `verbose` after what the bar writes of the epoch', () => {
    const lines = drawn(80, ['parts', 'verbose']);
    const ours = lines.filter((line) => line.includes(' = data '));
    expect(ours).toEqual([
      expect.stringMatching(/^Epoch 1\/2 {2}loss /),
      expect.stringMatching(/^Epoch 2\/2 {2}loss /),
    ]);
    ours.forEach((line) => expect(lines[lines.indexOf(line) - 1]).toMatch(/us\/step - data_loss=/));
  });

  it('60 columns keeps its bar where stdout is a file, which gets one line an epoch', () => {
    const path = join(folder, 'out.txt');
    expect(frames(drawn(60, ['parts', 'acc'], path))[0]).toMatch(/ data_loss=\S+ loss=\S+ acc=\S+$/);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines).toEqual([expect.stringMatching(EPOCH), expect.stringMatching(EPOCH)]);
  });
});

onTfjsNode('one line an epoch, and nothing else, where there is no terminal', () => {
  const [command, ...args] = child(['parts', 'acc']);
  const { stdout, stderr } = spawnSync(command!, args, { cwd: root, env, encoding: 'utf8' });
  expect(stdout.trimEnd().split('\n')).toEqual([expect.stringMatching(EPOCH), expect.stringMatching(EPOCH)]);
  expect(stderr).not.toMatch(/^\s*\n|\n\s*\n/);
});

onTfjsNode.each([
  ['fit, by sample', [], 12],
  ['fitDataset, by batch', ['dataset'], 4],
])('the line has the time of a step as the host reckons it: %s', (_, options, steps) => {
  const [command, ...args] = child(['parts', ...options]);
  const times = (own: string[]) =>
    spawnSync(command!, own, { cwd: root, env, encoding: 'utf8' })
      .stdout.split('\n')
      .flatMap((line) => {
        const [, duration, perStep] = /(\d+)ms (\d+)us\/step - /.exec(line) ?? [];
        return duration === undefined ? [] : [[Number(duration), Number(perStep)] as const];
      });
  const plain = args.filter((argument) => argument !== 'parts');
  for (const all of [times(args), times(plain)]) {
    expect(all).toHaveLength(2);
    // Both are rounded: the first to half a millisecond.
    all.forEach(([duration, perStep]) =>
      expect(Math.abs(perStep * steps - duration * 1000)).toBeLessThanOrEqual(500 + steps),
    );
  }
});

onTfjsNode('the host prints two there', () => {
  const [command, ...args] = child(['acc']);
  const { stdout } = spawnSync(command!, args, { cwd: root, env, encoding: 'utf8' });
  expect(stdout.trimEnd().split('\n')).toHaveLength(4);
});

/** What tfjs-node's bar has of what we use. */
class Bar extends tf.Callback {
  progressBar = { width: 0, tick: jest.fn() };
  batchesInLatestEpoch = 0;
  epochBegin = () => {};
  epochEnd: (epoch: number, logs: Logs) => unknown = () => {};
  formatLogsAsMetricsContent(logs: Logs, longest = Infinity) {
    const all = Object.keys(logs)
      .filter((name) => name !== 'batch' && name !== 'size')
      .sort()
      .map((name) => `${name}=${logs[name]} `)
      .join('');
    return all.length > longest ? `${all.slice(0, longest - 3)}...` : all;
  }
}

type Logs = Record<string, number>;

interface Fitting {
  first?: string[];
  isShown?: (name: string) => boolean;
  onEpochEnd?: () => void;
}

const parts = ['data_loss', 'regularization_loss', 'loss'];
const fitted = (
  bar: tfjs.Callback,
  { first = parts, isShown = () => true, onEpochEnd = () => {} }: Fitting = {},
): boolean => fitProgressBar([bar], 1, first, isShown, onEpochEnd);

it.each([
  [200, 'acc=1 data_loss=2 loss=3 regularization_loss=4 '],
  // Just all, and no batch and no size.
  [166, 'acc=1 data_loss=2 loss=3 regularization_loss=4 '],
  [164, 'data_loss=2 regularization_loss=4 loss=3 acc=1'],
  [80, 'data_loss=2 regularization_loss=4 loss=3'],
  [60, 'data_loss=2 loss=3 acc=1'],
  [40, 'data_loss=2'],
  [20, 'data_loss=2'],
  [NaN, 'acc=1 data_loss=2 loss=3 regularization_loss=4 '],
])('a bar in %s columns says %s', (columns, expected) => {
  const bar = new Bar();
  expect(fitted(bar)).toBe(true);
  const logs = { batch: 0, size: 4, acc: 1, loss: 3, data_loss: 2, regularization_loss: 4 };
  expect(bar.formatLogsAsMetricsContent(logs, Math.floor(columns * 0.5 - 12))).toBe(expected);
});

it('a bar says first what is to be first, where it is there, and then the others by name', () => {
  const bar = new Bar();
  fitted(bar, { first: ['absent', 'loss'] });
  expect(bar.formatLogsAsMetricsContent({ mse: 1, acc: 2, loss: 3 }, 24)).toBe('loss=3 acc=2 mse=1');
});

it('there may be no bar', () => {
  expect(fitted(new (class extends tf.Callback {})())).toBe(false);
});

/** Runs something while Node's streams are terminals, or are not. */
async function withTerminals(streams: { stdout: boolean; stderr: boolean }, run: () => Promise<void>): Promise<void> {
  const before = (['stdout', 'stderr'] as const).map(
    (name) => [name, Object.getOwnPropertyDescriptor(process[name], 'isTTY')] as const,
  );
  before.forEach(([name]) => {
    Object.defineProperty(process[name], 'isTTY', { configurable: true, value: streams[name] });
  });
  try {
    await run();
  } finally {
    before.forEach(([name, descriptor]) => {
      if (descriptor) Object.defineProperty(process[name], 'isTTY', descriptor);
      else Reflect.deleteProperty(process[name], 'isTTY');
    });
  }
}

it('a bar does not say the parts of the breakdown at the end of an epoch', async () => {
  const bar = new Bar();
  const said: unknown[] = [];
  bar.epochEnd = (_, logs) => said.push(logs);
  await withTerminals({ stdout: true, stderr: true }, async () => {
    fitted(bar, { isShown: (name) => name !== 'a/b', onEpochEnd: () => said.push('the end') });
    await bar.epochEnd(0, { a: 1, 'a/b': 2 });
  });
  expect(said).toEqual([{ a: 1 }, 'the end']);
});

it.each([true, false])('one line an epoch has the time since its begin; stderr is a terminal: %s', async (stderr) => {
  const log = jest.spyOn(console, 'log').mockImplementation();
  const bar = new Bar();
  await withTerminals({ stdout: false, stderr }, async () => {
    fitted(bar);
    bar.epochBegin();
    bar.batchesInLatestEpoch = 4;
    await new Promise((resolve) => setTimeout(resolve, 50));
    await bar.epochEnd(0, { loss: 3 });
  });
  expect(bar.progressBar.tick.mock.calls).toEqual(stderr ? [[{ placeholderForLossesAndMetrics: '' }]] : []);
  const [, duration, perStep] = /^Epoch 1 \/ 1 - (\d+)ms (\d+)us\/step - loss=3$/.exec(
    log.mock.calls[0]![0] as string,
  )!;
  log.mockRestore();
  expect(Number(duration)).toBeGreaterThan(40);
  expect(Number(duration)).toBeLessThan(60_000);
  expect(Math.abs(Number(perStep) * 4 - Number(duration) * 1000)).toBeLessThanOrEqual(502);
});

it('a bar makes room for values as they are written', () => {
  const bar = new Bar();
  fitted(bar);
  const logs = { loss: -12345678901.5, data_loss: 12345678901.5, regularization_loss: 0.25, acc: NaN };
  expect(bar.formatLogsAsMetricsContent(logs, 28)).toBe('data_loss=12345678901.5 regularization_loss=0.25');
  expect(bar.progressBar.width).toBe(80 - 13 - 'data_loss=12345678901.5 regularization_loss=0.25000 '.length);
});

it('nothing happens without a bar', async () => {
  const log = jest.spyOn(console, 'log').mockImplementation();
  await regressor().fit(data([4, 4]), data([4, 1]), { verbose: 0, callbacks: decomposedLoss() });
  expect(log).not.toHaveBeenCalled();
  log.mockRestore();
});
