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

/** The parts of the picture that are named so: the line and its markers, or an area. */
const groups = (svg: string, name: string) =>
  Array.from(
    svg.matchAll(new RegExp(`<g(?: color="[^"]*")?><title>${name}</title>(.*?)</g>`, 'g')),
    ([, content]) => content!,
  );
const group = (svg: string, name: string) => groups(svg, name)[0] ?? 'missing';

/** The places of a path's corners. */
const corners = (path: string) =>
  Array.from(/ d="M([^"]*)"/.exec(path)![1]!.matchAll(/([\d.]+) ([\d.]+)/g), ([, x, y]) => [Number(x), Number(y)]);

/** Where markers are. */
const markers = (svg: string, name: string) =>
  Array.from((groups(svg, name)[1] ?? '').matchAll(/ d="M([\d.]+) ([\d.]+)m/g), ([, x, y]) => [Number(x), Number(y)]);

/** The value at a height, by the labels at the left, which the reader goes by. */
function valueAt(svg: string, y: number, of: (value: number) => number = (value) => value): number {
  const labels = Array.from(svg.matchAll(/<text x="[\d.]+" y="([\d.]+)" class="m" text-anchor="end">([^<]*)</g))
    .filter(([, , label]) => label !== 'epoch')
    .map(([, at, label]) => [Number(at) - 4, of(Number(label))] as const);
  const [[low, first], [high, last]] = [labels[0]!, labels.at(-1)!];
  return first + ((y - low) / (high - low)) * (last - first);
}

/** The chart of the breakdown, from its axis on. */
const lowerChart = (svg: string) => svg.slice(svg.lastIndexOf('>regularization loss<'));

const heightOf = (svg: string) => Number(/viewBox="0 0 \d+ (\d+)"/.exec(svg)![1]);
const axis = (svg: string) =>
  Array.from(svg.matchAll(/text-anchor="end">([^<]*)</g), ([, label]) => label!).filter((label) => label !== 'epoch');
const texts = (svg: string) => Array.from(svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g), ([, content]) => content!);

/** An XML parser of somebody else's. */
const hasPython = spawnSync('python3', ['--version']).status === 0;
const withPython = hasPython ? it : it.skip;
const parse = (svg: string) =>
  spawnSync('python3', ['-c', 'import sys,xml.dom.minidom as m; m.parse(sys.stdin.buffer)'], { input: svg }).status;

describe('the lines', () => {
  it('are at the values of the history, by the axis, in training and validation', async () => {
    const history = await trained();
    const svg = plotLosses(history, { scale: 'linear' });
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
      expect(group(svg, name).includes('stroke-dasharray')).toBe(name.endsWith('validation'));
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
    const labels = axis(plotLosses(plain([0.3, 2.5]), { scale }));
    expect(labels[0]).toBe(low);
    expect(labels.at(-1)).toBe(high);
  });

  it.each<[string, number[], 'linear' | 'log', number, number, number]>([
    ['NaN and Infinity', [1, 2, NaN, 3, 4, Infinity, -Infinity], 'linear', 2, 2, 3],
    ['nothing finite', [NaN, NaN], 'linear', 0, 0, 0],
    ['single values between gaps', [1, NaN, 2], 'linear', 0, 2, 1],
    ['what is not positive, on a logarithmic scale', [1, 2, 0, -3, 4, 5], 'log', 2, 2, 0],
    ['nothing positive, on a logarithmic scale', [0, 0], 'log', 0, 0, 0],
    ['zeros', [0, 0, 0], 'linear', 1, 1, 0],
    ['one epoch', [0.3], 'linear', 0, 1, 0],
    ['negative values', [-1, -2, -1], 'linear', 1, 1, 0],
    ['very great and very small values', [1e30, 1e-30, 1], 'log', 1, 1, 0],
    ['the greatest numbers', [1.7e308, 1e308, 1.79e308], 'linear', 1, 1, 0],
    ['the greatest numbers of both signs', [1.7e308, -1.7e308], 'linear', 1, 1, 0],
    ['the greatest and the smallest numbers', [1.79e308, 5e-324], 'log', 1, 1, 0],
    ['the smallest number', [5e-324, 5e-324], 'linear', 1, 1, 0],
    ['the smallest numbers', [5e-324, 1e-323, 5e-320], 'linear', 1, 1, 0],
  ])('are sensible with %s', (_, values, scale, stretches, marked, crosses) => {
    const layers = { 'regularization_loss/a': values, 'regularization_loss/b': values };
    const svg = plotLosses({ ...plain(values, values), ...layers }, { scale });
    expect(group(svg, 'data loss').match(/(?<!8)M| d="M/g) ?? []).toHaveLength(stretches);
    expect(markers(svg, 'data loss')).toHaveLength(marked);
    expect(
      groups(svg, 'data loss')
        .join('')
        .match(/l8 8m0-8l-8 8/g) ?? [],
    ).toHaveLength(crosses);
    const places = Array.from(svg.matchAll(/ (?:d|x|y|x1|width|height)="([^"]*)"/g), ([, place]) => place);
    expect(places.join(' ')).not.toMatch(/NaN|Infinity|undefined|e\+/);
    expect(axis(svg).join(' ')).not.toMatch(/NaN|Infinity/);
    const isEmpty = texts(svg.slice(0, svg.lastIndexOf('>regularization loss<'))).includes('No value can be drawn.');
    expect(isEmpty).toBe(stretches + marked === 0);
  });

  it('are where the values are, near the greatest number that there is', () => {
    const svg = plotLosses(plain([1e308, 1.7e308, 2e307], [0, 0, 0]), { scale: 'linear' });
    const tenth = (value: number) => value / 10;
    corners(group(svg, 'data loss')).forEach(([, y], epoch) => {
      expect(valueAt(svg, y!, tenth) / 1e307).toBeNear([1, 1.7, 0.2][epoch]!, 0.02);
    });
  });

  it('of validation run over their own training, and those of a sum are wider than those of its parts', () => {
    const values = [3, 2, 1];
    const parts = { 'data_loss/a': values, val_data_loss: values, val_total_loss: values };
    const svg = plotLosses({ ...plain(values, values), ...parts });
    const width = (name: string) => Number(/stroke-width="([\d.]+)"/.exec(group(svg, name))![1]);
    expect(width('total loss')).toBeGreaterThan(width('data loss') + 1.5);
    expect(width('data loss')).toBeGreaterThan(width('data loss: a') + 1);
    // Below each dashed line there is a wider one in the colour of the background.
    expect(svg.match(/<path [^>]*class="h" fill="none"[^>]*>/g)).toHaveLength(2);
    const order = ['total loss', 'data loss', 'data loss: a', 'total loss, validation', 'data loss, validation'];
    const places = order.map((name) => svg.indexOf(group(svg, name)));
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  it('have markers of their own shape, at other epochs than the others', () => {
    const values = Array.from({ length: 30 }, (_, epoch) => 30 - epoch);
    const svg = plotLosses({ ...plain(values, values), val_data_loss: values });
    const names = ['total loss', 'data loss', 'regularization loss', 'data loss, validation'];
    const all = names.map((name) => markers(svg, name).map(([x]) => x));
    all.forEach((places) => expect(places).toHaveLength(5));
    expect(new Set(all.flat()).size).toBe(20);
    const shapes = names.map((name) => / d="M[\d.]+ [\d.]+(m[^"]*)"/.exec(groups(svg, name)[1]!)![1]);
    expect(new Set(shapes).size).toBe(3);
    expect(groups(svg, 'data loss, validation')[1]).toContain('fill="#fff" stroke="currentColor"');
    expect(groups(svg, 'data loss')[1]).toContain('fill="currentColor"');
  });

  it('are those of each part of the data loss too, also where a part came later', () => {
    const parts = { 'data_loss/price': [1, 2], 'val_data_loss/price': [2, 3], 'data_loss/sold': [3, 4] };
    const svg = plotLosses({ ...plain([9, 9]), ...parts });
    expect(groups(svg, 'data loss: price')).toHaveLength(2);
    expect(groups(svg, 'data loss: price, validation')).toHaveLength(2);
    expect(groups(svg, 'data loss: sold, validation')).toHaveLength(0);
    corners(group(svg, 'data loss: sold')).forEach(([, y], epoch) =>
      expect(valueAt(svg, y!)).toBeNear([3, 4][epoch]!, 0.1),
    );
  });

  it('are at most ten, with a word on the parts that are left out', () => {
    const parts = Array.from({ length: 9 }, (_, i) => [`data_loss/${i}`, [i, i]]);
    const svg = plotLosses({ ...plain([9, 9]), ...(Object.fromEntries(parts) as Values) });
    expect(texts(svg).filter((name) => name.startsWith('data loss: '))).toEqual(
      [2, 3, 4, 5, 6, 7, 8].map((part) => `data loss: ${part}`),
    );
    expect(texts(svg)).toContain('2 other parts of the data loss not shown');
  });
});

describe('the axis', () => {
  const title = (svg: string) => texts(svg).find((content) => content.startsWith('loss'));
  const falling = Array.from({ length: 20 }, (_, epoch) => 2 * 0.9 ** epoch);

  it.each<[string, number[], number[], 'linear' | 'log']>([
    ['of curves that fill the height', falling, falling, 'linear'],
    ['of a curve that falls far below the others', falling, falling.map((value) => value / 100), 'log'],
    ['of a curve whose last half is within a hundredth of the height', falling, falling.map((v) => v / 25), 'log'],
    ['of a curve whose last half is just above a twentieth', falling, falling.map((v) => v / 3), 'linear'],
    ['of a low curve that stays as it is', falling, falling.map(() => 0.01), 'linear'],
    [
      'of a curve that has fallen for most of the training',
      falling.map((value, i) => (i < 3 ? 100 : value)),
      falling,
      'log',
    ],
    ['where there is no penalty', falling.map((value) => value ** 6), falling.map(() => 0), 'log'],
    ['where a value is 0', falling.map((value, epoch) => (epoch === 9 ? 0 : value ** 6)), falling, 'linear'],
    [
      'where a value is negative',
      falling,
      falling.map((value, epoch) => (epoch === 9 ? -1e-6 : value / 100)),
      'linear',
    ],
    ['of two epochs', [1, 0.001], [1, 1], 'linear'],
  ])('%s is chosen for them', (_, dataLoss, penalty, expected) => {
    expect(title(plotLosses(plain(dataLoss, penalty)))).toBe(expected === 'log' ? 'loss, logarithmic scale' : 'loss');
    expect(plotLosses(plain(dataLoss, penalty))).toBe(plotLosses(plain(dataLoss, penalty), { scale: expected }));
  });

  it('has a title, and epochs', () => {
    expect(texts(plotLosses(plain([1, 2])))).toEqual(expect.arrayContaining(['loss', 'epoch']));
  });
});

describe('the values in the legend', () => {
  const history = { ...plain([0.123456, 12.3456, 1234567], [0, 1e-7, NaN]), val_data_loss: [1, 2] };
  const svg = plotLosses(history);
  /** What a reader sees at an epoch; the last is what is there without a pointer. */
  const shown = Array.from(svg.matchAll(/<text class="t">(.*?)<\/text>/g), ([, content]) =>
    Array.from(content!.matchAll(/>([^<]+)</g), ([, value]) => value),
  );

  it('are those of the epoch that is pointed at, with four digits, else of the last', () => {
    expect(shown).toEqual([
      ['epoch 1', '0.1235', '0.1235', '1.000', '0'],
      ['epoch 2', '12.35', '12.35', '2.000', '1.000e-7'],
      ['epoch 3', 'NaN', '1.235e6', '–', 'NaN'],
      ['epoch 3', 'NaN', '1.235e6', '–', 'NaN'],
    ]);
    const hidden = svg.indexOf('visibility="hidden"');
    expect([hidden > 0, svg.indexOf('class="v"') > hidden]).toEqual([true, true]);
  });

  it('have columns to point at that cover the plot without a gap, and do not overlap', () => {
    const areas = Array.from(svg.matchAll(/<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"[^>]*pointer-events="all"/g));
    const edges = areas.map(([, x, width]) => [Number(x), Number(x) + Number(width)] as const);
    expect(edges).toHaveLength(3);
    edges.slice(1).forEach(([start], index) => expect(Math.abs(start - edges[index]![1])).toBeLessThan(0.2));
  });

  it('are above the plot, so that they cover neither lines nor names', () => {
    const heights = Array.from(svg.matchAll(/<tspan x="([\d.]+)" y="([\d.]+)">/g), ([, x, y]) => `${x} ${y}`);
    const top = Number(/<path d="M[\d.]+ ([\d.]+)H/.exec(svg)![1]);
    const lowest = Math.min(...Array.from(svg.matchAll(/class="g"/g), () => top));
    heights.forEach((place) => expect(Number(place.split(' ')[1])).toBeLessThan(lowest));
    const names = Array.from(svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)" class="m">/g), ([, x, y]) => `${x} ${y}`);
    expect(names.filter((place) => heights.includes(place))).toEqual([]);
  });

  it('are readable at no more epochs than fit', () => {
    const long = Array.from({ length: 3000 }, (_, epoch) => 1 / (epoch + 1));
    const many = plotLosses(plain(long), { width: 400 });
    expect(many.match(/class="c"/g)!.length).toBeLessThan(50);
    expect(many.length).toBeLessThan(200_000);
  });
});

describe('the breakdown', () => {
  it('is stacked up to the regularization loss', async () => {
    const history = await trained({ breakdown: 'layer' });
    const svg = plotLosses(history);
    const lower = lowerChart(svg);
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
    const [without, withParts] = [plotLosses(await trained()), plotLosses(await trained({ breakdown: 'layer' }))];
    expect(without).not.toContain('Regularization loss in parts');
    expect(heightOf(without)).toBeLessThan(heightOf(withParts) - 180);
  });

  it('leaves the plots their height where the legend needs more lines', () => {
    const losses = { ...plain([1, 2]), val_data_loss: [1, 2], 'data_loss/a': [1, 2] };
    const plotted = [240, 1200].map((width) => plotLosses(losses, { width }));
    const plot = (svg: string) => Number(/<rect [^>]*height="(\d+)" fill="none" pointer-events/.exec(svg)![1]);
    expect(plotted.map(plot)).toEqual([300, 300]);
    expect(heightOf(plotted[0]!)).toBeGreaterThan(heightOf(plotted[1]!) + 50);
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
    const eight = layers.slice(0, 8);
    expect(texts(plotLosses({ ...plain([1, 1]), ...(Object.fromEntries(eight) as Values) }))).toContain('layer_0');
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
    const lower = lowerChart(svg);
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
    const lower = lowerChart(svg);
    const [first, last, under, before] = corners(group(svg, '2 others')).map(([, y]) => valueAt(lower, y!));
    expect(first! - before!).toBeNear(3, 0.1);
    expect(last! - under!).toBeNear(5, 0.1);
  });

  it('has a gap where a layer is not finite, and bars for epochs without neighbours', () => {
    const layers = { 'regularization_loss/a': [1, NaN, 1, 1], 'regularization_loss/b': [1, 1, 1, 1] };
    const svg = plotLosses({ ...plain([1, 1, 1, 1]), ...layers });
    expect(group(svg, 'a').match(/Z/g)).toHaveLength(2);
    const [left, right] = corners(group(svg, 'a'));
    expect(right![0]! - left![0]!).toBe(24);
    expect(group(svg, 'a')).not.toContain('NaN');
  });

  it('takes a negative part for 0', () => {
    const svg = plotLosses({ ...plain([1, 1]), 'regularization_loss/a': [-1, 1], 'regularization_loss/b': [2, 2] });
    const heights = corners(group(svg, 'b')).map(([, y]) => valueAt(lowerChart(svg), y!));
    [2, 3, 1, 0].forEach((value, corner) => expect(heights[corner]).toBeNear(value, 0.05));
  });

  it('shows each part by a shape in its area and in the legend', () => {
    const layers = { 'regularization_loss/a': [1, 1, 1], 'regularization_loss/b': [1, 1, 1] };
    const svg = plotLosses({ ...plain([1, 1, 1]), ...layers });
    const shapes = ['a', 'b'].map(
      (name) => group(svg, name).includes('class="b"') && /(m[^"Z]*z)" class="b"/.exec(group(svg, name))![1]!,
    );
    expect(new Set(shapes).size).toBe(2);
    shapes.forEach((shape) => expect(svg.split(String(shape)).length).toBeGreaterThanOrEqual(3));
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
    expect(texts(svg).find((content) => /^block_x{20,40}…$/.test(content))).toBeDefined();
    const narrow = texts(plotLosses({ ...plain([1, 2]), [`regularization_loss/${name}`]: [1, 2] }, { width: 240 }));
    expect(narrow.find((content) => /^block_x{5,19}…$/.test(content))).toBeDefined();
    expect(svg).toContain(`<title>${name}</title>`);
  });

  it('has the size and title that were asked for', () => {
    const svg = plotLosses(plain([1, 2]), { title: 'Run 7', width: 400, height: 300 });
    expect(svg).toContain('width="400" height="300" viewBox="0 0 400 300"');
    expect(texts(svg)).toContain('Run 7');
    expect(texts(plotLosses(plain([1, 2])))[0]).toBe('total loss');
    expect(texts(plotLosses(plain([1, 2]), { title: '' }))[0]).toBe('total loss');
  });

  it('keeps its legend within a narrow width', () => {
    const svg = plotLosses({ ...plain([1, 2]), val_data_loss: [1, 2] }, { width: 240 });
    const all = Array.from(svg.matchAll(/x="([\d.]+)" y="[\d.]+"(?: class="m")?>([^<]*)</g));
    expect(all.length).toBeGreaterThan(8);
    all.forEach(([, x, label]) => expect(Number(x) + 6 * label!.length).toBeLessThan(240));
  });

  it('says in words what it shows', () => {
    const svg = plotLosses({ ...plain([1, 2], [3, 4]), val_data_loss: [5] }, { title: 'Run 7' });
    expect(svg).toContain(
      'aria-label="Run 7. Loss by epoch, at epoch 2: total loss 6.000; data loss 2.000; data loss, validation 5.000; regularization loss 4.000"',
    );
  });

  it('says which lines are validation where there are any', () => {
    expect(texts(plotLosses(plain([1, 2])))).not.toContain('validation');
    expect(texts(plotLosses({ ...plain([1, 2]), val_data_loss: [1, 2] }))).toContain('validation');
  });

  it('follows the light or dark scheme', () => {
    const svg = plotLosses(plain([1]));
    expect(svg).toContain('@media(prefers-color-scheme:dark)');
    expect(svg).not.toContain('light-dark');
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
    expect(() => plotLosses(new tf.History())).toThrow('Expected `history` of `plotLosses` to be what `fit` returned');
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
  ])('%s', (_, history) =>
    expect(() => plotLosses(history as Values)).toThrow('Expected `history` of `plotLosses` to be what'),
  );

  it.each<[string, object, string]>([
    [
      'another scale',
      { scale: 'symlog' },
      "Expected `scale` of `plotLosses` to be 'linear', 'log' or 'auto', got 'symlog'",
    ],
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
