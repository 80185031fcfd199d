/**
 * Deep Q-learning on a cart that balances a pole: an online and a target network, clipped gradients, and the same logs as with
 * `fit`.
 */
import type { History, LayersModel, Optimizer, Scalar, Tensor, Tensor2D } from '@tensorflow/tfjs';
import { earlyStopping, trainingLoop, variableGrads, type LossParts } from 'tfjs-decomposed-loss';
import { tf } from '../backend.js';
import { numberArgument, runIfMain } from '../run.js';
import { hasFallen, push, randomNumbers, start, type State } from './cart-pole.js';

const CARTS = 8;
const BATCH = 64;
const MEMORY = 20_000;
const DISCOUNT = 0.99;
const LONGEST = 300;
const LARGEST_NORM = 1;
const STEPS_PER_COPY = 100;

interface Transition {
  state: State;
  action: number;
  next: State;
  /** Whether the pole fell, so that no reward comes after it. */
  fell: boolean;
}

/** Predicts the future reward of each action. */
function qNetwork(): LayersModel {
  const dense = (units: number, seed: number) => ({
    units,
    kernelInitializer: tf.initializers.glorotUniform({ seed }),
    kernelRegularizer: tf.regularizers.l2({ l2: 1e-4 }),
  });
  return tf.sequential({
    layers: [
      tf.layers.dense({ ...dense(64, 1), activation: 'relu', inputShape: [4] }),
      tf.layers.dense({ ...dense(64, 2), activation: 'relu' }),
      tf.layers.dense(dense(2, 3)),
    ],
  });
}

/** The better action in each state. */
function bestActions(network: LayersModel, states: State[]): number[] {
  return tf.tidy(() =>
    Array.from((network.predict(tf.tensor2d(states.map((state) => [...state]))) as Tensor).argMax(1).dataSync()),
  );
}

/** The return: for how many pushes the network balances a pole, as a mean over several poles. */
function returnOf(network: LayersModel, seed: number, poles = 20): number {
  const random = randomNumbers(seed);
  let standing = Array.from({ length: poles }, () => start(random));
  let pushes = 0;
  for (let step = 0; step < LONGEST && standing.length > 0; step += 1) {
    pushes += standing.length;
    const actions = bestActions(network, standing);
    standing = standing.map((state, i) => push(state, actions[i]!)).filter((state) => !hasFallen(state));
  }
  return pushes / poles;
}

const line = (epoch: number, logs: Record<string, number>): string => {
  const [loss, data, penalty] = ['loss', 'data_loss', 'regularization_loss'].map((key) => logs[key]!.toFixed(3));
  return `Epoch ${epoch + 1}   loss ${loss} = data ${data} + regularization ${penalty}   return ${logs['return']!.toFixed(0)}`;
};

/** The Huber loss of the online network, against one push and what the target network says about the state after it. */
function lossOf(online: LayersModel, target: LayersModel, batch: Transition[]): Scalar {
  const column = (of: (one: Transition) => number): Tensor => tf.tensor1d(batch.map(of));
  const predicted = (network: LayersModel, of: (one: Transition) => State): Tensor =>
    network.apply(tf.tensor2d(batch.map((one) => [...of(one)]))) as Tensor2D;
  const goes = column(({ fell }) => (fell ? 0 : 1));
  const next = predicted(target, ({ next }) => next).max(1);
  const taken = tf.oneHot(column(({ action }) => action).toInt(), 2);
  const value = predicted(online, ({ state }) => state)
    .mul(taken)
    .sum(1);
  return tf.losses.huberLoss<Tensor, Scalar>(goes.mul(next).mul(DISCOUNT).add(1), value);
}

/** One step along the gradients, shortened if they are longer than `LARGEST_NORM`. */
function clippedStep(optimizer: Optimizer, loss: () => Scalar, online: LayersModel): LossParts {
  const { loss: parts, grads } = variableGrads(loss, { models: online, variables: online });
  tf.tidy(() => {
    const norm = tf.addN(Object.values(grads).map((gradient) => gradient.square().sum())).sqrt();
    const factor = tf.minimum(1, tf.div(LARGEST_NORM, norm));
    const clipped = Object.entries(grads).map(([name, gradient]) => ({ name, tensor: gradient.mul(factor) }));
    optimizer.applyGradients(clipped);
  });
  tf.dispose(grads);
  return parts;
}

/** Carts that are pushed all the time, and what happened to them recently. */
class Practice {
  readonly #random = randomNumbers(5);
  readonly #carts = Array.from({ length: CARTS }, () => ({ state: start(this.#random), pushes: 0 }));
  readonly #memory: Transition[] = [];

  /** Pushes each cart once: at random with the probability `exploration`, otherwise as the network says. */
  push(network: LayersModel, exploration: number): void {
    const best = bestActions(
      network,
      this.#carts.map(({ state }) => state),
    );
    this.#carts.forEach((cart, i) => {
      const action = this.#random() < exploration ? Math.floor(2 * this.#random()) : best[i]!;
      const next = push(cart.state, action);
      const fell = hasFallen(next);
      this.#memory.push({ state: cart.state, action, next, fell });
      const isOver = fell || cart.pushes + 1 === LONGEST;
      this.#carts[i] = isOver ? { state: start(this.#random), pushes: 0 } : { state: next, pushes: cart.pushes + 1 };
    });
    if (this.#memory.length > MEMORY) this.#memory.splice(0, CARTS);
  }

  batch(): Transition[] {
    return Array.from({ length: BATCH }, () => this.#memory[Math.floor(this.#random() * this.#memory.length)]!);
  }
}

export async function main({ epochs = 15, steps = 200 } = {}): Promise<{
  before: number;
  after: number;
  history: History;
}> {
  const [online, target] = [qNetwork(), qNetwork()];
  const optimizer = tf.train.adam(0.001);
  const practice = new Practice();
  for (let i = 0; i < 100; i += 1) practice.push(online, 1);

  const before = returnOf(online, 1);
  console.log(`Before training, it balances the pole for ${before.toFixed(0)} of ${LONGEST} pushes.\n`);
  const best = earlyStopping({ monitor: 'return', mode: 'max', patience: 5, restoreBestWeights: true });
  const callbacks = [best, new tf.CustomCallback({ onEpochEnd: (epoch, logs = {}) => console.log(line(epoch, logs)) })];
  const history = await trainingLoop({ callbacks, models: online, epochs }, async (loop) => {
    for (let epoch = 0; epoch < epochs && !loop.stopTraining; epoch += 1) {
      const exploration = Math.max(0.05, 1 - (2 * epoch) / epochs);
      for (let i = 0; i < steps; i += 1) {
        if ((epoch * steps + i) % STEPS_PER_COPY === 0) target.setWeights(online.getWeights());
        practice.push(online, exploration);
        const batch = practice.batch();
        await loop.step(() => clippedStep(optimizer, () => lossOf(online, target, batch), online));
      }
      await loop.endEpoch({ return: returnOf(online, 2), exploration });
    }
  });

  const after = returnOf(online, 1);
  console.log(`\nAfter training, with the weights of epoch ${best.bestEpoch! + 1}: ${after.toFixed(0)} pushes.`);
  return { before, after, history };
}

runIfMain(module, () => main({ epochs: numberArgument('epochs'), steps: numberArgument('steps') }));
