import type * as tfjs from '@tensorflow/tfjs';
import { variableGrads, type DecomposedLoss } from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { dense, mean, sigmoid } from '../helpers/float64-network';
import {
  applyGradients,
  expectParts,
  itTrainsAsByHand,
  numberOf,
  term,
  weightsOf,
  writtenOut,
  type Loop,
} from '../helpers/loops';
import { data, fillWeights, numbers } from '../helpers/models';

/**
 * The policy gradient of tfjs-examples/cart-pole: the gradients of each move are kept until some games are over, scaled by the
 * discounted rewards, averaged, and applied.
 */
const [GAMES, MOVES, DISCOUNT] = [2, 5, 0.9];

/** A cart with a pole on it, which falls from some position: Barto, Sutton and Anderson (1983). */
class CartPole {
  constructor(private state: [x: number, speed: number, angle: number, turn: number]) {}

  get position(): number[] {
    return [...this.state];
  }

  /** Pushes the cart to a side; whether the pole has fallen then. */
  push(isLeft: boolean): boolean {
    const [x, speed, angle, turn] = this.state;
    const [massOfAll, massOfPole, half, step] = [1.1, 0.1, 0.5, 0.02];
    const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
    const push = ((isLeft ? -10 : 10) + massOfPole * half * turn ** 2 * sine) / massOfAll;
    const bend = (9.8 * sine - cosine * push) / (half * (4 / 3 - (massOfPole * cosine ** 2) / massOfAll));
    const pull = push - (massOfPole * half * bend * cosine) / massOfAll;
    this.state = [x + step * speed, speed + step * pull, angle + step * turn, turn + step * bend];
    return Math.abs(this.state[2]) > 0.2;
  }
}

/** Not built: the first loss does that. */
function policyOf() {
  const hidden = tf.layers.dense({
    units: 4,
    inputShape: [4],
    activation: 'elu',
    kernelRegularizer: tf.regularizers.l2({ l2: 0.05 }),
  });
  const out = tf.layers.dense({ units: 1, kernelRegularizer: tf.regularizers.l1({ l1: 0.02 }) });
  const model = tf.sequential({ layers: [hidden, out] });
  [hidden, out].forEach((layer, place) =>
    layer.setWeights(layer.getWeights().map((weight, index) => data(weight.shape, 2 * place + index + 3))),
  );
  return {
    model,
    layers: [hidden, out],
    variables: [hidden, out].flatMap((layer) => layer.weights.map((weight) => weight.read() as tfjs.Variable)),
    terms: [term(hidden, { l2: 0.05 }), term(out, { l1: 0.02 })],
    /** The logit of a push to the left. */
    byHand(position: number[]): number {
      const elu = (value: number) => (value > 0 ? value : Math.exp(value) - 1);
      return dense(dense([position], hidden, elu), out)[0]![0]!;
    },
  };
}

type Policy = ReturnType<typeof policyOf>;

/** The loss of a move makes the chosen action more likely; which it is, is drawn within the loss. */
function moveOf({ model, byHand }: Policy, position: number[], luck: number) {
  const probability = sigmoid(byHand(position));
  const isLeft = luck < probability;
  return {
    isLeft,
    byHand: -Math.log(isLeft ? probability : 1 - probability),
    loss: () =>
      tf.tidy(() => {
        const logits = model.predict(tf.tensor2d([position])) as tfjs.Tensor;
        const chosen = tf.tensor2d([[luck < tf.sigmoid(logits).dataSync()[0]! ? 1 : 0]]);
        return tf.losses.sigmoidCrossEntropy<tfjs.Tensor, tfjs.Scalar>(chosen, logits);
      }),
  };
}

type Gradients = tfjs.NamedTensorMap;

/** Plays some games; `gradientsOf` gives the gradients of each move, kept. */
async function play<T>(
  policy: Policy,
  batch: number,
  gradientsOf: (move: ReturnType<typeof moveOf>) => Promise<T>,
): Promise<Array<Array<{ gradients: T; reward: number }>>> {
  const games: Array<Array<{ gradients: T; reward: number }>> = [];
  for (let game = 0; game < GAMES; game += 1) {
    const [luck, start] = [numbers(MOVES, batch * GAMES + game), numbers(4, batch * GAMES + game + 70)];
    const system = new CartPole([start[0]!, start[1]! / 2, start[2]! / 10, start[3]! / 2]);
    const moves: Array<{ gradients: T; reward: number }> = [];
    for (let isDone = false; moves.length < MOVES && !isDone;) {
      const move = moveOf(policy, system.position, (luck[moves.length]! + 1) / 2);
      const gradients = await gradientsOf(move);
      isDone = system.push(move.isLeft);
      moves.push({ gradients, reward: isDone ? 0 : 1 });
    }
    games.push(moves);
  }
  return games;
}

/** By how much each move counts: its discounted rewards, with mean 0 and variance 1 over all games. */
function factorsOf(games: Array<Array<{ reward: number }>>): number[] {
  const all = games.flatMap((moves) => {
    const discounted: number[] = [];
    let later = 0;
    for (const { reward } of [...moves].reverse()) discounted.unshift((later = reward + DISCOUNT * later));
    return discounted;
  });
  const middle = mean(all);
  const deviation = Math.sqrt(mean(all.map((value) => (value - middle) ** 2)));
  return all.map((value) => (value - middle) / deviation);
}

/** The mean over all moves of gradients times factors; disposes the gradients. */
function averaged(
  all: Gradients[],
  factors: number[],
  edit: (gradient: tfjs.Tensor, name: string) => tfjs.Tensor,
): Gradients {
  const means = tf.tidy(() =>
    Object.fromEntries(
      Object.keys(all[0]!).map((name) => {
        const scaled = all.map((gradients, index) => tf.mul(gradients[name]!, factors[index]!));
        return [name, edit(tf.mean(tf.stack(scaled), 0), name)];
      }),
    ),
  );
  tf.dispose(all);
  return means;
}

/** What somebody does who clips. */
const clipped = (gradient: tfjs.Tensor): tfjs.Tensor => tf.clipByValue(gradient, -0.2, 0.2);

function own(): Loop {
  const policy = policyOf();
  const optimizer = tf.train.adam(0.05);
  const step = async (batch: number): Promise<number[]> => {
    const totals: number[] = [];
    const games = await play(policy, batch, async ({ loss, byHand }) => {
      let gradients: Gradients = {};
      const parts = { parts: { loss: byHand }, terms: policy.terms };
      const total = await expectParts(parts, () => {
        let reading: Promise<DecomposedLoss> | undefined;
        gradients = tf.tidy(() => {
          const made = variableGrads(loss, { models: policy.model, variables: policy.variables });
          reading = made.loss.read();
          return made.grads;
        });
        return reading!;
      });
      totals.push(total);
      return gradients;
    });
    const all = games.flat().map(({ gradients }) => gradients);
    applyGradients(optimizer, averaged(all, factorsOf(games), clipped));
    return totals;
  };
  return { models: [policy.model], steps: [step] };
}

function host(): Loop {
  const policy = policyOf();
  const optimizer = tf.train.adam(0.05);
  const step = async (batch: number): Promise<number[]> => {
    const totals: number[] = [];
    const games = await play(policy, batch, async ({ loss }) => {
      const made = tf.tidy(() =>
        tf.variableGrads(() => tf.add<tfjs.Scalar>(loss(), writtenOut(policy.terms)), policy.variables),
      );
      totals.push(numberOf(made.value));
      return made.grads;
    });
    const all = games.flat().map(({ gradients }) => gradients);
    applyGradients(optimizer, averaged(all, factorsOf(games), clipped));
    return totals;
  };
  return { models: [policy.model], steps: [step] };
}

describe('a policy gradient over several games, of a Sequential that the first loss builds', () => {
  itTrainsAsByHand(own, host);

  it('can scale the gradients of the data by rewards and leave those of the penalty alone', async () => {
    const [policy, other] = [policyOf(), policyOf()];
    [policy, other].forEach(({ model }) => fillWeights(model));
    const [first, second] = [tf.train.sgd(0.1), tf.train.sgd(0.1)];
    for (let batch = 0; batch < 3; batch += 1) {
      const kept: Gradients[] = [];
      const games = await play(policy, batch, async ({ loss }) => {
        const args = { models: policy.model, variables: policy.variables, apart: true };
        const { data, penalty } = tf.tidy(() => {
          const { data, penalty } = variableGrads(loss, args);
          return { data: data!, penalty: penalty! };
        });
        kept.push(penalty);
        return data;
      });
      const all = games.flat().map(({ gradients }) => gradients);
      const penalty = kept.at(-1)!;
      applyGradients(
        first,
        averaged(all, factorsOf(games), (gradient, name) =>
          penalty[name] ? tf.add(gradient, penalty[name]) : gradient,
        ),
      );
      tf.dispose(kept);

      const ofHost = await play(other, batch, async ({ loss }) => {
        const { value, grads } = tf.variableGrads(loss, other.variables);
        value.dispose();
        return grads;
      });
      const [hidden, out] = other.layers.map((layer) => layer.weights[0]!.name);
      applyGradients(
        second,
        averaged(
          ofHost.flat().map(({ gradients }) => gradients),
          factorsOf(ofHost),
          (gradient, name) => {
            if (name === hidden) return tf.add(gradient, tf.mul(2 * 0.05, other.layers[0]!.weights[0]!.read()));
            return name === out
              ? tf.add(gradient, tf.mul(0.02, tf.sign(other.layers[1]!.weights[0]!.read())))
              : gradient;
          },
        ),
      );
      weightsOf([policy.model]).forEach((weight, index) =>
        weight.forEach((value, place) => expect(value).toBeNear(weightsOf([other.model])[index]![place]!)),
      );
    }
  });
});
