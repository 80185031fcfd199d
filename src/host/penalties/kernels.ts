import {
  cast,
  engine,
  getBackend,
  getKernel,
  mul,
  registerKernel,
  sign,
  square,
  sum,
  tidy,
} from '@tensorflow/tfjs-core';
import type { KernelBackend, NamedTensorInfoMap, Scalar, Tensor, TensorInfo } from '@tensorflow/tfjs-core';

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

const KERNEL = 'TfjsDecomposedLossL2Loss';

/**
 * Half the sum of the squares of a tensor, without gradient: on tfjs-node TensorFlow's own `L2Loss`, one pass over the
 * memory and no temporary. WebGL sums each row first: its `square`, and its sum over everything, first lay out anew the packed
 * texture that training leaves, which takes longer than the sum itself.
 *
 * @see {@link https://github.com/tensorflow/tensorflow/blob/v2.21.0/tensorflow/core/kernels/l2loss_op.h | L2Loss}
 */
export function l2Loss(x: Tensor): Scalar {
  const backend = getBackend();
  if (backend === 'webgl' && x.rank > 1) return tidy(() => mul(0.5, sum(sum(mul(x, x), -1))));
  if (backend !== 'tensorflow') return tidy(() => mul(0.5, sum(square(x))));
  if (getKernel(KERNEL, 'tensorflow') === undefined) {
    registerKernel({ kernelName: KERNEL, backendName: 'tensorflow', kernelFunc: tensorFlowL2Loss });
  }
  return engine().runKernel<Scalar>(KERNEL, { x });
}

/** @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-node/src/nodejs_kernel_backend.ts#L186-L196 | executeSingleInput} */
function tensorFlowL2Loss({ inputs, backend }: { inputs: NamedTensorInfoMap; backend: unknown }): TensorInfo {
  return (backend as TensorFlowBackend).executeSingleInput('L2Loss', inputs['x']!);
}

interface TensorFlowBackend extends KernelBackend {
  executeSingleInput(operation: string, input: TensorInfo): TensorInfo;
}
