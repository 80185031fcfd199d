import { Tensor, mul, reshape } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Weighting } from '../host/step/batch.js';
import { describe, list, type NamedTensors } from '../util/arguments.js';

/**
 * How to weight the loss of each output, as it comes from the loss function: one value a sample, or a sample and time step.
 *
 * @param sampleWeight - One tensor an output, each of shape `[batch]`, or `[batch, time]` for a loss that has one value a
 *   time step. For a model with one output the tensor itself will do. Only read.
 * @returns To be called within the step, where it throws if a weight does not fit the shape of its loss.
 * @throws Error if an output is unknown, or a weight is not of the batch's length.
 */
export function weightingBy(model: LayersModel, sampleWeight: NamedTensors, batchSize: number): Weighting {
  const names = model.outputNames;
  const weights = byOutput(names, sampleWeight);
  weights.forEach((weight, output) => weight && checkLength(weight, batchSize, names[output]!));
  return (loss, output) => {
    const weight = weights[output];
    return weight == null ? loss : mul(loss, fitToLoss(weight, loss, names[output]!));
  };
}

function byOutput(names: readonly string[], weights: NamedTensors): Array<Tensor | null> {
  const expected = `Expected \`sampleWeight\` to hold a tensor for each output (${list(names)}), got`;
  if (weights instanceof Tensor) {
    if (names.length === 1) return [weights];
    throw new Error(`${expected} one tensor. Pass an array of ${names.length} tensors, or an object with those names.`);
  }
  if (typeof weights !== 'object' || weights === null) {
    throw new Error(`${expected} ${describe(weights)}. Pass tensors.`);
  }
  if (Array.isArray(weights)) {
    if (weights.length === names.length && weights.every((weight) => weight == null || weight instanceof Tensor)) {
      return weights.map((weight) => weight ?? null);
    }
    throw new Error(`${expected} ${describe(weights)}. Pass one tensor an output, in that order.`);
  }
  const entries = Object.entries(weights);
  if (entries.length === 0 || entries.some(([name, weight]) => !names.includes(name) || !(weight instanceof Tensor))) {
    throw new Error(`${expected} ${describe(weights)}. Pass tensors under the outputs' names.`);
  }
  return names.map((name) => weights[name] ?? null);
}

function checkLength({ shape, dtype }: Tensor, batchSize: number, output: string): void {
  if (shape[0] === batchSize && (dtype === 'float32' || dtype === 'int32')) return;
  throw new Error(
    `Expected \`sampleWeight\` of output \`${output}\` to have the shape [${batchSize}] and the type float32, got ` +
      `[${shape}] and ${dtype}. Pass one weight for each sample of the batch.`,
  );
}

/** The weight with as many axes as the loss has. */
function fitToLoss(weight: Tensor, loss: Tensor, output: string): Tensor {
  if (String(weight.shape) !== String(loss.shape.slice(0, weight.rank))) {
    throw new Error(
      `Expected \`sampleWeight\` of output \`${output}\` to have the shape of its loss, [${loss.shape}], or the first axes ` +
        `of it, got [${weight.shape}]. A loss function has to return one value a sample: the functions in \`tf.losses\` ` +
        "return their mean, their names ('meanSquaredError') stand for functions that do not.",
    );
  }
  return reshape(weight, [...weight.shape, ...Array<number>(loss.rank - weight.rank).fill(1)]);
}
