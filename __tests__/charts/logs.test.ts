import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import { plotLosses } from 'tfjs-decomposed-loss/charts';
import { lossLogger } from 'tfjs-decomposed-loss/node';
import { tf } from '../helpers/backend';
import { data, regressor } from '../helpers/models';

const ODD = '=hidden, "1"\nand \'2\'';
const logKeys = { regularizationLoss: ODD };
const folder = mkdtempSync(join(tmpdir(), 'logs-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Trains with a log, under names that a spreadsheet would compute, with quotes, commas and line breaks in them. */
async function trained(file: string, updateFreq: 'epoch' | 'batch' = 'epoch', { epochs = 3, initialEpoch = 0 } = {}) {
  const path = join(folder, file);
  const model = regressor();
  const { history, epoch } = await model.fit(data([8, 4]), data([8, 1]), {
    ...{ epochs, initialEpoch, batchSize: 3, shuffle: false, verbose: 0, validationSplit: 0.25 },
    callbacks: [decomposedLoss({ breakdown: 'layer', logKeys }), lossLogger(path, { updateFreq })],
  });
  return { history: { ...history }, epoch, text: readFileSync(path, 'utf8') };
}

/** The latest values that the legend shows, and the numbers of the first and last row. */
const shown = (svg: string) => {
  const all = Array.from(svg.matchAll(/<text class="t">(.*?)<\/text>/g), ([, row]) => row!);
  return [all[0], all.at(-1)].map((row) => Array.from(row!.matchAll(/>([^<]+)</g), ([, value]) => value));
};

describe.each(['csv', 'jsonl'])('the text of a log as %s', (format) => {
  it('is drawn as the history of the same training', async () => {
    const { history, text } = await trained(`same.${format}`);
    expect(plotLosses(text, { logKeys })).toBe(plotLosses(history as Record<string, number[]>, { logKeys }));
    const found = ['hidden', 'out'].map((layer) => plotLosses(text, { logKeys }).includes(`<title>${layer}</title>`));
    expect(found).toEqual([true, true]);
  });

  it('counts epochs as the training did, and rows where trainings follow one another', async () => {
    const { text } = await trained(`later.${format}`, 'epoch', { initialEpoch: 7, epochs: 9 });
    expect(shown(plotLosses(text)).map(([row]) => row)).toEqual(['epoch 8', 'epoch 9']);
    const twice = (await trained(`later.${format}`)).text;
    expect(shown(plotLosses(twice)).map(([row]) => row)).toEqual(['epoch 1', 'epoch 5']);
  });

  it('may be one by batch', async () => {
    const { text } = await trained(`batches.${format}`, 'batch', { epochs: 2 });
    const svg = plotLosses(text);
    expect(shown(svg).map(([row]) => row)).toEqual(['batch 1', 'batch 4']);
    expect(svg).toMatch(/>batch<\/text>/);
    expect(svg).toContain('aria-label="Loss by batch');
  });

  it('is read up to a last row that is torn', async () => {
    const { text } = await trained(`torn.${format}`);
    const rows = text.trimEnd().split(format === 'csv' ? /\n(?=\d+,)/ : '\n');
    const before = `${rows.slice(0, -1).join('\n')}\n`;
    expect(plotLosses(before + rows.at(-1)!.slice(0, 12))).toBe(plotLosses(before));
    expect(plotLosses(text.trimEnd())).toBe(plotLosses(text));
    expect(() => plotLosses(`${before}${rows.at(-1)!.slice(0, 12)}\n`)).toThrow(/Expected row 3 of the log to/);
  });
});

it('has values that are not finite', () => {
  const csv = 'epoch,loss,data_loss,regularization_loss\r\n0,NaN,1,Infinity\r\n1,,-Infinity,2\r\n';
  const lines =
    '{"epoch":0,"loss":"NaN","data_loss":1,"regularization_loss":"Infinity"}\n' +
    '{"epoch":1,"data_loss":"-Infinity","regularization_loss":2}\n';
  expect(plotLosses(`\ufeff${csv}`)).toBe(plotLosses(lines));
  expect(shown(plotLosses(csv))).toEqual([
    ['epoch 1', 'NaN', '1.000', 'Infinity'],
    ['epoch 2', '–', '-Infinity', '2.000'],
  ]);
});

describe('an array of logs', () => {
  it('is drawn as the history of the same training', async () => {
    const logs: object[] = [];
    const model = regressor();
    const collecting = new tf.CustomCallback({ onEpochEnd: (_, log) => void logs.push({ ...log }) });
    const history = await model.fit(data([8, 4]), data([8, 1]), {
      ...{
        epochs: 3,
        verbose: 0,
        validationSplit: 0.25,
        callbacks: [decomposedLoss({ breakdown: 'layer' }), collecting],
      },
    });
    expect(logs).toHaveLength(3);
    expect(plotLosses(logs)).toBe(plotLosses(history));
    expect(plotLosses(JSON.parse(JSON.stringify(logs)) as object[])).toBe(plotLosses(history));
  });

  it('may lack values, which are no crosses, and have null for what JSON cannot say', () => {
    const svg = plotLosses([{ data_loss: 1 }, { data_loss: null, loss: 2 }, { data_loss: 3 }]);
    expect(svg.match(/l8 8m0-8l-8 8/g)).toHaveLength(1);
    expect(shown(svg)[0]).toEqual(['epoch 1', '–', '1.000']);
  });

  it('may hold what is not drawn', () => {
    const logs = [{ data_loss: 1, phase: 'warm-up', at: new Date(0) }];
    expect(plotLosses(logs)).toBe(plotLosses([{ data_loss: 1 }]));
  });

  it('has the total under its own key where `loss` is the data loss', () => {
    expect(shown(plotLosses([{ loss: 1, data_loss: 1, total_loss: 3 }]))[0]).toEqual(['epoch 1', '3.000', '1.000']);
  });
});

it.each<[string, unknown, string]>([
  ['a path', 'losses.csv', "which begins with 'epoch,' or '{', got 'losses.csv'. Pass the content of the file"],
  ['no text', '', "got ''"],
  ['a header alone', 'epoch,loss,data_loss\n', 'to hold at least one epoch, got none'],
  ['another table', 'epoch,acc\n0,1\n', 'with `data_loss`, got logs with `epoch`, `acc`'],
  ['words in a table', 'epoch,data_loss\n0,low\n', "row 1 of the log to have 2 numbers, got 'low' for `data_loss`"],
  ['too few cells', 'epoch,data_loss\n0\n', 'row 1 of the log to have 2 numbers, got 1 cells'],
  ['another text', '{}x\n', "row 1 of the log to be an object of JSON, got '{}x'"],
  ['numbers', [1, 2], 'an array of logs, got 1 (number) at index 0'],
  ['words for numbers', [{ data_loss: 'low' }], "Expected numbers in the logs, got 'low' for `data_loss`"],
])('refuses %s', (_, logs, message) => expect(() => plotLosses(logs as string)).toThrow(message));

it('refuses tensors', () => {
  expect(() => plotLosses([{ data_loss: tf.scalar(1) }])).toThrow('got a Tensor for `data_loss`. Read tensors first');
});
