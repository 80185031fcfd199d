import { addN, clone, div, engine, mul, scalar, tidy, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import { layers, type LayersModel } from '@tensorflow/tfjs-layers';
import { groupBy } from '../../util/group-by.js';
import { isOfThisScope } from '../gradients.js';
import { trainedModel, type Layer } from '../model/model.js';
import { RANK, patch, shared } from '../patch.js';

const IS_PASS_LOSS = Symbol.for('tfjs-decomposed-loss/1/pass-loss');

/** Whether a layer is a {@link PassLoss}, of whatever build of this library. */
export const isPassLoss = (value: unknown): value is PassLoss =>
  value instanceof layers.Layer && (value as Partial<PassLoss>)[IS_PASS_LOSS] === true;

/** What one call of a layer computed. */
interface Computed {
  value: Scalar;
  /** The pass through a model that the call belongs to. */
  pass: object;
  /** The custom loss that made it. */
  loss: number;
  inTraining: boolean;
  /** Whether the host has asked since. */
  isRead: boolean;
}

/**
 * A layer that passes its first input on and adds to the loss what it computes from its inputs in the forward pass.
 *
 * Its first loss has a value only within a pass that is watched: one on the gradient tape, or one of an evaluation of this
 * library's. Anywhere else it is 0.
 */
export abstract class PassLoss extends layers.Layer {
  /** @internal */
  readonly [IS_PASS_LOSS]: boolean = true;
  /** @internal How many evaluations watch what passes through the layer. */
  evaluations = 0;
  /** What each call computed since the gradient tape, or the evaluation, began. */
  #values: Computed[] = [];
  /** Those of them that the host was last answered with. */
  #answer: readonly Computed[] = [];

  protected constructor(args: ConstructorParameters<typeof layers.Layer>[0]) {
    super(args);
    this.supportsMasking = true;
    this.addLoss(() => this.added());
  }

  /** @internal Whether it adds to the data loss, and not to the penalties. */
  abstract readonly isTerm: boolean;

  /** @internal What one call adds; `undefined` for nothing. */
  protected abstract lossOf(inputs: Tensor[]): Scalar | undefined;

  /** @internal */
  override call(inputs: Tensor | Tensor[], kwargs: Parameters<Layer['call']>[1]): Tensor {
    return tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const all = Array.isArray(inputs) ? inputs : [inputs];
      const value = engine().isTapeOn() || this.evaluations > 0 ? this.lossOf(all) : undefined;
      if (value !== undefined) {
        const inTraining = kwargs?.['training'] === true;
        const computed = { value: keepForPass(value), ...passOf(kwargs), inTraining, isRead: false };
        this.#alive().push(computed);
      }
      return all[0]!;
    });
  }

  /** @internal */
  override computeOutputShape(
    inputShape: Parameters<Layer['computeOutputShape']>[0],
  ): ReturnType<Layer['computeOutputShape']> {
    return Array.isArray(inputShape[0]) ? inputShape[0] : inputShape;
  }

  /** @internal */
  override computeMask(inputs: Tensor | Tensor[], mask?: Tensor | Tensor[]): Tensor {
    const first = Array.isArray(mask) ? mask[0]! : mask;
    return super.computeMask(Array.isArray(inputs) ? inputs[0]! : inputs, first) as Tensor;
  }

  /**
   * @internal The mean over the calls in the pass that the host asks about; 0 where there was none. The host asks once for each
   * time that the layer is called within the model, so the answers add up to the sum over those calls, also where the host
   * runs a nested model once for each of its outputs, or a wrapper calls the layer once for each time step.
   */
  mean(): Scalar {
    return meanOf(this.answered());
  }

  /**
   * @internal The sum over all calls that a custom loss made.
   *
   * @param calls - How often the host asks in one pass, where the layer may be called more often than that: of each pass the
   *   mean counts that often, or as often as it was called. Default: each call counts.
   */
  sum(calls = Infinity): Scalar {
    const values = this.#alive().filter(({ loss }) => loss === state.losses);
    if (values.length === 0) return scalar(0);
    if (calls === Infinity) return addN(values.map(({ value }) => value));
    const passes = [...groupBy(values, ({ pass }) => pass).values()];
    return tidy(() => addN(passes.map((pass) => mul<Scalar>(meanOf(pass), Math.min(calls, pass.length)))));
  }

  /** @internal What the layer adds to the loss each time that the host asks. */
  protected added(): Scalar {
    return this.mean();
  }

  /**
   * @internal The calls that the host asks about; the same array until there are others. The host's step makes one pass in training
   * mode, before its loss functions and its metrics: what those run does not count, nor is it a new pass when they have asked. Where
   * no call is in training mode, all that the layer was not yet asked about.
   */
  protected answered(): readonly Computed[] {
    const values = this.#alive();
    const ofSteps = values.filter(({ inTraining }) => inTraining);
    const fresh = (ofSteps.length > 0 ? ofSteps : values).filter(({ isRead }) => !isRead);
    values.forEach((computed) => (computed.isRead = true));
    if (fresh.length > 0) {
      this.#answer = ofSteps.length > 0 ? fresh.filter(({ pass }) => pass === fresh[0]!.pass) : fresh;
    } else if (!this.#answer.every(isAlive)) {
      this.#answer = [];
    }
    return this.#answer;
  }

  /** Forgets what belongs to passes that are over. */
  #alive(): Computed[] {
    this.#values = this.#values.filter(isAlive);
    return this.#values;
  }

  /** @internal Runs a forward pass by itself: it is not mixed with one that it is within. */
  apart<T>(pass: () => T): T {
    const [values, answer] = [this.#values, this.#answer];
    this.#values = [];
    try {
      return pass();
    } finally {
      this.#values = values;
      this.#answer = answer;
    }
  }
}

const isAlive = ({ value }: Computed): boolean => !value.isDisposed;

const meanOf = (calls: readonly Computed[]): Scalar => {
  const values = calls.map(({ value }) => value);
  if (values.length < 2) return values.length === 0 ? scalar(0) : clone(values[0]!);
  return tidy(() => div(addN(values), values.length));
};

/**
 * Lets a tensor that was made within a layer live until the forward pass around it is over, however it ends: nested
 * models and wrappers tidy up after each of their calls, before the step asks for its penalties.
 *
 * @returns The tensor, or a copy where it was not made in the scope that is active.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/engine.ts#L1114-L1116 | Engine.gradients}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/container.ts#L739 | Container.call}
 */
export function keepForPass<T extends Tensor>(value: T): T {
  const { activeScope, scopeStack } = engine().state;
  const tensor = isOfThisScope(value) ? value : clone(value);
  const pass = scopeStack.filter(({ name }) => engine().isTapeOn() && name === 'forward').at(-1) ?? scopeStack[0]!;
  activeScope.track = activeScope.track.filter((other) => other !== tensor);
  pass.track.push(tensor);
  tensor.scopeId = pass.id;
  return tensor;
}

const state = shared('passes-of-losses', () => ({
  /** How many custom losses have begun to run: tells one from the next, also where both are on one gradient tape. */
  losses: 0,
  /** The calls of models under watch that are running, the outermost first. */
  running: [] as object[],
}));

/**
 * What is the same for all calls of layers in one forward pass only: the call of a model under watch, or else the options that
 * the host makes for a pass, and hands on to every layer, nested model and wrapper in it.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/executor.ts#L321-L326 | execute}
 */
const passOf = (options: object): { pass: object; loss: number } => ({
  pass: state.running[0] ?? options,
  loss: state.losses,
});

/**
 * Runs a custom loss. Each call of a model that it makes is one pass, also with `predict`, where the host makes options for each
 * layer, and where the loss uses one object of options for all.
 *
 * @param models - Built or not.
 */
export function inPasses<T>(models: readonly LayersModel[], loss: () => T): T {
  const all = new Set(models.flatMap((model) => [model, trainedModel(model) ?? model]));
  const releases = [...all].flatMap((model) => [
    patch(model, 'apply', RANK.watch, asOnePass),
    patch(model, 'predict', RANK.watch, asOnePass),
    patch(model, 'predictOnBatch', RANK.watch, asOnePass),
  ]);
  state.losses += 1;
  try {
    return loss();
  } finally {
    releases.forEach((release) => release());
  }
}

function asOnePass<A extends unknown[], R>(inner: (...args: A) => R, ...args: A): R {
  state.running.push({});
  try {
    return inner(...args);
  } finally {
    state.running.pop();
  }
}
