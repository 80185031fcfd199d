/** Optimizers as users write them. */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from './backend';

type Loss = () => tfjs.Scalar;

/** Clips all gradients together to a norm that is small, as Keras's `global_clipnorm`. */
export class Clipping extends tf.AdamOptimizer {
  clipped = 0;
  constructor() {
    super(0.01, 0.9, 0.999);
  }
  override computeGradients(loss: Loss, variables?: tfjs.Variable[]) {
    this.clipped += 1;
    const { value, grads } = super.computeGradients(loss, variables);
    const found = Object.entries(grads).filter(([, gradient]) => gradient !== null);
    const norm = tf.tidy(
      () => tf.sqrt(tf.addN(found.map(([, gradient]) => tf.sum(tf.square(gradient))))).dataSync()[0]!,
    );
    const clipped = found.map(([name, gradient]) => [name, tf.mul(gradient, Math.min(1, 0.1 / norm))] as const);
    tf.dispose(grads);
    return { value, grads: Object.fromEntries(clipped) };
  }
}

/** Scales the loss up before its gradients are taken and the gradients down, as Keras's `LossScaleOptimizer`. */
export class LossScale extends tf.AdamOptimizer {
  steps = 0;
  constructor() {
    super(0.01, 0.9, 0.999);
  }
  override minimize(loss: Loss, returnCost = false, variables?: tfjs.Variable[]): tfjs.Scalar | null {
    this.steps += 1;
    const { value, grads } = this.computeGradients(() => tf.mul(loss(), 1024), variables);
    const down = Object.entries(grads).map(([name, gradient]) => ({ name, tensor: tf.div(gradient, 1024) }));
    this.applyGradients(down);
    const cost = tf.div<tfjs.Scalar>(value, 1024);
    tf.dispose([value, grads, down.map(({ tensor }) => tensor)]);
    if (returnCost) return cost;
    cost.dispose();
    return null;
  }
}

/** The sharpness-aware minimisation of Foret et al.: takes the gradient at a place uphill, so it evaluates the loss twice. */
export class Sam extends tf.SGDOptimizer {
  override minimize(loss: Loss, returnCost?: boolean, variables?: tfjs.Variable[]): tfjs.Scalar | null {
    const first = this.computeGradients(loss, variables);
    const uphill = variables!.map((variable) => variable.clone());
    variables!.forEach((variable) => variable.assign(variable.add(first.grads[variable.name]!.mul(0.01))));
    const second = this.computeGradients(loss, variables);
    variables!.forEach((variable, index) => variable.assign(uphill[index]!));
    this.applyGradients(second.grads);
    tf.dispose([first.grads, second.grads, uphill, second.value]);
    return returnCost ? first.value : null;
  }
}
