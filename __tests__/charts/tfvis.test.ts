import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../helpers/backend';
import { data, regressor, twoOutputs } from '../helpers/models';
import { FakeElement } from '../helpers/page';
import { fitCallbacks, type ChartContainer } from 'tfjs-decomposed-loss/tfvis';
import { decomposedLoss } from 'tfjs-decomposed-loss';

interface Drawn {
  place: FakeElement;
  values: number[][];
  epochs: number[];
  series: string[];
  options: Record<string, unknown>;
}

const drawn: Drawn[] = [];
const surface = new FakeElement('surface');
const asked: unknown[] = [];

/** As in tfjs-vis the place in the list counts, not `x`; what is no number is not drawn. */
const placed = (line: Array<{ y: number }>) => line.map(({ y }, place) => ({ y, place }));
const behindFirst = (line: Array<{ y: number }>) =>
  placed(line).slice(placed(line).findIndex(({ y }) => !Number.isNaN(y)));

jest.mock('@tensorflow/tfjs-vis', () => ({
  render: {
    linechart: async (
      place: FakeElement,
      { values, series }: { values: Array<Array<{ x: number; y: number }>>; series: string[] },
      options: Record<string, unknown>,
    ) => {
      const lines = values.map(behindFirst);
      const epochs = lines[0]!.map((point) => point.place);
      drawn.push({ place, values: lines.map((line) => line.map(({ y }) => y)), epochs, series, options });
    },
  },
  visor: () => ({ surface: (info: unknown) => (asked.push(info), { drawArea: surface }) }),
}));

const page = () => new FakeElement('div');
const container = (element: FakeElement) => element as unknown as ChartContainer;
const titles = (element: FakeElement) => element.all(({ tag }) => tag === 'figcaption').map(({ text }) => text);

/** What was drawn last under a title. */
function last(element: FakeElement, title: string): Drawn {
  const figure = element.all(({ tag }) => tag === 'figure').find(({ text }) => text.startsWith(title))!;
  const places = figure.all(() => true);
  return drawn.filter(({ place }) => places.includes(place)).at(-1)!;
}

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
  drawn.length = 0;
  asked.length = 0;
});

it('draws the values of the logs, training beside validation', async () => {
  const expected = await historyOf(fitArgs);
  const element = page();
  await regressor().fit(x, y, { ...fitArgs, callbacks: fitCallbacks(container(element)) });
  expect(titles(element)).toEqual([
    'Total loss by epoch',
    'Data loss by epoch',
    'Regularization loss by epoch',
    'Regularization loss by layer',
  ]);
  const keys = {
    'Total loss by epoch': ['loss', 'val_total_loss'],
    'Data loss by epoch': ['data_loss', 'val_data_loss'],
    'Regularization loss by epoch': ['regularization_loss', 'val_regularization_loss'],
  };
  for (const [title, [training, validation]] of Object.entries(keys)) {
    const { series, values } = last(element, title);
    expect(series).toEqual(['training', 'validation']);
    expect(values).toEqual([expected[training!], expected[validation!]]);
  }
});

it('stacks the parts of the penalty, and says what they are', async () => {
  const expected = await historyOf(fitArgs);
  const element = page();
  await regressor().fit(x, y, { ...fitArgs, callbacks: fitCallbacks(container(element)) });
  const layers = Object.keys(expected).filter((key) => key.startsWith('regularization_loss/'));
  expect(element.all(({ tag }) => tag === 'path')).toHaveLength(layers.length);
  const label = element.all(({ attributes }) => attributes.get('aria-label')?.includes('by layer') ?? false)[0]!;
  const parts = layers.map((key) => `${key.split('/')[1]!} ${expected[key]![2]!.toPrecision(4)}`);
  expect(label.attributes.get('aria-label')).toBe(`Regularization loss by layer: ${parts.join(', ')}`);
});

it('leaves out what is not there: validation, and penalties', async () => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  const element = page();
  await model.fit(x, y, { verbose: 0, callbacks: fitCallbacks(container(element)) });
  expect(titles(element)).toEqual(['Total loss by epoch', 'Data loss by epoch', 'Regularization loss by epoch']);
  expect(last(element, 'Data loss').series).toEqual(['training']);
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
    height: 100,
  });
  const { history } = await model.fit(x, y, { ...fitArgs, epochs: 1, callbacks });
  expect(titles(element)).toEqual([
    'Loss by batch',
    'Total loss by epoch',
    'Data loss by epoch',
    'Regularization loss by epoch',
    'mae by epoch',
    'Regularization loss by weight',
  ]);
  const batches = last(element, 'Loss by batch');
  expect(batches.series).toEqual(['total', 'data', 'regularization']);
  const [total, fit, penalty] = batches.values as [number[], number[], number[]];
  expect(total).toHaveLength(2);
  total.forEach((value, batch) => expect(fit[batch]! + penalty[batch]!).toBeCloseTo(value, 4));
  expect(last(element, 'mae').values).toEqual([history['mae'], history['val_mae']]);
  expect(last(element, 'Data loss').values[0]).toEqual(history['fit']);
  expect(batches.options).toMatchObject({ width: 250, height: 100 });
  expect(element.all(({ tag }) => tag === 'svg')[0]!.attributes.get('width')).toBe('250');
});

it('begins anew with the next training, and leaves what else is in the container', async () => {
  const element = page();
  element.append(new FakeElement('p'));
  const model = regressor();
  const callbacks = fitCallbacks(container(element));
  for (let training = 0; training < 2; training++) await model.fit(x, y, { ...fitArgs, callbacks });
  expect(titles(element)).toHaveLength(4);
  expect(last(element, 'Total loss').values[0]).toHaveLength(3);
  expect(element.children).toHaveLength(5);
});

it('draws on a surface of the visor', async () => {
  await regressor().fit(x, y, { ...fitArgs, callbacks: fitCallbacks({ name: 'Loss', tab: 'Training' }) });
  expect(asked).toEqual([{ name: 'Loss', tab: 'Training' }]);
  expect(titles(surface)).toHaveLength(4);
  const other = page();
  const drawArea = other as unknown as HTMLElement;
  await regressor().fit(x, y, { ...fitArgs, callbacks: fitCallbacks({ drawArea }) });
  expect(titles(other)).toHaveLength(4);
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
  [() => fitCallbacks(container(page()), { width: 0 }), /`width`.*got 0/],
  [() => fitCallbacks(container(page()), { height: '9' } as never), /`height`.*got '9'/],
  [() => fitCallbacks(container(page()), { breakdown: 'model' } as never), /`breakdown`.*got 'model'/],
])('refuses what it does not understand', (make, message) => {
  expect(make).toThrow(message);
});

it.each([null, 'charts', {}])('refuses a container that is none: %p', async (wrong) => {
  const callbacks = fitCallbacks(wrong as never);
  await expect(regressor().fit(x, y, { ...fitArgs, callbacks })).rejects.toThrow(/`container`.*getElementById/);
});

it('counts epochs from 1, and goes on where training does', async () => {
  const place = page();
  await regressor().fit(x, y, { ...fitArgs, initialEpoch: 1, callbacks: fitCallbacks(container(place)) });
  expect(last(place, 'Total loss').epochs).toEqual([2, 3]);
  const labels = place.all(({ tag }) => tag === 'text').map(({ text }) => text);
  expect(labels).toEqual(expect.arrayContaining(['2', '3', 'epoch']));
});

it('draws the validation of a metric that the host puts under the name of another', async () => {
  const [place, model] = [
    page(),
    twoOutputs({ metrics: { price: 'mae', sold: 'accuracy' }, optimizer: tf.train.sgd(0) }),
  ];
  const targets = [y, tf.step(y)];
  const callbacks = fitCallbacks(container(place), { metrics: ['price_mae'] });
  await model.fit(x, targets, { epochs: 1, shuffle: false, verbose: 0, validationData: [x, targets], callbacks });
  const [training, validation] = last(place, 'price_mae').values;
  expect(validation![0]).toBeNear(training![0]!, 1e-5);
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
  expect(words.length).toBeGreaterThan(2);
  words.forEach((word) => expect(word).not.toContain('NaN'));
});
