import { Tensor, dispose, engine, tidy, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { ClassWeights, NamedTensors } from '../../util/arguments.js';
import { disposeTape } from '../gradients.js';
import { internals } from '../model/model.js';
import { RANK, patch } from '../patch.js';

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
  const { lossFunctions, metricsTensors } = internals(model);
  const places: number[] = [];
  const noted = (value: Tensor): Tensor => {
    places.push(engine().state.activeTape?.length ?? 0);
    return value;
  };
  const restore = [
    ...lossFunctions.map((_, output) =>
      patch(lossFunctions, output, RANK.watch, (loss, yTrue, yPred) => {
        const value = loss(yTrue, yPred);
        return noted(weighting ? weighting(value, output) : value);
      }),
    ),
    ...metricsTensors.map((pair) => patch(pair, 0, RANK.watch, (metric, yTrue, yPred) => noted(metric(yTrue, yPred)))),
  ];
  try {
    return tidy(() => internals(model).makeTrainFunction()([...inputs, ...targets, ...classWeights]));
  } catch (error) {
    disposeMeans(places);
    disposeTape();
    throw error;
  } finally {
    restore.forEach((undo) => undo());
  }
}

/**
 * Disposes the means of losses and metrics that the host keeps, of a step that threw.
 *
 * @param places - How long the tape was each time that a loss or a metric had returned: the next mean is the host's, others
 *   may be the user's.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1357 | the metrics}
 */
function disposeMeans(places: readonly number[]): void {
  const tape = engine().state.activeTape ?? [];
  dispose(places.flatMap((place) => tape.slice(place).find(({ kernelName }) => kernelName === 'Mean')?.outputs ?? []));
}
