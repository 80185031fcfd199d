import type * as tfjs from '@tensorflow/tfjs';
import { minimize, trainingLoop, type DecomposedLoss } from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { dense, mean, rows, softmax, type Matrix } from '../helpers/float64-network';
import { expectParts, itTrainsAsByHand, numberOf, term, writtenOut, type Loop } from '../helpers/loops';
import { data, fillWeights, numbers } from '../helpers/models';

/** An actor learns from how much better its actions did than a critic thought: two networks, or one with two heads. */
const [FIELDS, ACTIONS, SAMPLES, GAMMA] = [4, 3, 5, 0.95];
const ENTROPY = -0.01;

const played = [0, 1, 2].map((place) => ({
  state: data([SAMPLES, FIELDS], place + 1),
  next: data([SAMPLES, FIELDS], place + 20),
  actions: Array.from({ length: SAMPLES }, (_, sample) => (2 * sample + place) % ACTIONS),
  rewards: numbers(SAMPLES, place + 40),
}));
const draw = (batch: number) => played[batch % played.length]!;

const { l1, l2, l1l2 } = tf.regularizers;
const variablesOf = (model: tfjs.LayersModel) => model.trainableWeights.map((weight) => weight.read() as tfjs.Variable);

/** The mean of minus the logarithm of what was done, by how well it went, and that of how undecided the actor is. */
function actorLoss(batch: number, logits: tfjs.Tensor, advantages: readonly number[]) {
  const logProbabilities = tf.logSoftmax(logits);
  const taken = tf.sum(tf.mul(logProbabilities, tf.oneHot(tf.tensor1d(draw(batch).actions, 'int32'), ACTIONS)), -1);
  return {
    policy: tf.neg(tf.mean<tfjs.Scalar>(tf.mul(taken, tf.tensor1d([...advantages])))),
    entropy: tf.neg(tf.mean<tfjs.Scalar>(tf.sum(tf.mul(tf.exp(logProbabilities), logProbabilities), -1))),
  };
}

function actorByHand(batch: number, logits: Matrix, advantages: readonly number[]) {
  const probabilities = softmax(logits);
  return {
    policy: -mean(draw(batch).actions.map((action, i) => Math.log(probabilities[i]![action]!) * advantages[i]!)),
    entropy: -mean(probabilities.map((row) => row.reduce((sum, p) => sum + p * Math.log(p), 0))),
  };
}

/** What each move was worth by its reward and by the critic's value of what came of it. */
const targetsOf = (batch: number, later: readonly number[]): number[] =>
  draw(batch).rewards.map((reward, i) => reward + GAMMA * later[i]!);

const minus = (a: readonly number[], b: readonly number[]): number[] => a.map((value, i) => value - b[i]!);
const squares = (values: readonly number[]): number => mean(values.map((value) => value * value));

describe('an actor and a critic, each with an optimizer', () => {
  function networks() {
    const hidden = tf.layers.dense({
      units: 5,
      inputShape: [FIELDS],
      activation: 'tanh',
      kernelRegularizer: l2({ l2: 0.03 }),
    });
    const logits = tf.layers.dense({ units: ACTIONS, biasRegularizer: l1({ l1: 0.05 }) });
    const actor = tf.sequential({ layers: [hidden, logits] });
    const inner = tf.layers.dense({ units: 4, inputShape: [FIELDS], activation: 'tanh' });
    const value = tf.layers.dense({ units: 1, kernelRegularizer: l1l2({ l1: 0.02, l2: 0.04 }) });
    const critic = tf.sequential({ layers: [inner, value] });
    [actor, critic].forEach((model) => {
      model.build();
      fillWeights(model);
    });
    const criticByHand = (x: Matrix) => dense(dense(x, inner, Math.tanh), value).flat();
    return {
      ...{ actor, critic },
      optimizers: { actor: tf.train.adam(0.02), critic: tf.train.adam(0.05) },
      terms: {
        actor: [term(hidden, { l2: 0.03 }), term(logits, { l1: 0.05 }, 1)],
        critic: [term(value, { l1: 0.02, l2: 0.04 })],
      },
      /** Numbers, read before the steps: neither loss differentiates them. */
      judged(batch: number) {
        const values = (x: tfjs.Tensor) =>
          tf.tidy(() => Array.from((critic.predict(x) as tfjs.Tensor).dataSync() as Float32Array));
        const { state, next } = draw(batch);
        const targets = targetsOf(batch, values(next));
        return { targets, advantages: minus(targets, values(state)) };
      },
      actorLoss: (batch: number, advantages: readonly number[]) => () =>
        actorLoss(batch, actor.apply(draw(batch).state, { training: true }) as tfjs.Tensor, advantages),
      criticLoss: (batch: number, targets: readonly number[]) => () => {
        const values = critic.apply(draw(batch).state, { training: true }) as tfjs.Tensor;
        return tf.losses.meanSquaredError<tfjs.Tensor, tfjs.Scalar>(tf.tensor2d([...targets], [SAMPLES, 1]), values);
      },
      byHand: (batch: number) => {
        const { state, next } = draw(batch);
        const x = rows(state);
        const targets = targetsOf(batch, criticByHand(rows(next)));
        const advantages = minus(targets, criticByHand(x));
        return {
          actor: actorByHand(batch, dense(dense(x, hidden, Math.tanh), logits), advantages),
          critic: { loss: squares(advantages) },
        };
      },
    };
  }

  function stepsOf({ actor, critic, optimizers, judged, actorLoss, criticLoss }: ReturnType<typeof networks>) {
    return {
      actor: (batch: number): Promise<DecomposedLoss> =>
        minimize(optimizers.actor, actorLoss(batch, judged(batch).advantages), {
          models: actor,
          variables: actor,
          weights: { entropy: ENTROPY },
        }),
      // All that is trainable is what a loss depends on: the critic.
      critic: (batch: number): Promise<DecomposedLoss> =>
        minimize(optimizers.critic, criticLoss(batch, judged(batch).targets), { models: critic }),
    };
  }

  function own(): Loop {
    const both = networks();
    const steps = stepsOf(both);
    const { terms, byHand } = both;
    return {
      models: [both.actor, both.critic],
      steps: [
        async (batch) => {
          const expected = { parts: byHand(batch).actor, weights: { entropy: ENTROPY }, terms: terms.actor };
          return [await expectParts(expected, () => steps.actor(batch))];
        },
        async (batch) => {
          const expected = { parts: byHand(batch).critic, terms: terms.critic };
          return [await expectParts(expected, () => steps.critic(batch))];
        },
      ],
    };
  }

  function host(): Loop {
    const { actor, critic, optimizers, terms, judged, actorLoss, criticLoss } = networks();
    return {
      models: [actor, critic],
      steps: [
        (batch) => {
          const { advantages } = judged(batch);
          const loss = () => {
            const { policy, entropy } = actorLoss(batch, advantages)();
            return tf.addN([policy, tf.mul<tfjs.Scalar>(entropy, ENTROPY), writtenOut(terms.actor)]);
          };
          return [numberOf(optimizers.actor.minimize(loss, true, variablesOf(actor))!)];
        },
        (batch) => {
          const { targets } = judged(batch);
          const loss = () => tf.add<tfjs.Scalar>(criticLoss(batch, targets)(), writtenOut(terms.critic));
          return [numberOf(optimizers.critic.minimize(loss, true)!)];
        },
      ],
    };
  }

  itTrainsAsByHand(own, host);

  it('logs both under their names', async () => {
    const both = networks();
    const steps = stepsOf(both);
    const made: DecomposedLoss[][] = [];
    const { history } = await trainingLoop({ models: [both.actor, both.critic] }, async (loop) => {
      for (let batch = 0; batch < 4; batch += 1) {
        await loop.step(async () => {
          const [actor, critic] = [await steps.actor(batch), await steps.critic(batch)];
          made.push([actor, critic]);
          return { actor, critic };
        });
      }
      await loop.endEpoch();
    });
    const means = (of: (losses: DecomposedLoss[]) => number) => mean(made.map(of));
    expect(history['actor/data_loss/entropy']![0]).toBeNear(means(([actor]) => actor!.parts['entropy']!));
    expect(history['actor/loss']![0]).toBeNear(means(([actor]) => actor!.total));
    expect(history['critic/regularization_loss']![0]).toBeNear(means(([, critic]) => critic!.regularization));
    expect(Object.keys(history)).not.toContain('critic/data_loss/loss');
  });
});

describe('a network with a head for the policy and one for the value, with one forward pass a step', () => {
  const WEIGHTS = { value: 0.5, entropy: ENTROPY };

  function network() {
    const input = tf.input({ shape: [FIELDS] });
    const trunk = tf.layers.dense({ units: 5, activation: 'tanh', kernelRegularizer: l2({ l2: 0.03 }) });
    const policy = tf.layers.dense({ units: ACTIONS, kernelRegularizer: l1({ l1: 0.02 }) });
    const value = tf.layers.dense({ units: 1, kernelRegularizer: l1l2({ l1: 0.01, l2: 0.05 }) });
    const h = trunk.apply(input);
    const model = tf.model({ inputs: input, outputs: [policy.apply(h), value.apply(h)] as tfjs.SymbolicTensor[] });
    const call = jest.spyOn(trunk, 'call');
    return {
      ...{ model: fillWeights(model), call },
      terms: [term(trunk, { l2: 0.03 }), term(policy, { l1: 0.02 }), term(value, { l1: 0.01, l2: 0.05 })],
      loss: (batch: number) => () => {
        const { state, rewards } = draw(batch);
        const [logits, values] = model.apply(state, { training: true }) as [tfjs.Tensor, tfjs.Tensor];
        const advantages = minus(rewards, Array.from(values.dataSync()));
        return {
          ...actorLoss(batch, logits, advantages),
          value: tf.losses.meanSquaredError<tfjs.Tensor, tfjs.Scalar>(tf.tensor2d(rewards, [SAMPLES, 1]), values),
        };
      },
      byHand(batch: number) {
        const { state, rewards } = draw(batch);
        const h = dense(rows(state), trunk, Math.tanh);
        const advantages = minus(rewards, dense(h, value).flat());
        return { ...actorByHand(batch, dense(h, policy), advantages), value: squares(advantages) };
      },
    };
  }

  function own(): Loop {
    const { model, terms, loss, byHand, call } = network();
    const optimizer = tf.train.rmsprop(0.01);
    return {
      models: [model],
      steps: [
        async (batch) => {
          const before = call.mock.calls.length;
          const total = await expectParts({ parts: byHand(batch), weights: WEIGHTS, terms }, () =>
            minimize(optimizer, loss(batch), {
              models: model,
              variables: model.getWeights(),
              weights: WEIGHTS,
            }),
          );
          expect(call.mock.calls.length - before).toBe(1);
          return [total];
        },
      ],
    };
  }

  function host(): Loop {
    const { model, terms, loss } = network();
    const optimizer = tf.train.rmsprop(0.01);
    return {
      models: [model],
      steps: [
        (batch) => {
          const weighted = () => {
            const { policy, entropy, value } = loss(batch)();
            const scaled = [tf.mul<tfjs.Scalar>(entropy, ENTROPY), tf.mul<tfjs.Scalar>(value, 0.5)];
            return tf.addN([policy, ...scaled, writtenOut(terms)]);
          };
          return [numberOf(optimizer.minimize(weighted, true, variablesOf(model))!)];
        },
      ],
    };
  }

  itTrainsAsByHand(own, host);
});
