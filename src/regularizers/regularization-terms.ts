import { tidy, type Scalar, type serialization } from '@tensorflow/tfjs-core';
import { regularizers, type LayersModel } from '@tensorflow/tfjs-layers';
import { actingCoefficients, className } from '../host/model/regularizers.js';
import { builtModel, refuseActivityRegularizers } from '../host/model/trained-model.js';
import { appliedPenalties } from '../host/penalties/penalties.js';
import { inspectPenalty, type PenaltySource } from '../host/penalties/penalty-sources.js';
import { readNumbersSync, sumOfNumbers } from '../util/scalars.js';
import { distinct } from './declared-regularizers.js';
import { isOrthogonal } from './orthogonal.js';
import { shortName } from './penalty-groups.js';

/** One regularizer on one weight, or on a layer's activations, or a loss that was added by hand. */
export interface RegularizationTerm {
  /** The layer, after the names of the models and wrappers that it is in: `encoder/dense_1`. */
  layer: string;
  /** The weight's name within the layer, for example `kernel`; `null` for activations and for a loss added with `layer.addLoss`. */
  weight: string | null;
  /**
   * `'l1'` or `'l2'` for TensorFlow.js's own regularizers, of which an `l1l2` with both makes two terms (and one with
   * neither a single `'l1l2'`); `'orthogonal'`; `'custom'` for any other class, `'activity'` for an `activityRegularization` layer,
   * `'added'` for a loss added with `layer.addLoss`.
   */
  kind: 'l1' | 'l2' | 'l1l2' | 'orthogonal' | 'custom' | 'activity' | 'added';
  /** The regularizer's class name; `null` for activations and for a loss added by hand. */
  regularizer: string | null;
  /** The coefficient of the sum of absolute values in this term; 0 where it has none, or where only another class knows. */
  l1: number;
  /** The coefficient of the sum of squares in this term; 0 where it has none, or where only another class knows. */
  l2: number;
  /**
   * What training adds to the loss for this term at the current weights: coefficient and calls included, and the factor of a
   * `regularizationSchedule` while it trains. 0 for activations, because there are none without data; `evaluate` has their
   * penalty.
   */
  value: number;
  /** `value` as a fraction of the whole regularization loss, 0 where that is 0. */
  share: number;
  /** How often training adds the term: once for each time that the layer is called within the model. */
  calls: number;
}

/**
 * The penalty that each regularizer adds to the loss, at the current weights.
 *
 * A layer that is called k times is listed once with `calls: k` and k times its penalty, because that is what `fit`
 * adds: the rows sum to the regularization loss that the optimizer minimises, but for the penalties on activations. A layer that
 * TensorFlow.js silently leaves out, for example the cell of an LSTM, has no row.
 *
 * @param model - A built model. Only read.
 * @returns One row per term, in the order of the layers.
 * @throws Error if `model` is not a built `tf.LayersModel`, or a layer has an `activityRegularizer`.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/container.ts#L1061 | Container.calculateLosses},
 * which adds one penalty a call.
 */
export function regularizationTerms(model: LayersModel): RegularizationTerm[] {
  const trained = builtModel(model);
  refuseActivityRegularizers(trained);
  const all = distinct(appliedPenalties(trained));
  let terms: RegularizationTerm[] = [];
  tidy(() => {
    const parts = all.flatMap(({ penalty, calls }) => {
      const { value, source } = inspectPenalty(penalty);
      const { layer, path } = penalty;
      const named = penalty.kind === 'activity' ? [activityPart(layer.getConfig(), value)] : split(value, source);
      const times = calls * penalty.factor();
      return named.map((part) => ({ ...part, layer: path, calls, times }));
    });
    const values = readNumbersSync(parts.map(({ value }) => value)).map((value, row) => value * parts[row]!.times);
    const whole = sumOfNumbers(values);
    terms = parts.map(({ layer, weight, kind, regularizer, l1, l2, calls }, row) => {
      const value = values[row]!;
      return { layer, weight, kind, regularizer, l1, l2, value, share: whole === 0 ? 0 : value / whole, calls };
    });
  });
  return terms;
}

type Part = Pick<RegularizationTerm, 'weight' | 'kind' | 'regularizer' | 'l1' | 'l2'> & { value: Scalar };

function activityPart({ l1, l2 }: serialization.ConfigDict, value: Scalar): Part {
  return { weight: null, kind: 'activity', regularizer: null, l1: Number(l1), l2: Number(l2), value };
}

function split(value: Scalar, source: PenaltySource | null): Part[] {
  if (source === null) return [{ weight: null, kind: 'added', regularizer: null, l1: 0, l2: 0, value }];
  const known = actingCoefficients(source.regularizer);
  const named = { weight: shortName(source.weight), regularizer: className(source.regularizer) };
  const kind = isOrthogonal(source.regularizer) ? 'orthogonal' : 'custom';
  if (known === undefined) return [{ ...named, kind, l1: 0, l2: 0, value }];
  const { l1, l2 } = known;
  if (l1 === 0 || l2 === 0) return [{ ...named, kind: l1 !== 0 ? 'l1' : l2 !== 0 ? 'l2' : 'l1l2', l1, l2, value }];
  const weight = source.weight.read();
  return [
    { ...named, kind: 'l1', l1, l2: 0, value: regularizers.l1({ l1 }).apply(weight) },
    { ...named, kind: 'l2', l1: 0, l2, value: regularizers.l2({ l2 }).apply(weight) },
  ];
}
