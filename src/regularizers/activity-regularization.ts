import {
  abs,
  add,
  addN,
  clone,
  customGrad,
  div,
  mul,
  scalar,
  serialization,
  sign,
  square,
  sum,
  tidy,
  type GradSaveFunc,
  type Scalar,
  type Tensor,
} from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import { describe } from '../util/arguments.js';
import { isPassWatched, keepForPass } from '../host/activity.js';
import { registeredClass } from '../host/regularizers.js';

type LayerArgs = NonNullable<ConstructorParameters<typeof layers.Layer>[0]>;

/** What `activityRegularization` takes, beside `name`, `inputShape` and what else every layer takes. */
export interface ActivityRegularizationArgs extends LayerArgs {
  /** The coefficient of the sum of absolute values. Default 0. */
  l1?: number | undefined;
  /** The coefficient of the sum of squares. Default 0. */
  l2?: number | undefined;
}

/**
 * A layer that hands its input on and adds a penalty on it to the loss: Keras's `ActivityRegularization`.
 *
 * The penalty is `(l1 * sum|x| + l2 * sum x²) / batch size`, over all of the batch, and once for each time that the layer
 * is called within the model; within a `tf.layers.timeDistributed`, the mean over the time steps. It stands in for the
 * `activityRegularizer` of TensorFlow.js's own layers, which is "not supported yet": put this layer behind the one that
 * you would give it to. TensorFlow.js's own `fit`, `fitDataset` and `trainOnBatch` train it; its `evaluate` and `val_loss`
 * leave it out, as they do all penalties, and those of this library have it.
 *
 * Masks pass through; what is masked counts, as in Keras.
 *
 * @throws Error if a coefficient is not a finite number.
 */
export function activityRegularization(args?: ActivityRegularizationArgs): ActivityRegularization {
  return new ActivityRegularization(args);
}

/** What `activityRegularization` returns: a `tf.layers.Layer`, registered so that models which have it can be loaded. */
export class ActivityRegularization extends layers.Layer {
  /** The name under which the host and Keras save the layer. */
  static readonly className = 'ActivityRegularization';

  /** The coefficient of the sum of absolute values. */
  readonly l1: number;
  /** The coefficient of the sum of squares. */
  readonly l2: number;
  /** @internal */
  evaluations = 0;
  /** One penalty a call in the forward pass that runs. */
  #penalties: Scalar[] = [];
  #asked = false;

  constructor({ l1 = 0, l2 = 0, ...args }: ActivityRegularizationArgs = {}) {
    super(args);
    this.l1 = finite('l1', l1);
    this.l2 = finite('l2', l2);
    this.supportsMasking = true;
    this.addLoss(() => this.#penalty());
  }

  /** @internal */
  override call(inputs: Tensor | Tensor[], kwargs: Parameters<layers.Layer['call']>[1]): Tensor {
    return tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const input = Array.isArray(inputs) ? inputs[0]! : inputs;
      if ((this.l1 !== 0 || this.l2 !== 0) && isPassWatched(this)) {
        const before = this.#asked ? [] : this.#penalties.filter(({ isDisposed }) => !isDisposed);
        this.#penalties = [...before, keepForPass(activityPenalty(input, this))];
        this.#asked = false;
      }
      return input;
    });
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), l1: this.l1, l2: this.l2 };
  }

  /**
   * The mean over the calls in this pass; 0 where there was none. The host asks once for each time that the layer is
   * called within the model, so the answers add up to the sum over those calls, also where the host runs a nested model
   * once for each of its outputs, or a wrapper calls the layer once for each time step.
   */
  #penalty(): Scalar {
    this.#asked = true;
    const penalties = this.#penalties.filter(({ isDisposed }) => !isDisposed);
    if (penalties.length === 0) return scalar(0);
    if (penalties.length === 1) return clone(penalties[0]!);
    return tidy(() => div(addN(penalties), penalties.length));
  }
}

function finite(name: string, value: number | null): number {
  if (value === null) return 0;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new Error(
    `Expected \`${name}\` of \`activityRegularization\` to be a finite number, got ${describe(value)}. Pass 0.01, say.`,
  );
}

/**
 * `(l1 * sum|x| + l2 * sum x²) / batch size`. Its gradient has Keras's sign(0) = 0, which matters where activations are 0
 * (behind relu, say): TensorFlow.js's own gradient of |x| is -1 there.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/gradients/Abs_grad.ts | absGradConfig}
 * @see {@link https://github.com/keras-team/tf-keras/blob/v2.21.0/tf_keras/src/engine/base_layer.py | _handle_activity_regularization}
 */
function activityPenalty(activation: Tensor, { l1, l2 }: { l1: number; l2: number }): Scalar {
  const batchSize = Math.max(activation.shape[0] ?? 1, 1);
  const both = (first: () => Tensor, second: () => Tensor): Tensor =>
    l2 === 0 ? mul(l1, first()) : l1 === 0 ? mul(l2, second()) : add(mul(l1, first()), mul(l2, second()));
  const penalty = customGrad((...args) => {
    const [x, save] = args as [Tensor, GradSaveFunc];
    save([x]);
    const value = both(
      () => sum(abs(x)),
      () => sum(square(x)),
    );
    const slope = (saved: Tensor): Tensor =>
      both(
        () => sign(saved),
        () => mul(2, saved),
      );
    return { value: div(value, batchSize), gradFunc: (dy, [saved]) => mul(div(dy, batchSize), slope(saved!)) };
  });
  return penalty(activation) as Scalar;
}

/**
 * Makes `tf.loadLayersModel` and `tf.models.modelFromJSON` accept Keras models with an `ActivityRegularization`. To
 * import the layer does it too. A class that something else registered under that name stays.
 */
export function registerActivityRegularization(): void {
  if (!registeredClass(ActivityRegularization.className)) serialization.registerClass(ActivityRegularization);
}

registerActivityRegularization();
