import type * as tfjs from '@tensorflow/tfjs';
import type { DecomposedLoss } from 'tfjs-decomposed-loss';
import { tf } from './backend';
import { penalty } from './float64';
import { tensorsLeftBy } from './memory';
import { fillWeights } from './models';

/** A training loop of somebody's, with the package or without it. */
export interface Loop {
  /** All whose weights may move. */
  models: tfjs.LayersModel[];
  /** What a batch does, in order; each returns the losses that it minimised. */
  steps: Array<(batch: number) => number[] | Promise<number[]>>;
}

/** A weight with its coefficients. */
export type Term = [weight: () => tfjs.Tensor, coefficients: { l1?: number; l2?: number }];

/** The `place`-th weight of a layer with its coefficients; 0 is the kernel. */
export const term = (layer: tfjs.layers.Layer, coefficients: Term[1], place = 0): Term => [
  () => layer.weights[place]!.read(),
  coefficients,
];

/** The penalty on the tape, as somebody writes it out who has no package for it. */
export const writtenOut = (terms: readonly Term[]): tfjs.Scalar =>
  tf.addN(
    terms.flatMap(([weight, { l1, l2 }]) => [
      ...(l1 === undefined ? [] : [tf.sum<tfjs.Scalar>(tf.mul(l1, tf.abs(weight())))]),
      ...(l2 === undefined ? [] : [tf.sum<tfjs.Scalar>(tf.mul(l2, tf.square(weight())))]),
    ]),
  );

/** The penalty in float64. */
export const penaltyOf = (terms: readonly Term[]): number =>
  terms.reduce((sum, [weight, coefficients]) => sum + penalty(weight(), coefficients), 0);

/** Gives every weight a value, and the batch normalization statistics that data can have. */
export function fillNormalized<M extends tfjs.LayersModel>(model: M, normalization: tfjs.layers.Layer): M {
  fillWeights(model);
  const variance = normalization.weights[3]!;
  tf.tidy(() => void variance.write(tf.add(tf.abs(variance.read()), 0.5)));
  return model;
}

/** A loss in its parts, by hand. */
export interface ByHand {
  parts: { [name: string]: number };
  /** Of the parts that do not count as they are. */
  weights?: { [name: string]: number };
  terms: readonly Term[];
}

/**
 * Expects a loss to be what it is by hand. To be called as `await expectParts(byHand(…), () => step(…))`: by hand at the weights
 * before the step.
 *
 * @returns The total.
 */
export async function expectParts(
  byHand: ByHand,
  step: () => DecomposedLoss | Promise<DecomposedLoss>,
): Promise<number> {
  const regularization = penaltyOf(byHand.terms);
  const loss = await step();
  const names = Object.keys(byHand.parts);
  const weights = Object.fromEntries(names.map((name) => [name, byHand.weights?.[name] ?? 1]));
  expect(Object.keys(loss.parts)).toEqual(names);
  names.forEach((name) => expect(loss.parts[name]).toBeNear(byHand.parts[name]!, 1e-5));
  expect(loss.weights).toEqual(weights);
  const data = names.reduce((sum, name) => sum + weights[name]! * byHand.parts[name]!, 0);
  expect(loss.data).toBeNear(data, 1e-5);
  expect(loss.regularization).toBeNear(regularization, 1e-5);
  expect(loss.total).toBeNear(data + regularization, 1e-5);
  return loss.total;
}

export const weightsOf = (models: readonly tfjs.LayersModel[]): number[][] =>
  models.flatMap((model) => model.weights.map((weight) => Array.from(weight.read().dataSync())));

/** Applies gradients by name, which Adam's type does not name; disposes them. */
export function applyGradients(optimizer: tfjs.Optimizer, grads: tfjs.NamedTensorMap): void {
  optimizer.applyGradients(grads);
  tf.dispose(grads);
}

/** The first number of a tensor that nobody needs then. */
export function numberOf(scalar: tfjs.Tensor): number {
  const [value] = scalar.dataSync();
  scalar.dispose();
  return value!;
}

/**
 * Expects that a loop trains the same with the package as without it: as `Loop`s of the same initial weights, seeds and data.
 *
 * @param own - Checks its parts itself, with {@link expectParts}.
 */
export function itTrainsAsByHand(own: () => Loop, host: () => Loop): void {
  it('moves the weights as plain TensorFlow.js with the penalty written out, bit for bit', async () => {
    const [ours, theirs] = [own(), host()];
    const initial = weightsOf(ours.models);
    expect(weightsOf(theirs.models)).toEqual(initial);
    for (let batch = 0; batch < 6; batch += 1) {
      for (const [place, step] of ours.steps.entries()) {
        const losses = await step(batch);
        const expected = await theirs.steps[place]!(batch);
        expect(losses).toHaveLength(expected.length);
        losses.forEach((loss, index) => expect(loss).toBeNear(expected[index]!));
        expect(weightsOf(ours.models)).toEqual(weightsOf(theirs.models));
      }
    }
    expect(weightsOf(ours.models)).not.toEqual(initial);
  });

  it('has no tensor more after 100 steps', async () => {
    const { steps } = own();
    let batch = 0;
    const train = async (count: number): Promise<void> => {
      for (let made = 0; made < count; batch += 1) for (const step of steps) made += (await step(batch)).length;
    };
    await train(1);
    expect(await tensorsLeftBy(() => train(100))).toBe(0);
  });
}
