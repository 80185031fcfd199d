import { mul, reshape, tidy, type Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { describe, list } from './describe.js';
import type { NamedTensors } from './types.js';

/**
 * The weight tensor of each output, as the host multiplies it into the unreduced loss.
 *
 * @param sampleWeight - One tensor an output, each of shape `[batch]`, or of the loss's own shape, `[batch, time]` for
 *   sequences, to weight every time step. For a model with one output the tensor itself will do.
 * @param targets - One tensor an output.
 * @returns New tensors, which the caller disposes; `null` for an output that has no weights.
 * @throws Error if an output is unknown, or a shape fits neither the batch nor the loss.
 */
export function standardizeSampleWeight(
  model: LayersModel,
  sampleWeight: NamedTensors,
  targets: readonly Tensor[],
): Array<Tensor | null> {
  const given = byOutput(model.outputNames, sampleWeight);
  given.forEach((weight, output) => weight && checkShape(weight, targets[output]!, model.outputNames[output]!));
  return given.map((weight, output) => weight && fitToLoss(weight, targets[output]!));
}

/** Weights that count both: each sample's by its class and its own. Consumes its arguments. */
export function multiplyWeights(a: Tensor | null, b: Tensor | null): Tensor | null {
  if (a === null || b === null) return a ?? b;
  const product = tidy(() => mul(a.rank < b.rank ? fitRank(a, b.rank) : a, b.rank < a.rank ? fitRank(b, a.rank) : b));
  a.dispose();
  b.dispose();
  return product;
}

function byOutput(names: readonly string[], weights: NamedTensors): Array<Tensor | null> {
  const expected = `Expected \`sampleWeight\` to hold a tensor for each output (${list(names)}), got`;
  if (isTensor(weights)) {
    if (names.length === 1) return [weights];
    throw new Error(`${expected} one tensor. Pass an array of ${names.length} tensors, or an object with those names.`);
  }
  if (Array.isArray(weights)) {
    if (weights.length === names.length && weights.every((weight) => weight == null || isTensor(weight))) {
      return weights.map((weight) => weight ?? null);
    }
    throw new Error(`${expected} ${describe(weights)}. Pass one tensor an output, in that order.`);
  }
  if (typeof weights !== 'object' || weights === null) throw new Error(`${expected} ${describe(weights)}. Pass tensors.`);
  const entries = Object.entries(weights);
  if (entries.length === 0 || entries.some(([name, weight]) => !names.includes(name) || !isTensor(weight))) {
    throw new Error(`${expected} ${describe(weights)}. Pass tensors under the outputs' names.`);
  }
  return names.map((name) => weights[name] ?? null);
}

const isTensor = (value: unknown): value is Tensor => typeof value === 'object' && value !== null && 'rank' in value;

/** The shape of an output's unreduced loss: the built-in losses reduce the last axis. */
const lossShape = (target: Tensor): number[] => target.shape.slice(0, -1);

function checkShape(weight: Tensor, target: Tensor, output: string): void {
  const expected = lossShape(target);
  const fits = (shape: readonly number[]) => String(shape) === String(expected.slice(0, shape.length));
  if (weight.rank >= 1 && weight.rank <= expected.length && fits(weight.shape)) return;
  const shapes = expected.length === 1 ? `[${expected}]` : `[${expected[0]}] or [${expected}]`;
  throw new Error(
    `Expected \`sampleWeight\` of output \`${output}\` to have the shape ${shapes}, got [${weight.shape}]. ` +
      'Pass one weight for each sample of the batch.',
  );
}

const fitToLoss = (weight: Tensor, target: Tensor): Tensor => fitRank(weight, lossShape(target).length);

const fitRank = (weight: Tensor, rank: number): Tensor =>
  reshape(weight, [...weight.shape, ...Array<number>(rank - weight.rank).fill(1)]);
