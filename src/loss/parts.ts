import type { Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { lossNames, partNames } from '../host/model.js';
import type { StepLoss } from '../host/step.js';
import { readNumbers, sumOfNumbers } from '../util/scalars.js';

/** Numbers by name. */
export interface NamedNumbers {
  [name: string]: number;
}

/** A loss in its parts. `total = data + regularization`, and `data` is the sum of weight times part; to float32 rounding. */
export interface DecomposedLoss {
  /** What the optimizer minimises. */
  total: number;
  /** How well the model fits: the mean over the batch, summed over the parts with their weights, without any penalty. */
  data: number;
  /** The sum of all penalties, on weights and on activations. */
  regularization: number;
  /**
   * The named parts of the data loss, without their weights; class and sample weights are inside. Of a compiled model: the data
   * loss of each output, by its name in `model.outputNames`; outputs of one name are numbered, `out`, `out_1`.
   */
  parts: NamedNumbers;
  /** By which weight each part counts in `data`. */
  weights: NamedNumbers;
  /**
   * The metrics that the model was compiled with, by their names in the host's logs: `acc`, or `<output>_acc` where there are
   * several outputs. Weights do not act on them.
   */
  metrics: NamedNumbers;
}

/**
 * Names the values that follow the loss in what the host's training and test functions return.
 *
 * @param data - The data loss, which is the only output's where there is one output: the host repeats it only for several.
 * @param values - One value for each name of `lossNames(model)` after the first.
 */
export function nameValues(
  model: LayersModel,
  data: number,
  values: readonly number[],
): Pick<DecomposedLoss, 'parts' | 'weights' | 'metrics'> {
  const names = partNames(model);
  const count = names.length === 1 ? 0 : names.length;
  const own = count === 0 ? [data] : values.slice(0, count);
  const metricNames = lossNames(model).slice(1 + count);
  return {
    parts: Object.fromEntries(names.map((name, index) => [name, own[index]!])),
    weights: Object.fromEntries(names.map((name) => [name, 1])),
    metrics: Object.fromEntries(metricNames.map((name, index) => [name, values[count + index]!])),
  };
}

/**
 * Reads the loss of a step in its parts, in one transfer from the backend.
 *
 * @param values - What the host's step returned: the total, then the values of `lossNames(model)` after it. Only read.
 * @param parts - What the step was made of. Only read.
 */
export async function readStep(
  model: LayersModel,
  values: readonly Scalar[],
  parts: StepLoss,
): Promise<DecomposedLoss> {
  const numbers = await readNumbers([...values, parts.data, ...parts.penalties]);
  const [data, ...penalties] = numbers.slice(values.length);
  return {
    total: numbers[0]!,
    data: data!,
    regularization: sumOfNumbers(penalties),
    ...nameValues(model, data!, numbers.slice(1, values.length)),
  };
}

/** One scalar or several, as the host returns them from `evaluate`. */
export const asArray = (scalars: Scalar | Scalar[]): Scalar[] => (Array.isArray(scalars) ? scalars : [scalars]);
