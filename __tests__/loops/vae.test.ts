import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, evaluateLoss, minimize, trainingLoop } from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { dense, mean, meanSquaredError, relu, rows, sigmoid } from '../helpers/float64-network';
import { expectParts, itTrainsAsByHand, numberOf, penaltyOf, term, writtenOut, type Loop } from '../helpers/loops';
import { data, fillWeights } from '../helpers/models';

/** A variational autoencoder of dense layers, as in tfjs-examples/fashion-mnist-vae. */
const [PIXELS, LATENT, SAMPLES] = [6, 2, 4];
const images = [1, 2, 3].map((seed) => tf.tidy(() => tf.abs(data([SAMPLES, PIXELS], seed))));
const imagesOf = (batch: number): tfjs.Tensor => images[batch % images.length]!;

/** The weight of the divergence, which grows from 0 to 1. */
const annealed = (batch: number): number => Math.min(1, batch / 4);

const noise = (seed: number): tfjs.Tensor => tf.randomNormal([SAMPLES, LATENT], 0, 1, 'float32', seed);

/** Draws from the normal distributions that the encoder describes. */
class Sampling extends tf.layers.Layer {
  static readonly className = 'Sampling';
  seed = 1;

  override computeOutputShape([shape]: tfjs.Shape[]): tfjs.Shape {
    return shape!;
  }

  override call([means, logVariances]: [tfjs.Tensor, tfjs.Tensor]): tfjs.Tensor {
    return tf.tidy(() => tf.add(means, tf.mul(tf.exp(tf.mul(logVariances, 0.5)), noise(this.seed))));
  }
}

function autoencoder() {
  const { l1, l2, l1l2 } = tf.regularizers;
  const hidden = tf.layers.dense({ units: 5, activation: 'relu', kernelRegularizer: l2({ l2: 0.02 }) });
  const zMean = tf.layers.dense({ units: LATENT, kernelRegularizer: l1({ l1: 0.03 }) });
  const zLogVariance = tf.layers.dense({ units: LATENT });
  const sampling = new Sampling();
  const image = tf.input({ shape: [PIXELS] });
  const h = hidden.apply(image);
  const [means, logVariances] = [zMean.apply(h), zLogVariance.apply(h)] as tfjs.SymbolicTensor[];
  const z = sampling.apply([means!, logVariances!]) as tfjs.SymbolicTensor;
  const encoder = tf.model({ inputs: image, outputs: [means!, logVariances!, z] });

  const expanded = tf.layers.dense({ units: 5, activation: 'relu', biasRegularizer: l1({ l1: 0.01 }) });
  const pixels = tf.layers.dense({
    units: PIXELS,
    activation: 'sigmoid',
    kernelRegularizer: l1l2({ l1: 0.01, l2: 0.05 }),
  });
  const latent = tf.input({ shape: [LATENT] });
  const decoder = tf.model({ inputs: latent, outputs: pixels.apply(expanded.apply(latent)) as tfjs.SymbolicTensor });

  const encoded = encoder.apply(image) as tfjs.SymbolicTensor[];
  const decoded = decoder.apply(encoded[2]!) as tfjs.SymbolicTensor;
  const vae = fillWeights(tf.model({ inputs: image, outputs: [decoded, ...encoded] }));

  const terms = [
    term(hidden, { l2: 0.02 }),
    term(zMean, { l1: 0.03 }),
    term(expanded, { l1: 0.01 }, 1),
    term(pixels, { l1: 0.01, l2: 0.05 }),
  ];
  return {
    ...{ encoder, decoder, vae, terms },
    losses(batch: number) {
      sampling.seed = batch + 1;
      const [output, mu, logVariance] = vae.apply(imagesOf(batch), { training: true }) as [
        tfjs.Tensor,
        tfjs.Tensor,
        tfjs.Tensor,
      ];
      const divergence = tf.sub(tf.sub(tf.add(logVariance, 1), tf.square(mu)), tf.exp(logVariance));
      return {
        reconstruction: tf.mul<tfjs.Scalar>(tf.losses.meanSquaredError(imagesOf(batch), output), PIXELS),
        kl: tf.mean<tfjs.Scalar>(tf.mul(tf.sum(divergence, -1), -0.5)),
      };
    },
    byHand(batch: number) {
      const x = rows(imagesOf(batch));
      const inner = dense(x, hidden, relu);
      const [mu, logVariance] = [dense(inner, zMean), dense(inner, zLogVariance)];
      const epsilon = rows(() => noise(batch + 1));
      const sampled = mu.map((row, i) => row.map((m, j) => m + Math.exp(logVariance[i]![j]! / 2) * epsilon[i]![j]!));
      const output = dense(dense(sampled, expanded, relu), pixels, sigmoid);
      const divergences = mu.map((row, i) =>
        row.reduce((sum, m, j) => sum - 0.5 * (1 + logVariance[i]![j]! - m * m - Math.exp(logVariance[i]![j]!)), 0),
      );
      const parts = { reconstruction: PIXELS * meanSquaredError(x, output), kl: mean(divergences) };
      return { parts, weights: { kl: annealed(batch) }, terms };
    },
  };
}

function own(): Loop {
  const { vae, encoder, decoder, losses, byHand } = autoencoder();
  const optimizer = tf.train.adam(0.02);
  const step = (batch: number) =>
    expectParts(byHand(batch), () =>
      minimize(optimizer, () => losses(batch), {
        models: [encoder, decoder, vae],
        variables: vae,
        weights: { kl: () => annealed(batch) },
      }),
    );
  return { models: [vae], steps: [async (batch) => [await step(batch)]] };
}

function host(): Loop {
  const { vae, losses, terms } = autoencoder();
  const optimizer = tf.train.adam(0.02);
  const variables = vae.trainableWeights.map((weight) => weight.read() as tfjs.Variable);
  const loss = (batch: number) => (): tfjs.Scalar => {
    const { reconstruction, kl } = losses(batch);
    return tf.addN([reconstruction, tf.mul<tfjs.Scalar>(kl, annealed(batch)), writtenOut(terms)]);
  };
  return {
    models: [vae],
    steps: [(batch) => [numberOf(optimizer.minimize(loss(batch), true, variables)!)]],
  };
}

describe('a variational autoencoder with an annealed divergence', () => {
  itTrainsAsByHand(own, host);

  it('logs the weighted sum as data loss and the parts without weights, and validates without a step', async () => {
    const { vae, losses, byHand, terms } = autoencoder();
    const optimizer = tf.train.adam(0.02);
    const validated: number[] = [];
    const { history } = await trainingLoop({ callbacks: decomposedLoss(), models: vae }, async (loop) => {
      for (let epoch = 0; epoch < 3; epoch += 1) {
        const weights = { kl: annealed(epoch) };
        const args = { models: vae, weights };
        for (const batch of [0, 1]) {
          const loss = () => losses(batch);
          await loop.step(() => minimize(optimizer, loss, { ...args, variables: vae, returnTensors: true }), SAMPLES);
        }
        await loop.validate(() => evaluateLoss(() => losses(2), { ...args, returnTensors: true }), SAMPLES);
        const { reconstruction, kl } = byHand(2).parts;
        validated.push(reconstruction + weights.kl * kl, kl, penaltyOf(terms));
        await loop.endEpoch({ beta: weights.kl });
      }
    });
    expect(history['beta']).toEqual([0, 0.25, 0.5]);
    const of = (key: string) => history[key] as number[];
    [0, 1, 2].forEach((epoch) => {
      const [data, kl, regularization] = validated.slice(3 * epoch);
      expect(of('val_data_loss')[epoch]).toBeNear(data!, 1e-5);
      expect(of('val_data_loss/kl')[epoch]).toBeNear(kl!, 1e-5);
      expect(of('val_regularization_loss')[epoch]).toBeNear(regularization!, 1e-5);
      const weighted = of('data_loss/reconstruction')[epoch]! + annealed(epoch) * of('data_loss/kl')[epoch]!;
      expect(of('data_loss')[epoch]).toBeNear(weighted, 1e-5);
    });
  });
});
