import { mul, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel, layers } from '@tensorflow/tfjs-layers';
import { partNames } from '../host/model/model.js';
import { registerOnce } from '../host/model/regularizers.js';
import { placesInModel } from '../host/model/walk.js';
import { shared } from '../host/patch.js';
import { PassLoss } from '../host/penalties/pass-loss.js';
import { noteTerm } from '../host/step/loss-on-tape.js';
import { checkArguments, describe, list } from '../util/arguments.js';
import { describeResult, isScalar } from '../util/scalars.js';
import { namesOfTerms } from './parts.js';

/** What `lossTerm` takes. */
export interface LossTermArgs {
  /** The name of the part in the logs (`data_loss/<name>`) and in results, and of the layer. */
  name: string;
  /** Computes the term from the layer's inputs: a scalar, made in operations of TensorFlow.js. */
  loss: (inputs: Tensor[]) => Scalar;
  /** By what the term counts in the data loss; a function is read once in each step. Default 1. */
  weight?: number | (() => number) | undefined;
}

/**
 * A layer that passes its first input on and adds `weight * loss(inputs)` to the data loss of whatever trains the model: `fit`,
 * `fitDataset`, `trainOnBatch` and everything in this library. Where it is called several times within a model, the sum.
 *
 * The term belongs to the data loss and its gradients, not to the penalties. It is reported as the part `name`, without its
 * weight. TensorFlow.js's own `evaluate` and `val_loss` leave it out; those of this library have it, with the weight of the last
 * step.
 *
 * The function is not saved with the model. A reloaded term does nothing, and warns once: call `lossTerm` once before loading,
 * or import `tfjs-decomposed-loss/keras`, so that its class is known, and put it into the model anew to train it.
 *
 * @returns A layer, to be applied to one or several tensors. It acts only where an output of the model depends on it.
 * @throws Error if an argument is not understood; within the step, if `loss` returns no scalar or `weight` no finite number.
 */
export function lossTerm(args: LossTermArgs): layers.Layer {
  registerOnce(LossTerm);
  checkArguments('lossTerm', args, ['name', 'loss', 'weight']);
  const { name, loss, weight = 1 } = args;
  if (typeof name !== 'string' || name === '' || name in Object.prototype) {
    throw new Error(`Expected \`name\` of \`lossTerm\` to be the name of a part, got ${describe(name)}. Pass 'kl'.`);
  }
  if (typeof loss !== 'function') {
    throw new Error(
      `Expected \`loss\` of \`lossTerm\` to be a function of the layer's inputs, got ${describe(loss)}. Pass one that ` +
        'returns a scalar.',
    );
  }
  if (typeof weight !== 'function') checkWeight(name, weight);
  return new LossTerm({ name }, loss, weight);
}

/** What `lossTerm` returns. */
export class LossTerm extends PassLoss {
  /** The name under which the host saves the layer. */
  static readonly className = 'LossTerm';

  /** @internal */
  readonly isTerm = true;
  readonly #loss: LossTermArgs['loss'] | undefined;
  readonly #weight: number | (() => number);
  /** The weight that the last step had, and the calls that it had it for. */
  #last: { weight: number; calls: unknown } | undefined;
  #hasWarned = false;

  /** @param loss - `undefined` for a term that was loaded from a file. */
  constructor(args: { name: string }, loss?: LossTermArgs['loss'], weight: number | (() => number) = 1) {
    super(args);
    this.#loss = loss;
    this.#weight = weight;
  }

  /** @internal Whether it was loaded from a file, without its function. */
  get isLost(): boolean {
    return this.#loss === undefined;
  }

  /** @internal The weight that the last step had; where there was none yet, the one that is in force. */
  get lastWeight(): number {
    return this.#last?.weight ?? this.#weightNow();
  }

  /** @internal The weight that is in force in a step: a function is read once for the calls of the layer in it. */
  weightFor(calls: unknown): number {
    if (this.#last?.calls !== calls) this.#last = { weight: weightInStep(this, () => this.#weightNow()), calls };
    return this.#last!.weight;
  }

  #weightNow(): number {
    return checkWeight(this.name, typeof this.#weight === 'function' ? this.#weight() : this.#weight);
  }

  /** @internal */
  protected override lossOf(inputs: Tensor[]): Scalar | undefined {
    if (this.#loss === undefined) {
      this.#warn();
      return undefined;
    }
    const value: unknown = this.#loss(inputs);
    if (isScalar(value)) return value;
    throw new Error(
      `Expected \`loss\` of the \`lossTerm\` \`${this.name}\` to return a scalar, got ${describeResult(value)}. Take the mean, for ` +
        'example with `tf.mean`.',
    );
  }

  /** @internal */
  protected override added(): Scalar {
    const value = this.mean();
    const weight = this.weightFor(this.answered());
    const added = weight === 1 ? value : mul<Scalar>(value, weight);
    noteTerm(added, { layer: this, name: this.name, value, weight });
    return added;
  }

  #warn(): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    console.warn(
      `The \`lossTerm\` \`${this.name}\` was loaded without its function and adds nothing to the loss. Build the model anew ` +
        'with `lossTerm` and set its weights to those of the loaded one.',
    );
  }
}

function checkWeight(name: string, weight: number): number {
  if (Number.isFinite(weight)) return weight;
  throw new Error(
    `Expected \`weight\` of the \`lossTerm\` \`${name}\` to be a finite number, got ${describe(weight)}. Pass 1, or a function ` +
      'that returns a number.',
  );
}

const unique = new WeakSet<LayersModel>();

/** @throws Error if a term of a model has the name of an output: results have their parts by these names. */
export function refuseTakenNames(model: LayersModel): void {
  if (unique.has(model)) return;
  const terms = new Set(placesInModel(model).map(({ layer }) => layer));
  const found = [...terms].flatMap((layer) => (layer instanceof LossTerm ? [{ layer, name: layer.name }] : []));
  const outputs = partNames(model);
  const twin = namesOfTerms(found).find((name) => outputs.includes(name));
  if (twin !== undefined) {
    throw new Error(
      `Expected the \`lossTerm\` layers of \`${model.name}\` to have other names than its outputs (${list(outputs)}), got ` +
        `\`${twin}\` for both. Give the \`lossTerm\` another name, or put a layer after it where it makes the output.`,
    );
  }
  unique.add(model);
}

const weightsInForce = shared<{ pinned: Map<unknown, number> | undefined }>('weights-of-terms', () => ({
  pinned: undefined,
}));

/**
 * Runs a part of a step in which the parts of the loss have the weights that they had in it before.
 *
 * @param pinned - By term or name; those that are read are added to it.
 */
export function pinningWeights<T>(pinned: Map<unknown, number>, run: () => T): T {
  const outer = weightsInForce.pinned;
  weightsInForce.pinned = pinned;
  try {
    return run();
  } finally {
    weightsInForce.pinned = outer;
  }
}

/**
 * The weight of a part of the loss in the step that runs.
 *
 * @param part - A term, or the name of another part.
 * @param read - Tells it where it was not read in this step yet.
 */
export function weightInStep(part: unknown, read: () => number): number {
  const { pinned } = weightsInForce;
  const weight = pinned?.get(part) ?? read();
  pinned?.set(part, weight);
  return weight;
}
