import { addN, clone, div, engine, scalar, tidy, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import type { Layer } from './model.js';

const IS_PASS_LOSS = Symbol.for('tfjs-decomposed-loss/1/pass-loss');

/** Whether a layer is a {@link PassLoss}, of whatever build of this library. */
export const isPassLoss = (value: unknown): value is PassLoss =>
  value instanceof layers.Layer && (value as Partial<PassLoss>)[IS_PASS_LOSS] === true;

/** What one call of a layer computed. */
interface Computed {
  value: Scalar;
  inTraining: boolean;
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
  /** What each call in the pass that is running computed. */
  #values: Computed[] = [];
  #isRead = false;

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
        const before = this.#isRead ? [] : this.#inPass();
        this.#values = [...before, { value: keepForPass(value), inTraining: kwargs?.['training'] === true }];
        this.#isRead = false;
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
   * @internal The mean over the calls in this pass; 0 where there was none. The host asks once for each time that the layer is
   * called within the model, so the answers add up to the sum over those calls, also where the host runs a nested model
   * once for each of its outputs, or a wrapper calls the layer once for each time step. Where some of the calls are in
   * training mode, as those of the host's step are, the others do not count: a loss or a metric made them with `predict`.
   */
  mean(): Scalar {
    const all = this.#read();
    const ofStep = all.filter(({ inTraining }) => inTraining);
    const values = (ofStep.length > 0 ? ofStep : all).map(({ value }) => value);
    return tidy(() =>
      values.length === 1 ? clone(values[0]!) : values.length === 0 ? scalar(0) : div(addN(values), values.length),
    );
  }

  /** @internal The sum over the calls in this pass. */
  sum(): Scalar {
    const values = this.#read().map(({ value }) => value);
    return values.length === 0 ? scalar(0) : addN(values);
  }

  /** @internal What the layer adds to the loss each time that the host asks. */
  protected added(): Scalar {
    return this.mean();
  }

  /** @internal Runs a forward pass by itself: it is not mixed with one that it is within. */
  apart<T>(pass: () => T): T {
    const [values, isRead] = [this.#values, this.#isRead];
    this.#values = [];
    try {
      return pass();
    } finally {
      this.#values = values;
      this.#isRead = isRead;
    }
  }

  #read(): Computed[] {
    this.#isRead = true;
    return this.#inPass();
  }

  #inPass(): Computed[] {
    return this.#values.filter(({ value }) => !value.isDisposed);
  }
}

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
  const tensor = !value.kept && value.scopeId === activeScope.id ? value : clone(value);
  const pass = scopeStack.filter(({ name }) => engine().isTapeOn() && name === 'forward').at(-1) ?? scopeStack[0]!;
  activeScope.track = activeScope.track.filter((other) => other !== tensor);
  pass.track.push(tensor);
  tensor.scopeId = pass.id;
  return tensor;
}
