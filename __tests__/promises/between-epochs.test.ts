/** What others see of the library while it trains: between epochs nothing at all. */
import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, earlyStopping } from 'tfjs-decomposed-loss';
import { gradientBalance } from 'tfjs-decomposed-loss/gradients';
import { activityRegularization, fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import type * as Regularizers from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { batches, data, fillWeights, numbersOf, regressor, twoOutputs } from '../helpers/models';
import { secondCopy } from '../helpers/second-copy';

type Callback = InstanceType<typeof tf.Callback>;

/** Counts tensors as a user would who looks for leaks. */
class TensorCounter extends tf.Callback {
  readonly counts: Array<[hook: string, numTensors: number]> = [];

  override async onEpochBegin(epoch: number): Promise<void> {
    this.counts.push([`begin of epoch ${epoch}`, tf.memory().numTensors]);
  }

  override async onEpochEnd(epoch: number): Promise<void> {
    this.counts.push([`end of epoch ${epoch}`, tf.memory().numTensors]);
  }
}

const activity = (): tfjs.LayersModel => {
  const layers = [
    tf.layers.dense({ units: 3, inputShape: [4] }),
    activityRegularization({ l1: 0.1 }),
    tf.layers.dense({ units: 1 }),
  ];
  const model = tf.sequential({ layers });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
  return fillWeights(model);
};

const fused = (): tfjs.LayersModel => {
  const model = regressor();
  fuseRegularizers(model);
  return model;
};

const models: Array<[string, () => tfjs.LayersModel]> = [
  ['penalties on weights', regressor],
  ['fused penalties', fused],
  ['two outputs', twoOutputs],
  ['penalties on activations', activity],
];

const own: Array<[string, () => Callback[]]> = [
  ['decomposedLoss', () => [decomposedLoss()]],
  ['a breakdown', () => [decomposedLoss({ breakdown: 'weight' })]],
  ['gradientBalance', () => [gradientBalance({ every: 1 })]],
  [
    'all',
    () => [gradientBalance({ every: 2 }), earlyStopping({ monitor: 'loss' }), decomposedLoss({ breakdown: 'layer' })],
  ],
];

type Train = (model: tfjs.LayersModel, callbacks: Callback[]) => Promise<unknown>;

const x = () => data([6, 4]);
const y = (model: tfjs.LayersModel) => model.outputs.map((_, index) => tf.abs(data([6, 1], 2 + index)));
const args = { epochs: 3, batchSize: 4, verbose: 0 as const };

const trainings: Array<[string, Train]> = [
  ['fit', (model, callbacks) => model.fit(x(), y(model), { ...args, callbacks })],
  ['fit with validation', (model, callbacks) => model.fit(x(), y(model), { ...args, validationSplit: 0.5, callbacks })],
  [
    'fitDataset with validation',
    (model, callbacks) => {
      const dataset = batches([x(), y(model)], [x(), y(model)]);
      return model.fitDataset(dataset, { epochs: 3, verbose: 0, validationData: dataset, callbacks });
    },
  ],
];

/** How many tensors more there are at each epoch's begin and end than before the training. */
async function counts(model: tfjs.LayersModel, train: Train, callbacks: Callback[]): Promise<unknown> {
  const [first, last] = [new TensorCounter(), new TensorCounter()];
  const before = tf.memory().numTensors;
  await train(model, [first, ...callbacks, last]);
  return [first, last].map((counter) => counter.counts.map(([hook, count]) => [hook, count - before]));
}

describe.each(models)('a model with %s', (_, build) => {
  describe.each(trainings)('in %s', (_train, train) => {
    it.each(own)('has as many tensors at the begin and end of each epoch as without %s', async (_own, callbacks) => {
      expect(await counts(build(), train, callbacks())).toEqual(await counts(build(), train, []));
    });
  });
});

describe('the first fuseRegularizers in a program', () => {
  /** The numbers in the automatic names of the next layer, and of its weights where it is built by hand. */
  const nextNumbers = () => {
    const layer = tf.layers.dense({ units: 1, kernelInitializer: 'zeros' });
    layer.build([null, 1]);
    return [layer, ...layer.weights].map(({ name }) => Number(/\d*$/.exec(name)![0]));
  };

  it('takes no automatic name, no tensor and no random number', () => {
    const { fuseRegularizers: first } = secondCopy('tfjs-decomposed-loss/regularizers') as typeof Regularizers;
    const model = regressor();
    const numbers = nextNumbers();
    const { numTensors } = tf.memory();
    const random = jest.spyOn(Math, 'random');
    expect(first(model).fused).toHaveLength(3);
    expect(random).not.toHaveBeenCalled();
    expect(tf.memory().numTensors).toBe(numTensors);
    expect(nextNumbers()).toEqual(numbers.map((number) => number + 1));
    random.mockRestore();
  });
});

describe('data_loss and loss', () => {
  const unpenalized = () => {
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
    return fillWeights(model);
  };

  class AtBatchEnd extends tf.Callback {
    constructor(private readonly use: (logs: { [key: string]: tfjs.Scalar }) => void) {
      super();
    }

    override async onBatchEnd(_batch: number, logs: unknown): Promise<void> {
      this.use(logs as { [key: string]: tfjs.Scalar });
    }
  }

  it.each([
    ['loss', 'data_loss'],
    ['data_loss', 'loss'],
    ['regularization_loss', 'data_loss'],
  ])('are two tensors where there is no penalty: a callback may dispose %s and read %s', async (one, other) => {
    const read: number[] = [];
    const disposing = new AtBatchEnd((logs) => {
      logs[one]!.dispose();
      read.push(logs[other]!.dataSync()[0]!);
    });
    const callbacks = [decomposedLoss({ breakdown: 'weight' }), disposing];
    const model = unpenalized();
    const [inputs, targets] = [x(), y(model)];
    const before = tf.memory().numTensors;
    const { history } = await model.fit(inputs, targets, { ...args, callbacks });
    expect(read).toHaveLength(6);
    expect(read.every((value) => value > 0)).toBe(true);
    expect(tf.memory().numTensors).toBe(before);
    numbersOf({ history } as tfjs.History, 'data_loss').forEach((value, epoch) => {
      expect(value).toBeNear(history['loss']![epoch] as number);
    });
  });
});
