import { Worker } from 'node:worker_threads';
import { join } from 'node:path';
import type { Tensor } from '@tensorflow/tfjs';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import { lossColors, plotLosses } from 'tfjs-decomposed-loss/charts';
import { fitCallbacks, lossCharts, type ChartContainer } from 'tfjs-decomposed-loss/tfvis';
import { tf } from '../helpers/backend';
import { data, regressor, twoOutputs } from '../helpers/models';
import { FakeElement } from '../helpers/page';

const surface = new FakeElement('surface');
const asked: unknown[] = [];
let isInstalled = true;

jest.mock('@tensorflow/tfjs-vis', () => {
  if (!isInstalled) throw new Error("Cannot find module '@tensorflow/tfjs-vis'");
  return { visor: () => ({ surface: (info: unknown) => (asked.push(info), { drawArea: surface }) }) };
});

const page = () => new FakeElement('div');
const container = (element: FakeElement) => element as unknown as ChartContainer;
const titles = (element: FakeElement) => element.all(({ tag }) => tag === 'figcaption').map(({ text }) => text);
const attribute = (element: FakeElement, name: string) => element.attributes.get(name)!;

/** The picture under a title. */
function picture(element: FakeElement, title: string): FakeElement {
  const figure = element.all(({ tag }) => tag === 'figure').find(({ children }) => titleOf(children) === title)!;
  return figure.all(({ tag }) => tag === 'svg')[0]!;
}
const titleOf = ([caption]: FakeElement['children']) => (caption as FakeElement).text;

const texts = (element: FakeElement) => element.all(({ tag }) => tag === 'text').map(({ text }) => text);

/** What a reader sees where the pointer is at an epoch or batch, a row each: its number, and the values. */
const rows = (svg: FakeElement) =>
  svg
    .all((element) => attribute(element, 'class') === 'c')
    .map((column) => column.all(({ tag }) => tag === 'tspan').map(({ text }) => text));

/** The lines and areas that are there: their names in the picture. */
const curves = (svg: FakeElement) => [...new Set(svg.all(({ tag }) => tag === 'title').map(({ text }) => text))];

/** The values of some keys, with four digits, as they are in the picture. */
const digits = (history: Record<string, number[]>, epoch: number, keys: string[]) =>
  keys.map((key) => history[key]![epoch]!.toPrecision(4));

/** The numbers of the host's history for a training of the same model without charts. */
async function historyOf(args: Parameters<ReturnType<typeof regressor>['fit']>[2]): Promise<Record<string, number[]>> {
  const { history } = await regressor().fit(x, y, { ...args, callbacks: decomposedLoss({ breakdown: 'layer' }) });
  return history as Record<string, number[]>;
}

let x: Tensor;
let y: Tensor;
beforeAll(() => {
  [x, y] = [data([8, 4]), data([8, 1])];
});
const fitArgs = { epochs: 3, batchSize: 3, shuffle: false, verbose: 0, validationSplit: 0.25 } as const;

beforeEach(() => {
  asked.length = 0;
});

const LOSSES = ['loss', 'val_total_loss', 'data_loss', 'val_data_loss'];
const PENALTIES = ['regularization_loss', 'val_regularization_loss'];

it('draws the values of the logs, in training and validation', async () => {
  const expected = await historyOf(fitArgs);
  const element = page();
  await regressor().fit(x, y, { ...fitArgs, callbacks: fitCallbacks(container(element)) });
  expect(titles(element)).toEqual(['Loss by epoch', 'Regularization loss in parts']);
  const svg = picture(element, 'Loss by epoch');
  expect(rows(svg)).toEqual(
    [0, 1, 2].map((epoch) => [`epoch ${epoch + 1}`, ...digits(expected, epoch, [...LOSSES, ...PENALTIES])]),
  );
  const names = ['total loss', 'data loss', 'regularization loss'];
  expect(curves(svg)).toEqual([...names, ...names.map((name) => `${name}, validation`)]);
});

it('draws what plotLosses does', async () => {
  const element = page();
  const args = { width: 500, height: 400 };
  const history = await regressor().fit(x, y, { ...fitArgs, callbacks: fitCallbacks(container(element), args) });
  const lines = (svg: FakeElement) =>
    svg.all(({ tag }) => tag === 'path').map((path) => attribute(path, 'stroke-width'));
  const plotted = plotLosses(history);
  const drawn = [picture(element, 'Loss by epoch'), picture(element, 'Regularization loss in parts')];
  expect(drawn.flatMap(lines).filter(Boolean)).toEqual(
    Array.from(plotted.matchAll(/<path [^>]*stroke-width="([^"]*)"/g), ([, width]) => width),
  );
  const colors = drawn.flatMap((svg) => svg.all(({ tag }) => tag === 'g').map((group) => attribute(group, 'color')));
  expect(colors.filter(Boolean)).toEqual(Array.from(plotted.matchAll(/<g color="([^"]*)"/g), ([, color]) => color));
  expect(colors).toEqual(expect.arrayContaining([lossColors.data, lossColors.regularization, lossColors.parts[0]]));
});

it('stacks the parts of the penalty, and says what they are', async () => {
  const expected = await historyOf(fitArgs);
  const element = page();
  await regressor().fit(x, y, { ...fitArgs, callbacks: fitCallbacks(container(element)) });
  const svg = picture(element, 'Regularization loss in parts');
  const layers = Object.keys(expected).filter((key) => key.startsWith('regularization_loss/'));
  expect(layers).toHaveLength(2);
  expect(curves(svg)).toEqual(layers.map((key) => key.split('/')[1]));
  const parts = layers.map((key) => `${key.split('/')[1]!} ${expected[key]![2]!.toPrecision(4)}`);
  expect(attribute(svg, 'aria-label')).toBe(`Regularization loss in parts, at epoch 3: ${parts.join('; ')}`);
  expect(attribute(svg, 'role')).toBe('img');
});

it('leaves out what is not there: validation, and penalties', async () => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  const element = page();
  await model.fit(x, y, { verbose: 0, callbacks: fitCallbacks(container(element)) });
  expect(titles(element)).toEqual(['Loss by epoch']);
  expect(curves(picture(element, 'Loss by epoch'))).toEqual(['total loss', 'data loss', 'regularization loss']);
  const penalized = page();
  await regressor().fit(x, y, { ...fitArgs, callbacks: fitCallbacks(container(penalized), { breakdown: 'none' }) });
  expect(titles(penalized)).toEqual(['Loss by epoch']);
});

it('draws batches, metrics and weights, under other names', async () => {
  const model = regressor();
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: ['mae'] });
  const element = page();
  const callbacks = fitCallbacks(container(element), {
    callbacks: ['onBatchEnd', 'onEpochEnd'],
    metrics: ['mae'],
    breakdown: 'weight',
    logKeys: { dataLoss: 'fit' },
    width: 250,
    height: 300,
  });
  const { history } = await model.fit(x, y, { ...fitArgs, epochs: 1, callbacks });
  expect(titles(element)).toEqual(['Loss by batch', 'Loss by epoch', 'Regularization loss in parts', 'mae by epoch']);
  const batches = rows(picture(element, 'Loss by batch'));
  expect(batches.map(([batch]) => batch)).toEqual(['batch 1', 'batch 2']);
  batches.forEach(([, total, fit, penalty]) => expect(Number(fit) + Number(penalty)).toBeNear(Number(total), 1e-3));
  const values = history as Record<string, number[]>;
  expect(rows(picture(element, 'mae by epoch'))).toEqual([['epoch 1', ...digits(values, 0, ['mae', 'val_mae'])]]);
  expect(rows(picture(element, 'Loss by epoch'))[0]).toEqual(expect.arrayContaining(digits(values, 0, ['fit'])));
  expect(curves(picture(element, 'Regularization loss in parts'))).toContain('out/bias');
  const sizes = element
    .all(({ tag }) => tag === 'svg')
    .map((svg) => [attribute(svg, 'width'), attribute(svg, 'height')]);
  expect(sizes).toEqual(Array.from({ length: 4 }, () => ['250', '300']));
});

it('begins anew with the next training, and leaves what else is in the container', async () => {
  const element = page();
  element.append(new FakeElement('p'));
  const model = regressor();
  const callbacks = fitCallbacks(container(element));
  for (let training = 0; training < 2; training++) await model.fit(x, y, { ...fitArgs, callbacks });
  expect(titles(element)).toHaveLength(2);
  expect(rows(picture(element, 'Loss by epoch'))).toHaveLength(3);
  expect(element.children).toHaveLength(3);
});

it('draws on a surface of the visor', async () => {
  await regressor().fit(x, y, { ...fitArgs, callbacks: fitCallbacks({ name: 'Loss', tab: 'Training' }) });
  expect(asked).toEqual([{ name: 'Loss', tab: 'Training' }]);
  expect(titles(surface)).toHaveLength(2);
  const [figure] = surface.all(({ tag }) => tag === 'figure');
  expect(figure!.style).toMatchObject({ color: '#111', colorScheme: 'light' });
  const other = page();
  const drawArea = other as unknown as HTMLElement;
  await regressor().fit(x, y, { ...fitArgs, callbacks: fitCallbacks({ drawArea }) });
  expect(titles(other)).toHaveLength(2);
});

it('stands beside other callbacks, in any order, and leaves no tensor behind', async () => {
  const model = regressor();
  const seen: unknown[] = [];
  const other = new tf.CustomCallback({ onEpochEnd: (_, logs) => void seen.push(logs!['data_loss']) });
  const train = () =>
    model.fit(x, y, {
      ...fitArgs,
      callbacks: [other, ...fitCallbacks(container(page()), { callbacks: ['onBatchEnd', 'onEpochEnd'] })],
    });
  await train();
  const before = tf.memory().numTensors;
  await train();
  expect(tf.memory().numTensors).toBe(before);
  expect(seen.every((value) => typeof value === 'number')).toBe(true);
});

it.each([
  [() => fitCallbacks(container(page()), { breakdwon: 'layer' } as never), /`breakdwon`/],
  [() => fitCallbacks(container(page()), { callbacks: ['onEpoch'] } as never), /`callbacks`.*got 'onEpoch'/],
  [() => fitCallbacks(container(page()), { callbacks: 'onEpochEnd' } as never), /`callbacks`.*array/],
  [() => fitCallbacks(container(page()), { metrics: 'acc' } as never), /`metrics`.*got 'acc'/],
  [() => fitCallbacks(container(page()), { metrics: [1] } as never), /`metrics`/],
  [() => fitCallbacks(container(page()), { scale: 'symlog' } as never), /`scale`.*got 'symlog'/],
  [() => lossCharts(container(page()), { callbacks: [] } as never), /`callbacks`/],
  [() => lossCharts(container(page()), { logKeys: { data: 'x' } } as never), /`logKeys`/],
  [() => fitCallbacks(container(page()), { width: 0 }), /`width`.*got 0/],
  [() => fitCallbacks(container(page()), { height: '9' } as never), /`height`.*got '9'/],
  [() => fitCallbacks(container(page()), { breakdown: 'model' } as never), /`breakdown`.*got 'model'/],
])('refuses what it does not understand', (make, message) => {
  expect(make).toThrow(message);
});

it.each([null, 'charts', {}])('refuses a container that is none: %p', (wrong) => {
  expect(() => fitCallbacks(wrong as never)).toThrow(/`container`.*getElementById/);
  expect(() => lossCharts(wrong as never)).toThrow(/`container`.*getElementById/);
});

it('counts epochs from 1, and goes on where training does', async () => {
  const place = page();
  await regressor().fit(x, y, { ...fitArgs, initialEpoch: 1, callbacks: fitCallbacks(container(place)) });
  expect(rows(picture(place, 'Loss by epoch')).map(([epoch]) => epoch)).toEqual(['epoch 2', 'epoch 3']);
  expect(texts(place)).toEqual(expect.arrayContaining(['2', '3', 'epoch']));
});

it('draws the validation of a metric that the host puts under the name of another', async () => {
  const place = page();
  const model = twoOutputs({ metrics: { price: 'mae', sold: 'accuracy' }, optimizer: tf.train.sgd(0) });
  const targets = [y, tf.step(y)];
  const callbacks = fitCallbacks(container(place), { metrics: ['price_mae'] });
  await model.fit(x, targets, { epochs: 1, shuffle: false, verbose: 0, validationData: [x, targets], callbacks });
  const [, training, validation] = rows(picture(place, 'price_mae by epoch'))[0]!;
  expect(validation).toBe(training);
});

it('tells the last value of validation where an epoch was cut short', async () => {
  const [place, model] = [page(), regressor()];
  class Stop extends tf.Callback {
    private epoch = 0;
    override async onEpochBegin(epoch: number) {
      this.epoch = epoch;
    }
    override async onBatchEnd() {
      if (this.epoch === 1) this.model.stopTraining = true;
    }
  }
  const callbacks = [...fitCallbacks(container(place)), new Stop() as never];
  await model.fit(x, y, { ...fitArgs, callbacks });
  const words = place
    .all(({ attributes }) => attributes.has('aria-label'))
    .map((one) => one.attributes.get('aria-label'));
  expect(words).toHaveLength(2);
  words.forEach((word) => expect(word).not.toContain('NaN'));
});

describe('logs from elsewhere', () => {
  const logs = (loss: number) => ({ loss, data_loss: loss - 1, regularization_loss: 1 });

  it('are those of a training in a worker', async () => {
    const element = page();
    const charts = lossCharts(container(element));
    const epochs: Array<Record<string, number>> = [];
    const file = join(__dirname, '../children/train-in-worker.ts');
    const worker = new Worker(file, { execArgv: ['--require', 'tsx/cjs'], stderr: true });
    await new Promise<void>((resolve, reject) => {
      let drawn = Promise.resolve();
      worker.on('message', (message: { batch?: number; epoch: number; logs: Record<string, number> }) => {
        const isBatch = message.batch !== undefined;
        if (!isBatch) epochs.push(message.logs);
        drawn = drawn.then(() => (isBatch ? charts.batch(message.logs) : charts.epoch(message.epoch, message.logs)));
      });
      worker.on('error', reject);
      worker.on('exit', () => void drawn.then(() => charts.end()).then(resolve, reject));
    });
    expect(titles(element)).toEqual(['Loss by batch', 'Loss by epoch', 'Regularization loss in parts']);
    expect(rows(picture(element, 'Loss by batch'))).toHaveLength(9);
    expect(epochs).toHaveLength(3);
    const shown = rows(picture(element, 'Loss by epoch'));
    epochs.forEach((epoch, index) => {
      expect(epoch['data_loss']! + epoch['regularization_loss']!).toBeNear(epoch['loss']!, 1e-5);
      const values = [...LOSSES, ...PENALTIES].map((key) => Number(epoch[key]!.toPrecision(4)));
      expect(shown[index]!.slice(1).map(Number)).toEqual(values);
    });
    expect(curves(picture(element, 'Regularization loss in parts'))).toEqual(['out/kernel']);
  });

  it('are drawn without begin and end, and anew after begin', async () => {
    const element = page();
    const charts = lossCharts(container(element));
    await charts.epoch(0, logs(3));
    await charts.epoch(1, logs(2));
    expect(rows(picture(element, 'Loss by epoch')).map(([, total]) => total)).toEqual(['3.000', '2.000']);
    await charts.begin();
    expect(titles(element)).toEqual([]);
    await charts.end();
    expect(titles(element)).toEqual([]);
    await charts.epoch(0, logs(5));
    expect(rows(picture(element, 'Loss by epoch')).map(([, total]) => total)).toEqual(['5.000']);
  });

  it('are drawn by batch a few times a second, and all of them at the end', async () => {
    const now = jest.spyOn(performance, 'now');
    const element = page();
    const charts = lossCharts(container(element));
    const shown = () => rows(picture(element, 'Loss by batch')).length;
    for (const [time, expected] of [
      [0, 1],
      [200, 1],
      [249, 1],
      [250, 4],
      [400, 4],
    ] as const) {
      now.mockReturnValue(1000 + time);
      await charts.batch(logs(2));
      expect(shown()).toBe(expected);
    }
    await charts.end();
    expect(shown()).toBe(5);
    now.mockRestore();
  });

  it('are marked where something happened, in all charts', async () => {
    const element = page();
    const charts = lossCharts(container(element));
    for (let epoch = 0; epoch < 4; epoch++) {
      await charts.batch(logs(4 - epoch));
      await charts.epoch(epoch, logs(4 - epoch));
      if (epoch === 1) await charts.mark('L2 0.01');
    }
    await charts.end();
    for (const title of ['Loss by batch', 'Loss by epoch']) {
      const svg = picture(element, title);
      expect(texts(svg)).toContain('L2 0.01');
      const [rule] = svg.all((path) => attribute(path, 'stroke-dasharray') === '2 2');
      const places = svg.all((path) => path.tag === 'tspan' || attribute(path, 'class') === 'r');
      expect(places.length).toBeGreaterThan(4);
      const at = Number(/M([\d.]+)/.exec(attribute(rule!, 'd'))![1]);
      const line = svg.all(({ tag }) => tag === 'path').find((path) => / L|L/.test(attribute(path, 'd')))!;
      const xs = Array.from(attribute(line, 'd').matchAll(/[ML]([\d.]+)/g), ([, x]) => Number(x));
      expect(at).toBeNear((xs[1]! + xs[2]!) / 2, 1e-2);
      expect(rows(svg).map(([row]) => row?.includes('L2 0.01'))).toEqual([false, false, true, false]);
    }
    await charts.begin();
    await charts.epoch(0, logs(2));
    expect(texts(picture(element, 'Loss by epoch'))).not.toContain('L2 0.01');
  });

  it('have their parts stacked on a linear axis, or left out', async () => {
    const parts = { 'regularization_loss/a': 0.9, 'regularization_loss/b': 0.1 };
    const [stacked, plain] = [page(), page()];
    await lossCharts(container(stacked), { scale: 'log' }).epoch(0, { ...logs(2), ...parts });
    expect(texts(picture(stacked, 'Loss by epoch'))).toContain('loss, logarithmic scale');
    expect(texts(picture(stacked, 'Regularization loss in parts'))).toEqual(
      expect.arrayContaining(['regularization loss', '0', '1']),
    );
    await lossCharts(container(plain), { breakdown: 'none' }).epoch(0, { ...logs(2), ...parts });
    expect(titles(plain)).toEqual(['Loss by epoch']);
  });

  it('are numbers, or nothing is drawn', async () => {
    const element = page();
    const charts = lossCharts(container(element));
    await charts.epoch(0, { ...logs(2), phase: 'warm-up', val_data_loss: null });
    const scalar = tf.scalar(1);
    await expect(charts.epoch(1, { ...logs(1), loss: scalar })).rejects.toThrow(
      'Expected numbers in the logs, got a Tensor for `loss`',
    );
    await expect(charts.batch({ loss: 'low' })).rejects.toThrow("got 'low' for `loss`");
    await expect(charts.epoch(1, null as never)).rejects.toThrow('`logs`');
    await expect(charts.epoch('1' as never, logs(2))).rejects.toThrow('`epoch`');
    await expect(charts.epoch(1, { total: 2, data: 1 })).rejects.toThrow('to hold `loss`, `data_loss`');
    await charts.end();
    expect(rows(picture(element, 'Loss by epoch'))).toHaveLength(1);
    expect(titles(element)).toEqual(['Loss by epoch']);
    scalar.dispose();
  });

  it('need tfjs-vis for a surface by its name only, and say so', async () => {
    isInstalled = false;
    jest.resetModules();
    const element = page();
    await lossCharts(container(element)).epoch(0, logs(2));
    expect(titles(element)).toHaveLength(1);
    await expect(lossCharts({ name: 'Loss' }).epoch(0, logs(2))).rejects.toThrow(
      /the surface 'Loss'.*npm install @tensorflow\/tfjs-vis/,
    );
    isInstalled = true;
  });
});
