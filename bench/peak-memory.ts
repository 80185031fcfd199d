import * as tf from '@tensorflow/tfjs-node';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import { fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { compiled, l2, type Workload } from './workloads.js';

/** The most bytes that a step holds on top of what was there before it, by way. */
export interface PeakMemory {
  none: number;
  l2: number;
  decomposed: number;
  fused: number;
}

/** The high-water mark of `numBytes` within a step, as `tf.profile` sees it after each kernel. */
export async function peakMemory(workload: Workload): Promise<PeakMemory> {
  const peak = async (regularizer?: ReturnType<typeof l2>, fused = false, watched = false): Promise<number> => {
    const model = compiled(workload, regularizer);
    if (fused) fuseRegularizers(model);
    const { x, y } = workload.data(workload.batchSize);
    const args = { batchSize: workload.batchSize, epochs: 1, verbose: 0 as const, shuffle: false };
    const step = () => model.fit(x, y, { ...args, yieldEvery: 'never', callbacks: watched ? decomposedLoss() : [] });
    await step();
    const before = tf.memory().numBytes;
    const { peakBytes } = await tf.profile(async () => {
      await step();
      return [];
    });
    tf.dispose([x, y]);
    model.dispose();
    return peakBytes - before;
  };
  return {
    none: await peak(),
    l2: await peak(l2()),
    decomposed: await peak(l2(), false, true),
    fused: await peak(l2(), true),
  };
}
