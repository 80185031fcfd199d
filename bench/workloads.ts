import * as tf from '@tensorflow/tfjs-node';

type Regularizer = ReturnType<typeof tf.regularizers.l2>;
type Dense = Parameters<typeof tf.layers.dense>[0];

/** A model to train, and an epoch's worth of data for it. */
export interface Workload {
  name: string;
  title: string;
  batchSize: number;
  /** The batches of an epoch: what is timed at once. */
  steps: number;
  /** An uncompiled model, with this regularizer on every kernel, or with none. */
  layers(regularizer?: Regularizer): tf.layers.Layer[];
  loss: 'categoricalCrossentropy' | 'meanSquaredError';
  /** Inputs and targets for that many samples. */
  data(samples: number): { x: tf.Tensor; y: tf.Tensor };
}

/** The coefficient of every penalty here. */
const L2 = 1e-4;

export const l2 = (): Regularizer => tf.regularizers.l2({ l2: L2 });

const classes = (samples: number): tf.Tensor =>
  tf.tidy(() => tf.oneHot(tf.randomUniform([samples], 0, 10, 'int32', 1), 10).toFloat());

const images = (...shape: number[]) => ({
  loss: 'categoricalCrossentropy' as const,
  data: (samples: number) => ({ x: tf.randomNormal([samples, ...shape], 0, 1, 'float32', 2), y: classes(samples) }),
});

const regression = (width: number) => ({
  loss: 'meanSquaredError' as const,
  data: (samples: number) => ({
    x: tf.randomNormal([samples, width], 0, 1, 'float32', 3),
    y: tf.randomNormal([samples, 1], 0, 1, 'float32', 4),
  }),
});

const mlp =
  (inputs: number, units: number) =>
  (kernelRegularizer?: Regularizer): tf.layers.Layer[] => [
    tf.layers.dense({ units, activation: 'relu', inputShape: [inputs], kernelRegularizer }),
    tf.layers.dense({ units, activation: 'relu', kernelRegularizer }),
    tf.layers.dense({ units: 10, activation: 'softmax', kernelRegularizer }),
  ];

const convNet =
  (...inputShape: number[]) =>
  (kernelRegularizer?: Regularizer): tf.layers.Layer[] => [
    tf.layers.conv2d({ filters: 16, kernelSize: 3, activation: 'relu', inputShape, kernelRegularizer }),
    tf.layers.maxPooling2d({ poolSize: 2 }),
    tf.layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu', kernelRegularizer }),
    tf.layers.maxPooling2d({ poolSize: 2 }),
    tf.layers.flatten(),
    tf.layers.dense({ units: 10, activation: 'softmax', kernelRegularizer }),
  ];

/** Dense layers of that width, followed by one unit. */
const chain =
  (width: number, depth: number) =>
  (kernelRegularizer?: Regularizer): tf.layers.Layer[] => [
    ...Array.from({ length: depth }, (_, i) => {
      const first: Partial<Dense> = i === 0 ? { inputShape: [width] } : {};
      return tf.layers.dense({ units: width, activation: 'relu', kernelRegularizer, ...first });
    }),
    tf.layers.dense({ units: 1, kernelRegularizer }),
  ];

export const workloads: Workload[] = [
  {
    name: 'mlp-32',
    title: 'MLP 784-1024-1024-10, batch 32',
    batchSize: 32,
    steps: 10,
    layers: mlp(784, 1024),
    ...images(784),
  },
  {
    name: 'mlp-256',
    title: 'MLP 784-1024-1024-10, batch 256',
    batchSize: 256,
    steps: 4,
    layers: mlp(784, 1024),
    ...images(784),
  },
  {
    name: 'conv-28',
    title: 'conv net on 28×28×1, batch 32',
    batchSize: 32,
    steps: 16,
    layers: convNet(28, 28, 1),
    ...images(28, 28, 1),
  },
  {
    name: 'conv-64',
    title: 'conv net on 64×64×3, batch 32',
    batchSize: 32,
    steps: 3,
    layers: convNet(64, 64, 3),
    ...images(64, 64, 3),
  },
  {
    name: 'narrow-100',
    title: '100 dense layers of 32, batch 32',
    batchSize: 32,
    steps: 4,
    layers: chain(32, 100),
    ...regression(32),
  },
  {
    name: 'embedding',
    title: 'embedding 50,000×128, dense head, batch 32',
    batchSize: 32,
    steps: 3,
    layers: (regularizer) => [
      tf.layers.embedding({
        inputDim: 50_000,
        outputDim: 128,
        inputLength: 16,
        ...(regularizer && { embeddingsRegularizer: regularizer }),
      }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 10, activation: 'softmax', kernelRegularizer: regularizer }),
    ],
    loss: 'categoricalCrossentropy',
    data: (samples) => ({ x: tf.randomUniform([samples, 16], 0, 50_000, 'int32', 5), y: classes(samples) }),
  },
  {
    name: 'tiny',
    title: 'dense layers of 16 and 1 (2 ms), batch 32',
    batchSize: 32,
    steps: 100,
    layers: chain(16, 1),
    ...regression(16),
  },
];

/** A smaller net for browsers, where the CPU does all the work. */
export const mlpOfBrowsers: Workload = {
  name: 'mlp-512',
  title: 'MLP 256-512-512-10, batch 32',
  batchSize: 32,
  steps: 10,
  layers: mlp(256, 512),
  ...images(256),
};

/** A compiled model of a workload. */
export function compiled(
  { layers, loss }: Pick<Workload, 'layers' | 'loss'>,
  regularizer?: Regularizer,
  metrics: Array<(yTrue: tf.Tensor, yPred: tf.Tensor) => tf.Tensor> = [],
): tf.Sequential {
  const model = tf.sequential({ layers: layers(regularizer) });
  model.compile({ loss, optimizer: tf.train.sgd(0.01), metrics });
  return model;
}
