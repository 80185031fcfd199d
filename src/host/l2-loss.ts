import { engine, getBackend, getKernel, mul, registerKernel, square, sum, tidy } from '@tensorflow/tfjs-core';
import type { KernelBackend, NamedTensorInfoMap, Scalar, Tensor, TensorInfo } from '@tensorflow/tfjs-core';

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
