import type * as tfjs from '@tensorflow/tfjs';
import { minimize, trainingLoop } from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { dense, mean, rows, type Matrix } from '../helpers/float64-network';
import { expectParts, itTrainsAsByHand, numberOf, penaltyOf, term, writtenOut, type Loop } from '../helpers/loops';
import { data, fillWeights } from '../helpers/models';

/** A Wasserstein GAN with a gradient penalty, whose loss has the gradient of the critic in it (Gulrajani et al., 2017). */
const [PIXELS, LATENT, SAMPLES] = [4, 2, 5];
/** How many steps the critic makes for one of the generator. */
const CRITIC_STEPS = 3;

const WEIGHTS = { real: -1, fake: 1, gradient: 10 };

const batches = Array.from({ length: 6 }, (_, batch) => ({
  real: data([SAMPLES, PIXELS], batch + 1),
  latent: data([SAMPLES, LATENT], batch + 30),
  /** Where between a real and a fake image the gradient is taken. */
  between: tf.tidy(() => tf.abs(data([SAMPLES, 1], batch + 60))),
}));
const draw = (batch: number) => batches[batch % batches.length]!;

function network(inputs: number, outputs: number, l2: number, l1: number) {
  const hidden = tf.layers.dense({
    units: 4,
    inputShape: [inputs],
    activation: 'tanh',
    kernelRegularizer: tf.regularizers.l2({ l2 }),
  });
  const out = tf.layers.dense({ units: outputs, kernelRegularizer: tf.regularizers.l1({ l1 }) });
  const model = tf.sequential({ layers: [hidden, out] });
  model.build();
  return {
    model: fillWeights(model),
    terms: [term(hidden, { l2 }), term(out, { l1 })],
    byHand: (x: Matrix): Matrix => dense(dense(x, hidden, Math.tanh), out),
    /** The derivative of the one output by each input. */
    gradientByHand(x: Matrix): Matrix {
      const [inner, outer] = [hidden, out].map((layer) => rows(layer.getWeights()[0]!)) as [Matrix, Matrix];
      const slopes = dense(x, hidden, Math.tanh).map((row) => row.map((h, k) => (1 - h * h) * outer[k]![0]!));
      return slopes.map((row) => inner.map((weights) => weights.reduce((sum, w, k) => sum + w * row[k]!, 0)));
    },
  };
}

function gan() {
  const [critic, generator] = [network(PIXELS, 1, 0.03, 0.02), network(LATENT, PIXELS, 0.05, 0.01)];
  const scores = (images: tfjs.Tensor) => critic.model.apply(images, { training: true }) as tfjs.Tensor;
  const score = (images: tfjs.Tensor) => tf.mean<tfjs.Scalar>(scores(images));
  const fakes = (batch: number) => generator.model.apply(draw(batch).latent, { training: true }) as tfjs.Tensor;
  const mixByHand = (batch: number) => {
    const { real, latent, between } = draw(batch);
    const [images, fake, share] = [rows(real), generator.byHand(rows(latent)), rows(between)];
    const mixed = images.map((row, i) => row.map((v, j) => share[i]![0]! * v + (1 - share[i]![0]!) * fake[i]![j]!));
    return { images, fake, mixed };
  };
  return {
    ...{ critic, generator },
    optimizers: { critic: tf.train.adam(0.02, 0.5), generator: tf.train.adam(0.01, 0.5) },
    criticLoss: (batch: number) => () => {
      const { real, between } = draw(batch);
      const fake = fakes(batch);
      const mixed = tf.add(tf.mul(between, real), tf.mul(tf.sub(1, between), fake));
      const slope = tf.grad((images) => tf.sum(scores(images)))(mixed);
      const length = tf.sqrt(tf.sum(tf.square(slope), 1));
      return {
        real: score(real),
        fake: score(fake),
        gradient: tf.mean<tfjs.Scalar>(tf.square(tf.sub(length, 1))),
      };
    },
    generatorLoss: (batch: number) => () => tf.neg(score(fakes(batch))),
    criticByHand(batch: number) {
      const { images, fake, mixed } = mixByHand(batch);
      const lengths = critic.gradientByHand(mixed).map((row) => Math.hypot(...row));
      const parts = {
        real: mean(critic.byHand(images).flat()),
        fake: mean(critic.byHand(fake).flat()),
        gradient: mean(lengths.map((length) => (length - 1) ** 2)),
      };
      return { parts, weights: WEIGHTS, terms: critic.terms };
    },
    generatorByHand: (batch: number) => ({
      parts: { loss: -mean(critic.byHand(generator.byHand(rows(draw(batch).latent))).flat()) },
      terms: generator.terms,
    }),
  };
}

function own(): Loop {
  const { critic, generator, optimizers, criticLoss, generatorLoss, criticByHand, generatorByHand } = gan();
  const args = (model: tfjs.LayersModel) => ({ models: model, variables: model });
  const criticStep = async (batch: number): Promise<number[]> => {
    const run = () => minimize(optimizers.critic, criticLoss(batch), { ...args(critic.model), weights: WEIGHTS });
    return [await expectParts(criticByHand(batch), run)];
  };
  const generatorStep = async (batch: number): Promise<number[]> => {
    const run = () => minimize(optimizers.generator, generatorLoss(batch), args(generator.model));
    return [await expectParts(generatorByHand(batch), run)];
  };
  return { models: [critic.model, generator.model], steps: inTurns(criticStep, generatorStep) };
}

function host(): Loop {
  const { critic, generator, optimizers, criticLoss, generatorLoss } = gan();
  const variablesOf = (model: tfjs.LayersModel) =>
    model.trainableWeights.map((weight) => weight.read() as tfjs.Variable);
  const criticStep = (batch: number): number[] => {
    const loss = (): tfjs.Scalar => {
      const { real, fake, gradient } = criticLoss(batch)();
      const data = [tf.mul<tfjs.Scalar>(real, -1), fake, tf.mul<tfjs.Scalar>(gradient, 10)];
      return tf.addN([...data, writtenOut(critic.terms)]);
    };
    return [numberOf(optimizers.critic.minimize(loss, true, variablesOf(critic.model))!)];
  };
  const generatorStep = (batch: number): number[] => {
    const loss = () => tf.add<tfjs.Scalar>(generatorLoss(batch)(), writtenOut(generator.terms));
    return [numberOf(optimizers.generator.minimize(loss, true, variablesOf(generator.model))!)];
  };
  return { models: [critic.model, generator.model], steps: inTurns(criticStep, generatorStep) };
}

/** Several steps of the critic on batches of their own, and one of the generator. */
const inTurns = (criticStep: Loop['steps'][number], generatorStep: Loop['steps'][number]): Loop['steps'] => [
  ...Array.from({ length: CRITIC_STEPS }, (_, turn): Loop['steps'][number] => {
    return (batch) => criticStep(CRITIC_STEPS * batch + turn);
  }),
  generatorStep,
];

describe('a Wasserstein GAN with a gradient penalty', () => {
  itTrainsAsByHand(own, host);

  it('averages each network over the batches in which it makes a step', async () => {
    const { critic, generator, optimizers, criticLoss, generatorLoss } = gan();
    const critics: number[] = [];
    const generators: number[] = [];
    const { history } = await trainingLoop({ models: [critic.model, generator.model] }, async (loop) => {
      for (let batch = 0; batch < 6; batch += 1) {
        await loop.step(() => {
          critics.push(penaltyOf(critic.terms));
          const common = { returnTensors: true } as const;
          const c = minimize(optimizers.critic, criticLoss(batch), {
            ...{ ...common, models: critic.model, variables: critic.model, weights: WEIGHTS },
          });
          if (batch % CRITIC_STEPS !== CRITIC_STEPS - 1) return { c };
          generators.push(penaltyOf(generator.terms));
          const args = { ...common, models: generator.model, variables: generator.model };
          return { c, g: minimize(optimizers.generator, generatorLoss(batch), args) };
        }, SAMPLES);
      }
      await loop.endEpoch();
    });
    expect([critics.length, generators.length]).toEqual([6, 2]);
    expect(history['c/regularization_loss']![0]).toBeNear(mean(critics), 1e-5);
    expect(history['g/regularization_loss']![0]).toBeNear(mean(generators), 1e-5);
    const [data, real, fake, gradient] = ['', '/real', '/fake', '/gradient'].map(
      (part) => history[`c/data_loss${part}`]![0] as number,
    );
    expect(data).toBeNear(fake! - real! + 10 * gradient!, 1e-5);
  });
});
