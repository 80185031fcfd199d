import {
  abs,
  cast,
  clone,
  customGrad,
  dispose,
  greater,
  keep,
  mul,
  square,
  stack,
  sub,
  sum,
  tidy,
  unstack,
} from '@tensorflow/tfjs-core';
import type { GradSaveFunc, Scalar, Tensor } from '@tensorflow/tfjs-core';
import { unrecorded } from '../host/gradients.js';
import { exactSign, l2Loss } from '../host/penalties/kernels.js';
import { groupBy } from '../util/group-by.js';
import { sumOf } from '../util/scalars.js';

/** A penalty: `factor * (l1 * sum(abs(weight)) + l2 * sum(weight ** 2))`. */
export interface FusedPenalty {
  l1: number;
  l2: number;
  factor: number;
  /** Whether the derivative of `abs` at 0 is Keras's 0, and not the host's -1. */
  kerasAbs: boolean;
}

/**
 * The sum of the same penalty on several weights, as one operation with a gradient of its own.
 *
 * The host makes of each `l2 * sum(weight ** 2)` a square, a product and a sum, and in the gradient a tensor of ones and
 * three products, all as large as the weight. Here it is one pass for the value and one product, `2 * l2 * weight`, for
 * the gradient; small weights of one shape go through both together. A weight that is NaN makes the loss NaN, and not the
 * gradient of its `abs`. A second derivative is right as well.
 *
 * @param each - Whether to return also each penalty by itself.
 * @returns A scalar of the active scope; and `parts`, kept and without gradient, which the caller disposes.
 */
export function fusedPenalty(
  weights: readonly Tensor[],
  penalty: FusedPenalty,
  each: boolean,
): { sum: Scalar; parts: Scalar[] } {
  const { l1, l2, factor, kerasAbs } = penalty;
  const blocks = blocksOf(weights);
  // Before the operation and off the tape: TensorFlow.js takes what an operation keeps, beside its value, for a leak.
  const { summands, signs } = unrecorded(() => tidy(() => penaltyValues(blocks, weights, penalty, each)));
  const operation = customGrad<Scalar>((...inputs: Array<Tensor | GradSaveFunc>) => {
    (inputs.at(-1) as GradSaveFunc)(signs);
    return {
      // A single part is the caller's, and its sum the host's: two tensors.
      value: each ? clone(sumOf(summands)) : sumOf(summands),
      gradFunc: (dy: Scalar, saved: Tensor[]) =>
        tidy(() => {
          const slope = mul(dy, 2 * l2 * factor);
          const rise = mul(dy, l1 * factor);
          const gradients: Tensor[] = [];
          blocks.forEach((places, index) => {
            // Joined anew, so that a second derivative finds the way back to the weights.
            const l2Gradient = l2 === 0 ? [] : [mul(slope, joinBlock(places, weights))];
            const l1Gradient =
              l1 === 0 ? [] : [kerasAbs ? mul(rise, saved[index]!) : hostAbsGradient(rise, saved[index]!)];
            const gradient = sumOf([...l2Gradient, ...l1Gradient]);
            const split = places.length === 1 ? [gradient] : unstack(gradient);
            places.forEach((place, item) => (gradients[place] = split[item]!));
          });
          return gradients;
        }),
    };
  });

  const sum = operation(...weights);
  dispose(signs);
  return { sum, parts: each ? summands.map(keep) : [] };
}

/** The penalty of each weight, or of all in one, and what the gradient of `abs` needs to know of the weights' signs. */
function penaltyValues(
  blocks: ReadonlyArray<readonly number[]>,
  weights: readonly Tensor[],
  penalty: FusedPenalty,
  each: boolean,
): { summands: Scalar[]; signs: Tensor[] } {
  const joined = blocks.map((places) => joinBlock(places, weights));
  const signOf = (block: Tensor): Tensor => (penalty.kerasAbs ? exactSign(block) : greater(block, 0));
  const signs = penalty.l1 === 0 ? [] : joined.map(signOf);
  if (!each) return { summands: [weightedSum(joined, penalty)], signs };
  const summands: Scalar[] = [];
  blocks.forEach((places, index) => {
    const values = partsOf(joined[index]!, places.length, penalty);
    places.forEach((place, item) => (summands[place] = values[item]!));
  });
  return { summands, signs };
}

/** `rise` where the weight was above 0, `-rise` elsewhere. */
const hostAbsGradient = (rise: Tensor, positive: Tensor): Tensor =>
  sub(mul(mul(rise, 2), cast(positive, 'float32')), rise);

/** Up to this size the time of an operation is that of the call, not that of the memory. */
const SMALL = 2 ** 14;

/** With one axis more the backends still compute. */
const MOST_AXES = 5;

/** The places of the weights that go through the operations together: small ones of one shape, any other by itself. */
function blocksOf(weights: readonly Tensor[]): number[][] {
  const isAlone = ({ size, rank }: Tensor): boolean => size > SMALL || rank > MOST_AXES;
  const blocks = groupBy([...weights.keys()], (place) => {
    const weight = weights[place]!;
    return isAlone(weight) ? place : weight.shape.join();
  });
  return [...blocks.values()];
}

const joinBlock = (places: readonly number[], tensors: readonly Tensor[]): Tensor =>
  places.length === 1 ? tensors[places[0]!]! : stack(places.map((place) => tensors[place]!));

function weightedSum(tensors: readonly Tensor[], { l1, l2, factor }: FusedPenalty): Scalar {
  const absolutes =
    l1 === 0 ? [] : [mul<Scalar>(sumOf(tensors.map((tensor) => sum<Scalar>(abs(tensor)))), l1 * factor)];
  const squares = l2 === 0 ? [] : [mul<Scalar>(sumOf(tensors.map(l2Loss)), 2 * l2 * factor)];
  return sumOf([...absolutes, ...squares]);
}

/** The penalty of each weight of a block. */
function partsOf(block: Tensor, count: number, penalty: FusedPenalty): Scalar[] {
  if (count === 1) return [weightedSum([block], penalty)];
  const axes = block.shape.map((_, axis) => axis).slice(1);
  const { l1, l2, factor } = penalty;
  const absolutes = l1 === 0 ? [] : [mul(sum(abs(block), axes), l1 * factor)];
  const squares = l2 === 0 ? [] : [mul(sum(square(block), axes), l2 * factor)];
  return unstack(sumOf([...absolutes, ...squares])) as Scalar[];
}
