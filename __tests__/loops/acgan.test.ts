import type * as tfjs from '@tensorflow/tfjs';
import { earlyStopping, trainStep, trainingLoop } from 'tfjs-decomposed-loss';
import { backend, tf } from '../helpers/backend';
import {
  batchNormalization,
  binaryCrossentropy,
  dense,
  mean,
  relu,
  rows,
  sigmoid,
  softmax,
  type Matrix,
} from '../helpers/float64-network';
import { expectParts, fillNormalized, itTrainsAsByHand, penaltyOf, term, weightsOf, type Loop } from '../helpers/loops';
import { data, fillWeights } from '../helpers/models';

/** A GAN with labels, as in tfjs-examples/mnist-acgan: the discriminator also says which class an image is of. */
const [PIXELS, LATENT, CLASSES, SAMPLES] = [6, 3, 4, 5];
const SOFT_ONE = 0.95;

const draw = (batch: number) => ({
  image: data([SAMPLES, PIXELS], batch + 1),
  label: tf.tidy(() => tf.cast(tf.tensor2d([0, 1, 2, 3, 1], [SAMPLES, 1]), 'float32')),
  latent: data([SAMPLES, LATENT], batch + 50),
  sampled: tf.tidy(() => tf.floor(tf.mul(tf.abs(data([SAMPLES, 1], batch + 90)), CLASSES))),
});

const { l1, l2 } = tf.regularizers;

function generatorOf() {
  const hidden = tf.layers.dense({
    units: 5,
    inputShape: [LATENT],
    activation: 'relu',
    kernelRegularizer: l2({ l2: 0.03 }),
  });
  const normalized = tf.layers.batchNormalization();
  const pixels = tf.layers.dense({ units: PIXELS, activation: 'tanh', kernelRegularizer: l1({ l1: 0.01 }) });
  const network = tf.sequential({ layers: [hidden, normalized, pixels] });
  const embedding = tf.layers.embedding({
    inputDim: CLASSES,
    outputDim: LATENT,
    embeddingsRegularizer: l2({ l2: 0.04 }),
  });
  const [latent, label] = [tf.input({ shape: [LATENT] }), tf.input({ shape: [1] })];
  const flat = tf.layers.flatten().apply(embedding.apply(label)) as tfjs.SymbolicTensor;
  const product = tf.layers.multiply().apply([latent, flat]);
  const model = tf.model({ inputs: [latent, label], outputs: network.apply(product) as tfjs.SymbolicTensor });
  return {
    model: fillNormalized(model, normalized),
    terms: [term(hidden, { l2: 0.03 }), term(pixels, { l1: 0.01 }), term(embedding, { l2: 0.04 })],
    byHand(z: Matrix, labels: Matrix, training: boolean): Matrix {
      const table = embedding.getWeights()[0]!.arraySync() as Matrix;
      const product = z.map((row, i) => row.map((value, j) => value * table[labels[i]![0]!]![j]!));
      return dense(batchNormalization(dense(product, hidden, relu), normalized, training), pixels, Math.tanh);
    },
  };
}

function discriminatorOf() {
  const hidden = tf.layers.dense({ units: 6, inputShape: [PIXELS], kernelRegularizer: l2({ l2: 0.02 }) });
  const dropout = tf.layers.dropout({ rate: 0.3, seed: 7 });
  const trunk = tf.sequential({ layers: [hidden, tf.layers.leakyReLU({ alpha: 0.2 }), dropout] });
  const score = tf.layers.dense({
    name: 'score',
    units: 1,
    activation: 'sigmoid',
    kernelRegularizer: l1({ l1: 0.02 }),
  });
  const aux = tf.layers.dense({ name: 'aux', units: CLASSES, activation: 'softmax' });
  const image = tf.input({ shape: [PIXELS] });
  const h = trunk.apply(image);
  const model = tf.model({ inputs: image, outputs: [score.apply(h), aux.apply(h)] as tfjs.SymbolicTensor[] });
  return {
    model: fillWeights(model),
    terms: [term(hidden, { l2: 0.02 }), term(score, { l1: 0.02 })],
    byHand(x: Matrix): { score: Matrix; aux: Matrix } {
      const ones = tf.ones([x.length, 6]);
      const kept = rows(() => dropout.apply(ones, { training: true }) as tfjs.Tensor);
      ones.dispose();
      const features = dense(x, hidden, (value) => (value > 0 ? value : 0.2 * value));
      const h = features.map((row, i) => row.map((value, j) => value * kept[i]![j]!));
      return { score: dense(h, score, sigmoid), aux: softmax(dense(h, aux)) };
    },
  };
}

/** The mean of `-log` of the probability that each label has. */
const categoricalCrossentropy = (labels: Matrix, probabilities: Matrix): number =>
  mean(labels.map(([label], i) => -Math.log(probabilities[i]![label!]!)));

function gan() {
  const loss = ['binaryCrossentropy', 'sparseCategoricalCrossentropy'];
  const [generator, discriminator] = [generatorOf(), discriminatorOf()];
  discriminator.model.compile({ optimizer: tf.train.adam(0.02, 0.5), loss });
  const inputs = [tf.input({ shape: [LATENT] }), tf.input({ shape: [1] })];
  discriminator.model.trainable = false;
  const fake = generator.model.apply(inputs) as tfjs.SymbolicTensor;
  const combined = tf.model({ inputs, outputs: discriminator.model.apply(fake) as tfjs.SymbolicTensor[] });
  combined.compile({ optimizer: tf.train.adam(0.02, 0.5), loss });
  return { generator, discriminator, combined };
}

type Gan = ReturnType<typeof gan>;
type Batch = [inputs: tfjs.Tensor[], targets: tfjs.Tensor[]];

/** Real images and fake ones with their labels; the discriminator is to tell them apart. */
const forDiscriminator = ({ generator }: Gan, batch: number): Batch =>
  tf.tidy((): Batch => {
    const { image, label, latent, sampled } = draw(batch);
    const fake = generator.model.predict([latent, sampled]) as tfjs.Tensor;
    const real = tf.concat([tf.fill([SAMPLES, 1], SOFT_ONE), tf.zeros([SAMPLES, 1])]);
    return [[tf.concat([image, fake])], [real, tf.concat([label, sampled])]];
  });

/** The generator is to make the discriminator take its images for real. */
const forGenerator = (batch: number): Batch =>
  tf.tidy((): Batch => {
    const { latent, sampled } = draw(batch);
    return [
      [latent, sampled],
      [tf.fill([SAMPLES, 1], SOFT_ONE), sampled.clone()],
    ];
  });

function partsByHand({ discriminator }: Gan, images: Matrix, [real, labels]: [Matrix, Matrix]) {
  const { score, aux } = discriminator.byHand(images);
  return [binaryCrossentropy(real, score), categoricalCrossentropy(labels, aux)] as const;
}

const matrices = (tensors: tfjs.Tensor[]): Matrix[] => tensors.map((tensor) => rows(tensor));

/** Both outputs of the combined model have the name of the discriminator, so the second is numbered. */
function partNames({ outputNames }: tfjs.LayersModel): [string, string] {
  const [first, second] = outputNames as [string, string];
  return [first, first === second ? `${second}_1` : second];
}

/** What a step of either network has in it, by hand, and the step. */
async function steps(networks: Gan, batch: number, name: 'd' | 'g'): Promise<number> {
  const { generator, discriminator, combined } = networks;
  const [inputs, targets] = name === 'd' ? forDiscriminator(networks, batch) : forGenerator(batch);
  const [first, labels] = matrices(inputs) as [Matrix, Matrix];
  const images = name === 'd' ? first : generator.byHand(first, labels, true);
  const [score, aux] = partsByHand(networks, images, matrices(targets) as [Matrix, Matrix]);
  const model = name === 'd' ? discriminator.model : combined;
  const [scoreName, auxName] = partNames(model);
  // The frozen discriminator's penalties are in the combined model's loss: TensorFlow.js adds them all the same.
  const terms = name === 'd' ? discriminator.terms : [...generator.terms, ...discriminator.terms];
  const parts = { [scoreName]: score, [auxName]: aux };
  const total = await expectParts({ parts, terms }, () => trainStep(model, inputs, targets));
  tf.dispose([inputs, targets]);
  return total;
}

function own(): Loop {
  const networks = gan();
  return {
    models: [networks.generator.model, networks.discriminator.model],
    steps: (['d', 'g'] as const).map((name) => async (batch) => [await steps(networks, batch, name)]),
  };
}

function host(): Loop {
  const networks = gan();
  const { generator, discriminator, combined } = networks;
  const train = async (model: tfjs.LayersModel, [inputs, targets]: Batch): Promise<number[]> => {
    const [total] = (await model.trainOnBatch(inputs, targets)) as number[];
    tf.dispose([inputs, targets]);
    return [total!];
  };
  return {
    models: [generator.model, discriminator.model],
    steps: [
      (batch) => train(discriminator.model, forDiscriminator(networks, batch)),
      (batch) => train(combined, forGenerator(batch)),
    ],
  };
}

/** The gradient of an embedding has no kernel on WebAssembly. */
const describeWhereItTrains = backend === 'wasm' ? describe.skip : describe;

describeWhereItTrains('a GAN with labels, trained by two compiled models that share a frozen discriminator', () => {
  itTrainsAsByHand(own, host);

  it('logs each network under its name, and has the weights of both back where it stops', async () => {
    const networks = gan();
    const { generator, discriminator, combined } = networks;
    const models = [generator.model, discriminator.model];
    const stop = earlyStopping({ monitor: 'g/loss', mode: 'max', patience: 1, restoreBestWeights: true });
    const after: number[][][] = [];
    const penalties: number[] = [];
    const { history, epoch } = await trainingLoop({ callbacks: stop, models }, async (loop) => {
      for (let batch = 0; batch < 50 && !loop.stopTraining; batch += 1) {
        const [real, fake] = [forDiscriminator(networks, batch), forGenerator(batch)];
        await loop.step(async () => {
          penalties.push(penaltyOf(discriminator.terms));
          const d = await trainStep(discriminator.model, ...real, { returnTensors: true });
          return { d, g: await trainStep(combined, ...fake, { returnTensors: true }) };
        }, SAMPLES);
        tf.dispose([real, fake]);
        after.push(weightsOf(models));
        await loop.endEpoch();
      }
    });
    expect(stop.stoppedEpoch).toBe(epoch.at(-1));
    expect(stop.bestEpoch).toBe(epoch.at(-1)! - 1);
    expect(weightsOf(models)).toEqual(after[stop.bestEpoch!]);
    const of = (key: string) => history[key] as number[];
    penalties.forEach((penalty, index) => expect(of('d/regularization_loss')[index]).toBeNear(penalty, 1e-5));
    const [score, aux] = partNames(combined);
    epoch.forEach((index) => {
      const parts = of(`g/data_loss/${score}`)[index]! + of(`g/data_loss/${aux}`)[index]!;
      expect(of('g/data_loss')[index]).toBeNear(parts, 1e-5);
    });
  });
});
