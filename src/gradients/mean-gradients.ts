import { addN, keep, mul, tidy, type Tensor } from '@tensorflow/tfjs-core';

/**
 * The mean of gradients by the samples they are of, by the weights' names; disposes both. With nothing before, it is the
 * new gradients bit for bit.
 */
export function meanBySize(
  before: Map<string, Tensor>,
  samplesBefore: number,
  gradients: Map<string, Tensor>,
  samples: number,
): Map<string, Tensor> {
  const share = samples / (samplesBefore + samples);
  const mean = new Map<string, Tensor>();
  for (const name of new Set([...before.keys(), ...gradients.keys()])) {
    const [old, added] = [before.get(name), gradients.get(name)];
    // A weight that is frozen or freed on the way has a gradient in some of the micro-batches.
    const weighted = () => [...(old ? [mul(old, 1 - share)] : []), ...(added ? [mul(added, share)] : [])];
    mean.set(name, keep(tidy(() => addN(weighted()))));
    old?.dispose();
    added?.dispose();
  }
  return mean;
}
