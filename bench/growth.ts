import * as tf from '@tensorflow/tfjs-node';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import { fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { ratios, spread, timeInTurn } from './paired.js';
import { compiled, l2, type Workload } from './workloads.js';

/** What a step costs with a given number of weights or terms. */
export interface Growth {
  count: number;
  /** Milliseconds of a step without regularizers. */
  none: number;
  /** The same step with L2, with L2 fused, and with L2 and `decomposedLoss()`, as multiples of it. */
  l2: number;
  fused: number;
  decomposed: number;
}

/** One dense layer of about `count` weights. */
function wide(count: number): Pick<Workload, 'layers' | 'loss'> & { width: number } {
  const width = Math.round(Math.sqrt(count));
  return {
    width,
    loss: 'meanSquaredError',
    layers: (kernelRegularizer) => [tf.layers.dense({ units: width, inputShape: [width], kernelRegularizer })],
  };
}

/** `count` dense layers of 8, each with one term. */
function deep(count: number): Pick<Workload, 'layers' | 'loss'> & { width: number } {
  return {
    width: 8,
    loss: 'meanSquaredError',
    layers: (kernelRegularizer) =>
      Array.from({ length: count }, (_, i) =>
        tf.layers.dense({ units: 8, kernelRegularizer, ...(i === 0 && { inputShape: [8] }) }),
      ),
  };
}

async function measure(count: number, make: typeof wide, rounds: number): Promise<Growth> {
  const workload = make(count);
  const models = [compiled(workload), ...[0, 1, 2].map(() => compiled(workload, l2()))];
  fuseRegularizers(models[2]!);
  const steps = 3;
  const shape: [number, number] = [8 * steps, workload.width];
  const [x, y] = [tf.randomNormal(shape), tf.randomNormal(shape)];
  const args = { batchSize: 8, epochs: 1, verbose: 0 as const, shuffle: false, yieldEvery: 'never' as const };
  const times = await timeInTurn(
    models.map((model, index) => async () => {
      await model.fit(x, y, { ...args, callbacks: index === 3 ? decomposedLoss() : [] });
    }),
    rounds,
    1,
  );
  tf.dispose([x, y]);
  models.forEach((model) => model.dispose());
  const [none, plain, fused, decomposed] = times as [number[], number[], number[], number[]];
  const over = (one: number[]): number => ratios(one, none).median;
  const result = { count, none: spread(none).median / steps, l2: over(plain), fused: over(fused) };
  return { ...result, decomposed: over(decomposed) };
}

/** How the cost of a penalty grows with the number of weights in one term. */
export const byWeights = (count: number): Promise<Growth> => measure(count, wide, count > 5e6 ? 5 : 11);

/** How it grows with the number of terms. */
export const byTerms = (count: number): Promise<Growth> => measure(count, deep, 9);
