import { divNoNan, keep, mul, sqrt, square, sum, tidy } from '@tensorflow/tfjs-core';
import type { Scalar, Tensor, Variable } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { gradientsOnTape, unrecorded } from '../../host/gradients.js';
import { weightPaths } from '../../host/weights.js';
import type { LossOnTape } from '../../host/loss-on-tape.js';
import { sumOf } from '../../util/scalars.js';

/** The quantities that are compared, and the names under which they stand in the logs, before `/<layer>`. */
export const BALANCE_KEYS = ['gradient/data', 'gradient/penalty', 'gradient/cosine'] as const;

/** Places in the list of weights, by the path of the layer that they are in. */
export type WeightsByLayer = ReadonlyMap<string, readonly number[]>;

export function weightsByLayer(model: LayersModel, variables: readonly Variable[]): WeightsByLayer {
  const paths = weightPaths(model);
  const groups = new Map<string, number[]>();
  variables.forEach(({ name }, index) => {
    const path = paths.get(name)!;
    groups.set(path, [...(groups.get(path) ?? []), index]);
  });
  return groups;
}

/**
 * How data and penalty pull at the weights of each layer in the step that is on the gradient tape now.
 *
 * @returns For each layer the norm of the data gradient, the norm of the penalty gradient, and the cosine between the two;
 *   kept scalars, which the caller disposes.
 */
export function layerBalance(
  { data, penalties }: LossOnTape,
  variables: readonly Variable[],
  layers: WeightsByLayer,
): Scalar[] {
  const regularization = sumOf(penalties);
  return unrecorded(() =>
    tidy(() => {
      const trainable = variables.filter((variable) => variable.trainable);
      const [ofData, ofPenalty] = [data, regularization].map((part) => {
        const gradients = gradientsOnTape(part, trainable);
        return variables.map((variable) => gradients[trainable.indexOf(variable)]);
      });
      const balance = [...layers.values()].flatMap((weights) =>
        compare(
          weights.map((weight) => ofData![weight]),
          weights.map((weight) => ofPenalty![weight]),
        ),
      );
      return balance.map(keep);
    }),
  );
}

type Gradient = Tensor | undefined;

function compare(data: readonly Gradient[], penalty: readonly Gradient[]): [Scalar, Scalar, Scalar] {
  const [dataNorm, penaltyNorm] = [norm(data), norm(penalty)];
  const products = data.flatMap((one, index) => {
    const other = penalty[index];
    return one && other ? [sum<Scalar>(mul(one, other))] : [];
  });
  return [dataNorm, penaltyNorm, divNoNan(divNoNan(sumOf(products), dataNorm), penaltyNorm)];
}

function norm(gradients: readonly Gradient[]): Scalar {
  return sqrt(sumOf(gradients.flatMap((gradient) => (gradient ? [sum<Scalar>(square(gradient))] : []))));
}
