import type * as tfjs from '@tensorflow/tfjs';

/** What the host's optimizer is given in one step of the host's, by the weights' names; the weights stay as they are. */
export async function recordedGradients(
  model: tfjs.LayersModel,
  step: () => Promise<unknown>,
): Promise<Map<string, number[]>> {
  const { optimizer } = model;
  const recorded = new Map<string, number[]>();
  const applyGradients = Object.getOwnPropertyDescriptor(optimizer, 'applyGradients');
  optimizer.applyGradients = (gradients) => {
    for (const { name, tensor } of gradients as Array<{ name: string; tensor: tfjs.Tensor | null }>) {
      if (tensor != null) recorded.set(name, Array.from(tensor.dataSync()));
    }
  };
  try {
    await step();
  } finally {
    if (applyGradients) Object.defineProperty(optimizer, 'applyGradients', applyGradients);
    else Reflect.deleteProperty(optimizer, 'applyGradients');
  }
  return recorded;
}

/** The same of `trainOnBatch`. */
export const hostGradients = (
  model: tfjs.LayersModel,
  x: tfjs.Tensor,
  y: tfjs.Tensor | tfjs.Tensor[],
): Promise<Map<string, number[]>> => recordedGradients(model, () => model.trainOnBatch(x, y));

export const values = (tensor: tfjs.Tensor): number[] => Array.from(tensor.dataSync());

/** How far two vectors are apart, relative to the longer of those that a sum is made of. */
export function relativeError(received: readonly number[], expected: readonly number[], scale = expected): number {
  const norm = (vector: readonly number[]) => Math.hypot(...vector);
  const distance = norm(received.map((value, index) => value - expected[index]!));
  return distance === 0 ? 0 : distance / Math.max(norm(expected), norm(scale));
}

/** Values of all weights, by name. */
export const weightsOf = (model: tfjs.LayersModel): Map<string, number[]> =>
  new Map(model.weights.map((weight) => [weight.name, values(weight.read())]));

/** Frees a model of its regularizers, as if it had been made without. */
export function withoutPenalties<M extends tfjs.LayersModel>(model: M): M {
  const trained = (model as unknown as { model?: tfjs.LayersModel }).model ?? model;
  (trained as unknown as { calculateLosses: () => tfjs.Scalar[] }).calculateLosses = () => [];
  return model;
}
