import { spawnSync } from 'node:child_process';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import { plotLosses, type PlotLossesArgs } from 'tfjs-decomposed-loss/charts';
import { tf } from '../helpers/backend';
import { data, regressor } from '../helpers/models';

type Values = Record<string, number[]>;

const trained = (args = {}, fit = {}) =>
  regressor().fit(data([6, 4]), data([6, 1]), {
    ...{ epochs: 4, verbose: 0 as const, validationSplit: 0.5, callbacks: [decomposedLoss(args)] },
    ...fit,
  });

/** A history without validation or breakdown. */
const plain = (dataLoss: number[], regularizationLoss: number[] = dataLoss.map(() => 1)): Values => ({
  loss: dataLoss.map((value, index) => value + regularizationLoss[index]!),
  data_loss: dataLoss,
  regularization_loss: regularizationLoss,
});

/** The part of the picture whose tooltip is `name`. */
const group = (svg: string, name: string) =>
  new RegExp(`<g style="[^"]*"><title>${name}</title>(.*?)</g>`).exec(svg)?.[1] ?? 'missing';

/** The places of a path's corners. */
const corners = (path: string) =>
  Array.from(/ d="M([^"]*)"/.exec(path)![1]!.matchAll(/([\d.]+) ([\d.]+)/g), ([, x, y]) => [Number(x), Number(y)]);

/** The value at a height, by the labels at the left, which the reader goes by. */
function valueAt(svg: string, y: number, of: (value: number) => number = (value) => value): number {
  const labels = Array.from(svg.matchAll(/<text x="[\d.]+" y="([\d.]+)" class="m" text-anchor="end">([^<]*)</g))
    .filter(([, , label]) => label !== 'epoch')
    .map(([, at, label]) => [Number(at) - 4, of(Number(label))] as const);
  const [[low, first], [high, last]] = [labels[0]!, labels.at(-1)!];
  return first + ((y - low) / (high - low)) * (last - first);
}

const texts = (svg: string) => Array.from(svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g), ([, content]) => content!);

/** An XML parser of somebody else's. */
const hasPython = spawnSync('python3', ['--version']).status === 0;
const withPython = hasPython ? it : it.skip;
const parse = (svg: string) =>
  spawnSync('python3', ['-c', 'import sys,xml.dom.minidom as m; m.parse(sys.stdin.buffer)'], { input: svg }).status;

describe('the lines', () => {
  it('are at the values of the history, by the axis, in training and validation', async () => {
    const history = await trained();
    const svg = plotLosses(history);
    const names = {
      ...{ 'total loss': 'loss', 'data loss': 'data_loss', 'regularization loss': 'regularization_loss' },
      ...{ 'total loss, validation': 'val_total_loss', 'data loss, validation': 'val_data_loss' },
      'regularization loss, validation': 'val_regularization_loss',
    };
    for (const [name, key] of Object.entries(names)) {
      const places = corners(group(svg, name));
      expect(places).toHaveLength(4);
      places.forEach(([, y], epoch) => {
        expect(Math.abs(valueAt(svg, y!) - (history.history[key] as number[])[epoch]!)).toBeLessThan(0.02);
      });
      expect(group(svg, name).includes('class="l d"')).toBe(name.endsWith('validation'));
    }
  });

  it('of validation end where it does: an epoch that is stopped has none', async () => {
    const stopping = new tf.CustomCallback({
      onEpochBegin: (epoch) => {
        if (epoch === 2) model.stopTraining = true;
      },
    });
    const model = regressor();
    const { history } = await model.fit(data([6, 4]), data([6, 1]), {
      ...{ epochs: 9, batchSize: 2, verbose: 0, validationSplit: 0.4, callbacks: [stopping, decomposedLoss()] },
    });
    const svg = plotLosses(history);
    const [training, validation] = ['data loss', 'data loss, validation'].map((name) => corners(group(svg, name)));
    expect([training!.length, validation!.length]).toEqual([3, 2]);
    expect(validation!.map(([x]) => x)).toEqual(training!.slice(0, 2).map(([x]) => x));
  });

  it('are so on a logarithmic scale', () => {
    const values = [1000, 10, 0.1, 0.002];
    const svg = plotLosses(plain(values), { scale: 'log' });
    corners(group(svg, 'data loss')).forEach(([, y], epoch) => {
      expect(Math.abs(valueAt(svg, y!, Math.log10) - Math.log10(values[epoch]!))).toBeLessThan(0.02);
    });
  });

  it.each<['linear' | 'log', string, string]>([
    ['log', '0.2', '5'],
    ['linear', '0', '3.5'],
  ])('fill the height on a %s scale, from %s to %s', (scale, low, high) => {
    const labels = texts(plotLosses(plain([0.3, 2.5]), { scale })).filter((label) => /^[\d.]+$/.test(label));
    expect(labels[0]).toBe(low);
    expect(labels).toContain(high);
    expect(labels.filter((label) => Number(label) > Number(high))).toEqual([]);
  });

  it.each<[string, number[], 'linear' | 'log', number, number, number]>([
    ['NaN and Infinity', [1, 2, NaN, 3, 4, Infinity, -Infinity], 'linear', 2, 0, 3],
    ['nothing finite', [NaN, NaN], 'linear', 0, 0, 2],
    ['single values between gaps', [1, NaN, 2], 'linear', 0, 2, 1],
    ['what is not positive, on a logarithmic scale', [1, 2, 0, -3, 4, 5], 'log', 2, 0, 0],
    ['nothing positive, on a logarithmic scale', [0, 0], 'log', 0, 0, 0],
    ['zeros', [0, 0, 0], 'linear', 1, 0, 0],
    ['one epoch', [0.3], 'linear', 0, 1, 0],
    ['negative values', [-1, -2, -1], 'linear', 1, 0, 0],
    ['very great and very small values', [1e30, 1e-30, 1], 'log', 1, 0, 0],
  ])('are sensible with %s', (_, values, scale, lines, dots, crosses) => {
    const svg = plotLosses(plain(values, values), { scale });
    const line = group(svg, 'data loss');
    expect(line.match(/class="l"\/>/g) ?? []).toHaveLength(lines + crosses);
    expect(line.match(/class="p"\/>/g) ?? []).toHaveLength(dots);
    expect(line.match(/l8 8m0-8l-8 8/g) ?? []).toHaveLength(crosses);
    expect(svg.slice(svg.indexOf('</style>'))).not.toMatch(/NaN|Infinity|undefined/);
    expect(texts(svg).includes('No value can be drawn.')).toBe(lines + dots === 0);
  });
});

describe('the breakdown', () => {
  it('is stacked up to the regularization loss', async () => {
    const history = await trained({ breakdown: 'layer' });
    const svg = plotLosses(history);
    const lower = svg.slice(svg.indexOf('Regularization loss in parts'));
    const edge = corners(group(svg, 'out')).slice(0, 4);
    edge.forEach(([, y], epoch) => {
      const total = (history.history['regularization_loss'] as number[])[epoch]!;
      expect(Math.abs(valueAt(lower, y!) - total)).toBeLessThan(0.02);
    });
    // The upper edge of the first is the lower edge of the second.
    const [hidden, out] = [corners(group(svg, 'hidden')), corners(group(svg, 'out'))];
    expect(out.slice(4)).toEqual(hidden.slice(0, 4).reverse());
  });

  it('is missing where there is none, and the picture is lower', async () => {
    const svg = plotLosses(await trained());
    expect(svg).not.toContain('Regularization loss in parts');
    expect(svg).toContain('height="380"');
  });

  it('may be by weight', async () => {
    expect(texts(plotLosses(await trained({ breakdown: 'weight' })))).toEqual(
      expect.arrayContaining(['hidden/kernel', 'out/kernel', 'out/bias']),
    );
  });

  it('of many layers shows the greatest, and the sum of the others', () => {
    const layers = Array.from({ length: 20 }, (_, i) => [`regularization_loss/layer_${i}`, [i, i]]);
    const svg = plotLosses({ ...plain([1, 1]), ...(Object.fromEntries(layers) as Values) });
    const names = texts(svg).filter((name) => /layer_|others/.test(name));
    expect(names).toEqual([...[13, 14, 15, 16, 17, 18, 19].map((i) => `layer_${i}`), '13 others']);
  });

  it('has nothing of a penalty before it was added', async () => {
    const model = regressor();
    const adding = new tf.CustomCallback({
      onEpochBegin: (epoch) => {
        if (epoch === 2) model.layers[0]!.addLoss(() => tf.scalar(1));
      },
    });
    const { history } = await model.fit(data([6, 4]), data([6, 1]), {
      ...{ epochs: 4, verbose: 0, callbacks: [adding, decomposedLoss({ breakdown: 'weight' })] },
    });
    const svg = plotLosses(history);
    const lower = svg.slice(svg.indexOf('Regularization loss in parts'));
    const added = corners(group(svg, 'hidden/added_loss')).map(([, y]) => valueAt(lower, y!));
    const [above, below] = [added.slice(0, 4), added.slice(4).reverse()];
    [0, 0, 1, 1].forEach((part, epoch) => expect(above[epoch]! - below[epoch]!).toBeNear(part, 0.02));
    const highest = ['hidden/kernel', 'out/kernel', 'out/bias', 'hidden/added_loss']
      .map((name) => corners(group(svg, name)).slice(0, 4))
      .reduce((a, b) => (a[3]![1]! < b[3]![1]! ? a : b));
    highest.forEach(([, y], epoch) =>
      expect(valueAt(lower, y!)).toBeNear(history['regularization_loss']![epoch] as number, 0.02),
    );
  });

  it('sums the others where one of them came later', () => {
    const layers = Array.from({ length: 9 }, (_, i) => [`regularization_loss/layer_${i}`, [10 - i, 10 - i]]);
    const late = { 'regularization_loss/layer_8': [2] };
    const svg = plotLosses({ ...plain([1, 1]), ...(Object.fromEntries(layers) as Values), ...late });
    const lower = svg.slice(svg.indexOf('Regularization loss in parts'));
    const [first, last, under, before] = corners(group(svg, '2 others')).map(([, y]) => valueAt(lower, y!));
    expect(first! - before!).toBeNear(3, 0.1);
    expect(last! - under!).toBeNear(5, 0.1);
  });

  it('has a gap where a layer is not finite, and bars for epochs without neighbours', () => {
    const layers = { 'regularization_loss/a': [1, NaN, 1, 1], 'regularization_loss/b': [1, 1, 1, 1] };
    const svg = plotLosses({ ...plain([1, 1, 1, 1]), ...layers });
    expect(group(svg, 'a').match(/class="a"/g)).toHaveLength(2);
    const [left, right] = corners(group(svg, 'a'));
    expect(right![0]! - left![0]!).toBe(24);
    expect(svg.slice(svg.indexOf('</style>'))).not.toContain('NaN');
  });
});

describe('the picture', () => {
  const odd = '</text><script>alert("1")</script>&\u0000\ud800 it\'s';

  withPython('is XML whatever is in a name', () => {
    const svg = plotLosses({ ...plain([1, 2]), [`regularization_loss/${odd}`]: [1, 2] }, { title: odd });
    expect(parse(svg)).toBe(0);
    expect(svg).not.toContain('<script');
    expect(texts(svg)).toContain(
      "&lt;/text&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;\ufffd\ufffd it's",
    );
    expect(parse('<svg>&</svg>')).not.toBe(0);
  });

  it('shortens long names, and tells them in full where one points', () => {
    const name = `block_${'x'.repeat(60)}`;
    const svg = plotLosses({ ...plain([1, 2]), [`regularization_loss/${name}`]: [1, 2] });
    expect(texts(svg)).toContain(`block_${'x'.repeat(29)}…`);
    expect(svg).toContain(`<title>${name}</title>`);
  });

  it('has the size and title that were asked for', () => {
    const svg = plotLosses(plain([1, 2]), { title: 'Run 7', width: 400, height: 300 });
    expect(svg).toContain('width="400" height="300" viewBox="0 0 400 300"');
    expect(texts(svg)).toContain('Run 7');
    expect(texts(plotLosses(plain([1, 2]), { title: '' }))[0]).toBe('total loss');
  });

  it('keeps its legend within a narrow width', () => {
    const svg = plotLosses({ ...plain([1, 2]), val_data_loss: [1, 2] }, { width: 240 });
    const xs = Array.from(svg.matchAll(/<text x="([\d.]+)"[^>]*text-anchor="start">([^<]*)/g));
    xs.forEach(([, x, label]) => expect(Number(x) + 6 * label!.length).toBeLessThan(240));
  });

  it('says which lines are validation where there are any', () => {
    expect(texts(plotLosses(plain([1, 2])))).not.toContain('validation');
    expect(texts(plotLosses({ ...plain([1, 2]), val_data_loss: [1, 2] }))).toContain('validation');
  });

  it('follows the light or dark scheme', () => {
    expect(plotLosses(plain([1]))).toContain('@media(prefers-color-scheme:dark)');
  });

  it('counts epochs from 1 on, or from where training went on', async () => {
    const labels = (svg: string) =>
      Array.from(svg.matchAll(/text-anchor="middle">(\d+)</g), ([, label]) => Number(label));
    expect(labels(plotLosses((await trained()).history as Values))).toEqual([1, 2, 3, 4]);
    expect(labels(plotLosses(await trained({}, { initialEpoch: 1100, epochs: 1103 })))).toEqual([1101, 1102, 1103]);
  });

  it('knows other names', async () => {
    const logKeys = { dataLoss: 'fit' };
    const svg = plotLosses(await trained({ logKeys }), { logKeys });
    expect(corners(group(svg, 'data loss, validation'))).toHaveLength(4);
  });

  it('is the same each time', () => {
    expect(plotLosses(plain([1, 2]))).toBe(plotLosses(plain([1, 2])));
  });
});

describe('refuses', () => {
  it('a history without epochs', () => {
    expect(() => plotLosses(plain([]))).toThrow('Expected `history` to hold at least one epoch, got none.');
    expect(() => plotLosses(new tf.History())).toThrow('Expected `history` to be what `fit` returned');
  });

  it('a training without decomposedLoss()', async () => {
    const history = await trained({}, { callbacks: [] });
    expect(() => plotLosses(history)).toThrow('with `data_loss`, got an object with `val_loss`, `loss`.');
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a number', 3],
    ['an array', []],
  ])('%s', (_, history) => expect(() => plotLosses(history as Values)).toThrow('Expected `history` to be what'));

  it.each<[string, object, string]>([
    ['another scale', { scale: 'symlog' }, "Expected `scale` of `plotLosses` to be 'linear' or 'log', got 'symlog'"],
    [
      'a width that is too small',
      { width: 10 },
      'Expected `width` of `plotLosses` to be a number of pixels from 240, got 10 (number)',
    ],
    [
      'a height that is no number',
      { height: '1em' },
      'Expected `height` of `plotLosses` to be a number of pixels from 200',
    ],
    ['a misspelt name', { titel: 'x' }, '`titel`'],
    ['an unknown value', { logKeys: { data: 'x' } }, '`logKeys`'],
  ])('%s', (_, args, message) => expect(() => plotLosses(plain([1]), args as PlotLossesArgs)).toThrow(message));
});
