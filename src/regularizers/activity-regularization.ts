import {
  abs,
  add,
  customGrad,
  div,
  mul,
  type serialization,
  square,
  sum,
  type GradSaveFunc,
  type Scalar,
  type Tensor,
} from '@tensorflow/tfjs-core';
import type { layers } from '@tensorflow/tfjs-layers';
import { registerOnce } from '../host/model/regularizers.js';
import { exactSign } from '../host/penalties/kernels.js';
import { PassLoss } from '../host/penalties/pass-loss.js';
import { describe } from '../util/arguments.js';

type LayerArgs = NonNullable<ConstructorParameters<typeof layers.Layer>[0]>;

/** What `activityRegularization` takes, in addition to `name`, `inputShape` and whatever else every layer takes. */
export interface ActivityRegularizationArgs extends LayerArgs {
  /** The coefficient of the sum of absolute values. Default 0. */
  l1?: number | undefined;
  /** The coefficient of the sum of squares. Default 0. */
  l2?: number | undefined;
}

/**
 * A layer that passes its input on and adds a penalty on it to the loss: Keras's `ActivityRegularization`.
 *
 * The penalty is `(l1 * sum|x| + l2 * sum x²) / batch size`, over all of the batch, and once for each time that the layer is
 * called within the model; within a `tf.layers.timeDistributed`, the mean over the time steps. It replaces the
 * `activityRegularizer` of TensorFlow.js's own layers, which is "not supported yet": put this layer after the one that you
 * would give it to, and where that is within a TimeDistributed,
 * `tf.layers.timeDistributed({layer: activityRegularization({l1, l2})})` after that. TensorFlow.js's own `fit`, `fitDataset` and
 * `trainOnBatch` train it; its `evaluate` and `val_loss` leave it out, as they do all penalties; those of this library include it.
 *
 * Versions of Keras differ: Keras 2, and Keras 3 from 3.14 on, divide by the batch size as here. Keras 3.0 to 3.13 do not: to
 * train as they do, multiply the coefficients by the batch size. Within a TimeDistributed, Keras 2 adds the mean over the time
 * steps, as here; Keras 3.15 adds nothing, or, where the layer is in a model within it, the sum over the time steps.
 *
 * Masks pass through; masked values count, as in Keras.
 *
 * @throws Error if a coefficient is not a finite number.
 */
export function activityRegularization(args?: ActivityRegularizationArgs): ActivityRegularization {
  const layer = new ActivityRegularization(args);
  registerOnce(ActivityRegularization);
  return layer;
}

/** What `activityRegularization` returns: a `tf.layers.Layer`, whose class is registered so that models with it load. */
export class ActivityRegularization extends PassLoss {
  /** The name under which the host and Keras save the layer. */
  static readonly className = 'ActivityRegularization';

  /** The coefficient of the sum of absolute values. */
  readonly l1: number;
  /** The coefficient of the sum of squares. */
  readonly l2: number;
  /** @internal */
  readonly isTerm = false;

  constructor({ l1 = 0, l2 = 0, ...args }: ActivityRegularizationArgs = {}) {
    super(args);
    this.l1 = finite('l1', l1);
    this.l2 = finite('l2', l2);
  }

  /** @internal */
  protected override lossOf([input]: Tensor[]): Scalar | undefined {
    return this.l1 === 0 && this.l2 === 0 ? undefined : activityPenalty(input!, this);
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), l1: this.l1, l2: this.l2 };
  }
}

function finite(name: string, value: number | null): number {
  if (value === null) return 0;
  if (Number.isFinite(value)) return value;
  throw new Error(
    `Expected \`${name}\` of \`activityRegularization\` to be a finite number, got ${describe(value)}. Pass 0.01, for example.`,
  );
}

/**
 * `(l1 * sum|x| + l2 * sum x²) / batch size`. Its gradient has Keras's sign(0) = 0, which matters where activations are 0
 * (for example after a relu): TensorFlow.js's own gradient of |x| is -1 there.
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
        () => exactSign(saved),
        () => mul(2, saved),
      );
    return { value: div(value, batchSize), gradFunc: (dy, [saved]) => mul(div(dy, batchSize), slope(saved!)) };
  });
  return penalty(activation) as Scalar;
}
