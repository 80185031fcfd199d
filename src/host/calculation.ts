import { tidy, type Scalar } from '@tensorflow/tfjs-core';
import { type LayersModel, Sequential } from '@tensorflow/tfjs-layers';
import { internals, putBack } from './model.js';
import { isHostCalculation, ownCalculations, penaltyCalls, replacements, type PenaltyCall } from './penalties.js';
import { isWatched } from './step-watch.js';
import { partsAsked } from './summands.js';

/**
 * Has a trained model add other penalties than the host's, in its own training and where it is nested in another model.
 *
 * @param calls - The penalties, asked for at each step; `prefix` is what stands before their paths.
 * @returns Puts the model back as it was.
 * @throws Error within a training step that is watched; the model is then as it was.
 */
export function replacePenalties(model: LayersModel, calls: (prefix: string) => PenaltyCall[]): () => void {
  return change(model, replacements, calls);
}

/**
 * Adds up the penalties of a training step: one scalar that carries the gradients of all.
 *
 * @param each - Whether to return also each penalty by itself, kept and without gradient, in `parts`.
 */
export type PenaltySum = (calls: readonly PenaltyCall[], each: boolean) => { sum: Scalar; parts: Scalar[] };

/**
 * Has a trained model add its penalties as one. What they are stays the same; goes together with `replacePenalties`, in
 * any order.
 *
 * @returns Puts the model back as it was.
 * @throws Error within a training step that is watched, or if the model has a `calculateLosses` of its own; the model is
 *   then as it was.
 */
export function sumPenalties(model: LayersModel, sum: PenaltySum): () => void {
  checkNotInStep(model);
  if (!isHostCalculation(internals(model).calculateLosses)) {
    throw new Error(
      `Expected \`${model.name}\` to add its penalties as tf.LayersModel does, got one with a \`calculateLosses\` of its ` +
        'own. Leave that model as it is.',
    );
  }
  return change(model, sums, sum);
}

const sums = new WeakMap<LayersModel, PenaltySum>();

function change<Value>(model: LayersModel, values: WeakMap<LayersModel, Value>, value: Value): () => void {
  checkNotInStep(model);
  values.set(model, value);
  const giveBack = takeOver(model);
  return () => {
    checkNotInStep(model);
    values.delete(model);
    giveBack();
  };
}

interface Takeover {
  changes: number;
  before: PropertyDescriptor | undefined;
}

const takeovers = new WeakMap<LayersModel, Takeover>();

/** The changes of a model come and go in any order: they share one `calculateLosses`, which is the host's after the last. */
function takeOver(model: LayersModel): () => void {
  const host = internals(model);
  const takeover = takeovers.get(model) ?? {
    changes: 0,
    before: Object.getOwnPropertyDescriptor(host, 'calculateLosses'),
  };
  takeover.changes += 1;
  takeovers.set(model, takeover);
  const calculateLosses = () =>
    tidy(() => {
      const calls = penaltyCalls(model);
      const add = sums.get(model);
      if (add === undefined || calls.length === 0) return calls.map(({ penalty }) => penalty());
      const asked = partsAsked();
      const { sum, parts } = add(calls, asked !== undefined);
      asked?.set(sum, parts);
      return [sum];
    });
  ownCalculations.add(calculateLosses);
  host.calculateLosses = calculateLosses;
  return () => {
    takeover.changes -= 1;
    if (takeover.changes > 0) return;
    putBack(host, 'calculateLosses', takeover.before);
    takeovers.delete(model);
  };
}

function checkNotInStep(model: LayersModel): void {
  if (!isWatched(model)) return;
  throw new Error(
    `Expected the penalties of \`${model.name}\` to change between training steps, got a change within one. ` +
      'Make it before `fit`, or in `onEpochBegin` or `onEpochEnd`.',
  );
}

/**
 * Changes a model, and each that a `Sequential` builds in its place from then on. The one before is put back, unless it is
 * being trained: `compile` in a callback changes the next training, not the one that runs.
 *
 * @param change - Changes the model that is trained, and returns how to put it back.
 * @returns Puts all of them back.
 */
export function changeTrained(
  model: LayersModel,
  trained: LayersModel,
  change: (one: LayersModel) => () => void,
): () => void {
  let current = { trained, putBack: change(trained) };
  const left: Array<() => void> = [];
  const release = whenRebuilt(model, (rebuilt) => {
    if (internals(current.trained).isTraining) left.push(current.putBack);
    else current.putBack();
    current = { trained: rebuilt, putBack: change(rebuilt) };
  });
  return () => {
    current.putBack();
    left.splice(0).forEach((putBack) => putBack());
    release();
  };
}

const rebuilds = new WeakMap<LayersModel, Set<(trained: LayersModel) => void>>();

/**
 * Tells of each model that a `Sequential` builds from now on in place of the one that it trains, until released: every
 * `compile` builds one.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L813-L815 | Sequential.compile}
 */
function whenRebuilt(model: LayersModel, heard: (trained: LayersModel) => void): () => void {
  if (!(model instanceof Sequential)) return () => {};
  const listeners = rebuilds.get(model) ?? listenToRebuilds(model);
  listeners.add(heard);
  return () => {
    if (!listeners.delete(heard) || listeners.size > 0) return;
    rebuilds.delete(model);
    const value = (model as unknown as { model: LayersModel }).model;
    Object.defineProperty(model, 'model', { configurable: true, enumerable: true, writable: true, value });
  };
}

function listenToRebuilds(model: Sequential): Set<(trained: LayersModel) => void> {
  const listeners = new Set<(trained: LayersModel) => void>();
  rebuilds.set(model, listeners);
  let trained = (model as unknown as { model: LayersModel }).model;
  Object.defineProperty(model, 'model', {
    configurable: true,
    enumerable: true,
    get: () => trained,
    set: (rebuilt: LayersModel) => {
      trained = rebuilt;
      listeners.forEach((heard) => heard(rebuilt));
    },
  });
  return listeners;
}
