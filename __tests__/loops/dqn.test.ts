import type * as tfjs from '@tensorflow/tfjs';
import { variableGrads } from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { batchNormalization, dense, mean, relu, rows, type Matrix } from '../helpers/float64-network';
import {
  applyGradients,
  expectParts,
  fillNormalized,
  itTrainsAsByHand,
  numberOf,
  term,
  writtenOut,
  type Loop,
} from '../helpers/loops';
import { data, numbers } from '../helpers/models';

/** Deep Q-learning from a replay memory with a target network, as in tfjs-examples/snake-dqn. */
const [FIELDS, ACTIONS, SAMPLES, GAMMA] = [5, 3, 4, 0.9];
/** After how many batches the target network gets the weights of the online one. */
const SYNC = 3;

/** What is drawn from the replay memory: the same for each batch number. */
const memory = [0, 1, 2, 3].map((place) => ({
  state: data([SAMPLES, FIELDS], place + 1),
  next: data([SAMPLES, FIELDS], place + 20),
  actions: Array.from({ length: SAMPLES }, (_, sample) => (sample + place) % ACTIONS),
  rewards: numbers(SAMPLES, place + 40),
  done: Array.from({ length: SAMPLES }, (_, sample) => (sample === place ? 1 : 0)),
}));
const draw = (batch: number) => memory[batch % memory.length]!;

function network() {
  const { l2, l1l2 } = tf.regularizers;
  const hidden = tf.layers.dense({
    units: 6,
    inputShape: [FIELDS],
    activation: 'relu',
    kernelRegularizer: l2({ l2: 0.02 }),
  });
  const normalized = tf.layers.batchNormalization();
  const out = tf.layers.dense({ units: ACTIONS, kernelRegularizer: l1l2({ l1: 0.01, l2: 0.03 }) });
  const model = tf.sequential({ layers: [hidden, normalized, out] });
  return {
    model: fillNormalized(model, normalized),
    terms: [term(hidden, { l2: 0.02 }), term(out, { l1: 0.01, l2: 0.03 })],
    byHand: (x: Matrix, training: boolean): Matrix =>
      dense(batchNormalization(dense(x, hidden, relu), normalized, training), out),
  };
}

function agent() {
  const [online, target] = [network(), network()];
  target.model.trainable = false;
  return {
    ...{ online, target },
    optimizer: tf.train.adam(0.02),
    loss: (batch: number) => () =>
      tf.tidy(() => {
        const { state, next, actions, rewards, done } = draw(batch);
        const values = online.model.apply(state, { training: true }) as tfjs.Tensor;
        const taken = tf.sum(tf.mul(values, tf.oneHot(tf.tensor1d(actions, 'int32'), ACTIONS)), -1);
        const best = tf.max(target.model.predict(next) as tfjs.Tensor, -1);
        const later = tf.mul(tf.mul(best, tf.sub(1, tf.tensor1d(done))), GAMMA);
        return tf.losses.meanSquaredError<tfjs.Tensor, tfjs.Scalar>(tf.add(tf.tensor1d(rewards), later), taken);
      }),
    byHand(batch: number) {
      const { state, next, actions, rewards, done } = draw(batch);
      const values = online.byHand(rows(state), true);
      const best = target.byHand(rows(next), false).map((row) => Math.max(...row));
      const errors = actions.map((action, i) => rewards[i]! + GAMMA * best[i]! * (1 - done[i]!) - values[i]![action]!);
      return { parts: { loss: mean(errors.map((error) => error * error)) }, terms: online.terms };
    },
    /** Layer by layer: the order of a model's weights is another one where it is frozen. */
    synchronize(batch: number): void {
      if (batch % SYNC !== SYNC - 1) return;
      target.model.layers.forEach((layer, place) => layer.setWeights(online.model.layers[place]!.getWeights()));
    },
  };
}

function own(): Loop {
  const { online, target, optimizer, loss, byHand, synchronize } = agent();
  const step = async (batch: number): Promise<number> => {
    const total = await expectParts(byHand(batch), () => {
      const made = variableGrads(loss(batch), { models: online.model, variables: online.model });
      applyGradients(optimizer, made.grads);
      return made.loss.read();
    });
    synchronize(batch);
    return total;
  };
  return { models: [online.model, target.model], steps: [async (batch) => [await step(batch)]] };
}

function host(): Loop {
  const { online, target, optimizer, loss, synchronize } = agent();
  const variables = online.model.trainableWeights.map((weight) => weight.read() as tfjs.Variable);
  const step = (batch: number): number => {
    const penalized = () => tf.add<tfjs.Scalar>(loss(batch)(), writtenOut(online.terms));
    const { value, grads } = tf.variableGrads(penalized, variables);
    applyGradients(optimizer, grads);
    synchronize(batch);
    return numberOf(value);
  };
  return { models: [online.model, target.model], steps: [(batch) => [step(batch)]] };
}

describe('deep Q-learning with a target network', () => {
  itTrainsAsByHand(own, host);

  it('leaves the target network alone until its weights are copied', async () => {
    const { models, steps } = own();
    const [online, target] = models as [tfjs.LayersModel, tfjs.LayersModel];
    const weightsOf = (model: tfjs.LayersModel) =>
      model.layers.flatMap((layer) => layer.getWeights().map((weight) => Array.from(weight.dataSync())));
    const before = weightsOf(target);
    for (let batch = 0; batch < SYNC; batch += 1) {
      expect(weightsOf(target)).toEqual(before);
      await steps[0]!(batch);
    }
    expect(weightsOf(target)).not.toEqual(before);
    expect(weightsOf(target)).toEqual(weightsOf(online));
  });
});
