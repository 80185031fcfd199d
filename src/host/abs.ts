import { cast, engine, mul, sign, type Tensor } from '@tensorflow/tfjs-core';

/**
 * Computes with Keras's derivative of `abs` at 0, which is 0: TensorFlow.js has -1 there. The value is the same to the bit, and
 * nothing else is computed: the entries that the computation adds to the gradient tape get another derivative.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/gradients/Abs_grad.ts | absGradConfig}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/engine.ts#L1004-L1032 | Engine.addTapeNode}
 */
export function withKerasAbs<T>(compute: () => T): T {
  const tape = () => engine().state.activeTape ?? [];
  const before = tape().length;
  const result = compute();
  for (const entry of tape().slice(before)) {
    if (entry.kernelName === 'Abs') entry.gradient = ([dy]) => ({ x: () => kerasAbsGradient(dy!, entry.saved![0]!) });
  }
  return result;
}

const kerasAbsGradient = (dy: Tensor, x: Tensor): Tensor => mul(dy, exactSign(cast(x, 'float32')));

/** Takes the least number of float32 beyond 1e-7, below which the WebAssembly backend's `sign` is 0; great ones become infinite. */
const SCALE = 3e38;

/** The sign of each element, 0 for 0 only. */
export const exactSign = <T extends Tensor>(x: T): T => sign<T>(mul(x, SCALE));
