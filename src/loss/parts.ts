import type { Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { lossNames } from '../host/model.js';
import { readNumbers, sumOfNumbers } from '../util/scalars.js';

/** A loss in its parts. `total = data + regularization`, to float32 rounding. */
export interface DecomposedLoss {
  /** What the optimizer minimises. */
  total: number;
  /** How well the model fits: the (weighted) mean over the batch, summed over the outputs, without any penalty. */
  data: number;
  /** The sum of all penalties, on weights and on activations. */
  regularization: number;
  /** The data loss of each output. */
  outputs: OutputLoss[];
  /** The metrics that the model was compiled with. */
  metrics: MetricValue[];
}

/** The data loss of one output of a model. */
export interface OutputLoss {
  /** The output's name, as in `model.outputNames`. */
  name: string;
  /** The (weighted) mean over the batch. */
  data: number;
}

/** The value of one of a model's compiled metrics. */
export interface MetricValue {
  /** The metric's name as in the host's logs: `acc`, or `<output>_acc` where there are several outputs. */
  name: string;
  /** As the host computes it: weights do not act on it. */
  value: number;
}

/**
 * Puts names to the values that stand behind the loss in what the host's training and test functions return.
 *
 * @param data - The data loss, which is the only output's where there is one output: the host repeats it only for several.
 * @param values - One value a name of `lossNames(model)` behind the first.
 */
export function nameValues(
  model: LayersModel,
  data: number,
  values: readonly number[],
): Pick<DecomposedLoss, 'outputs' | 'metrics'> {
  const outputNames = model.outputNames;
  const own = outputNames.length === 1 ? [data] : values.slice(0, outputNames.length);
  const rest = outputNames.length === 1 ? values : values.slice(outputNames.length);
  const metricNames = lossNames(model).slice(-rest.length);
  return {
    outputs: outputNames.map((name, index) => ({ name, data: own[index]! })),
    metrics: rest.map((value, index) => ({ name: metricNames[index]!, value })),
  };
}

/**
 * Reads the loss of a step in its parts, in one transfer from the backend.
 *
 * @param values - What the host's step returned: the total, then the values of `lossNames(model)` behind it. Only read.
 * @param parts - What the step was made of. Only read.
 */
export async function readStep(
  model: LayersModel,
  values: readonly Scalar[],
  parts: { data: Scalar; penalties: readonly Scalar[] },
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
