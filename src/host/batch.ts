import { Tensor, dispose, engine, tidy, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { ClassWeights, NamedTensors } from '../util/arguments.js';
import { internals } from './model.js';
import { RANK, patch } from './patch.js';

/** A batch as the host's step takes it. */
export interface Batch {
  inputs: Tensor[];
  targets: Tensor[];
  /** The class weights of each sample, one tensor or `null` an output; empty where there are none. */
  classWeights: Array<Tensor | null>;
  /** Disposes the weights, and what the host made beside the tensors that it was given. */
  dispose(): void;
}

/**
 * Checks and shapes a batch as `fit` does, class weights included.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1186 | standardizeUserData}
 */
export async function standardizeBatch(
  model: LayersModel,
  x: NamedTensors,
  y: NamedTensors,
  classWeight?: ClassWeights,
): Promise<Batch> {
  const host = internals(model);
  const [inputs, targets] = await host.standardizeUserData(x, y, undefined, undefined);
  const given = new Set([x, y].flatMap((value) => (value instanceof Tensor ? [value] : Object.values(value))));
  const made = [...inputs, ...targets].filter((tensor) => !given.has(tensor));
  try {
    // By itself, because the host loses the tensors that it made when class weights do not fit.
    const [, , weights] = classWeight ? await host.standardizeUserData(inputs, targets, undefined, classWeight) : [];
    const classWeights = weights ?? [];
    return {
      inputs,
      targets,
      classWeights,
      dispose: () => dispose([...made, ...classWeights.filter((weight) => weight !== null)]),
    };
  } catch (error) {
    dispose(made);
    throw error;
  }
}

/** What happens to the unreduced loss of an output before the step takes its mean. */
export type Weighting = (loss: Tensor, output: number) => Tensor;

/**
 * One optimizer step, the one that `fit`, `fitDataset` and `trainOnBatch` share.
 *
 * @returns The total loss at the weights before the step, then the values of `lossNames(model)`.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1298 | makeTrainFunction}
 */
export function runStep(model: LayersModel, { inputs, targets, classWeights }: Batch, weighting?: Weighting): Scalar[] {
  const host = internals(model);
  const tapeBefore = engine().state.activeTape;
  const restore = host.lossFunctions.map((_, output) =>
    weighting
      ? patch(host.lossFunctions, output, RANK.watch, (loss) => (yTrue, yPred) => weighting(loss(yTrue, yPred), output))
      : () => {},
  );
  try {
    return tidy(() => host.makeTrainFunction()([...inputs, ...targets, ...classWeights]));
  } catch (error) {
    if (engine().state.activeTape !== tapeBefore) disposeTape();
    throw error;
  } finally {
    restore.forEach((undo) => undo());
  }
}

/**
 * Disposes what a step that threw leaves and the host forgets: the copies that its gradients would have needed,
 * and the metrics, which it keeps.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/engine.ts#L1142-L1152 | Engine.gradients}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1357 | the metrics}
 */
function disposeTape(): void {
  const { state } = engine();
  if (state.gradientDepth > 0) return;
  state.activeTape?.forEach(({ kernelName, outputs, saved }) => {
    const metrics = kernelName === 'Mean' ? outputs.filter(({ rank }) => rank === 0) : [];
    dispose([...metrics, ...(saved ?? [])]);
  });
  state.activeTape = null!;
}
