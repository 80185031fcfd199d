import { tidy } from '@tensorflow/tfjs-core';
import { LayersModel, type LayerVariable, type layers } from '@tensorflow/tfjs-layers';
import { coefficients, type Regularizer } from '../host/model/regularizers.js';
import { builtModel } from '../host/model/trained-model.js';
import { layerNames } from '../host/model/walk.js';
import { declaredPenalties } from '../host/penalties/penalties.js';
import {
  declaredRegularizers,
  regularizerText,
  type DeclaredRegularizer,
} from '../regularizers/declared-regularizers.js';
import { shortName } from '../regularizers/penalty-groups.js';
import { placedWeights, type PlacedWeight } from '../regularizers/weight-selection.js';
import { groupBy } from '../util/group-by.js';
import { readNumbersSync } from '../util/scalars.js';
import type { RegularizationFinding } from './report.js';

/** One regularizer on one weight, with what the finders want to know of it. */
export interface AuditedTerm extends DeclaredRegularizer {
  /** For example `kernel`. */
  weightName: string;
  /** `l2(0.1)`; the class name of a custom regularizer. */
  text: string;
  /** `undefined` for another class than the host's. */
  coefficients: { l1: number; l2: number } | undefined;
  /** Whether the next `compile` would let training move it. */
  movable: boolean;
  /** The penalty as the host computes it, once; `undefined` without values. */
  value: number | undefined;
  /** The same in float64 from the weight's values; `undefined` for another class, and without values. */
  recomputed: number | undefined;
}

/** A model as the finders see it. */
export interface AuditedModel {
  /** As the user knows it: of a `Sequential` that itself. */
  model: LayersModel;
  /** The one that training runs on. */
  trained: LayersModel;
  terms: AuditedTerm[];
  /** The same by the weight that they are on. */
  termsOn: ReadonlyMap<LayerVariable, AuditedTerm[]>;
  /** Whether the weights have the values of a model, and not only its structure. */
  hasValues: boolean;
  /** Every layer and cell that has weights, but no model, each once. */
  layers: Array<{ layer: layers.Layer; path: string }>;
  weights: PlacedWeight[];
  /** The layers that compute their penalties by a `calculateLosses` of their own, of which no more can be said. */
  opaque: Set<layers.Layer>;
}

/**
 * Reads a model for the audit.
 *
 * @param model - A built model. Only read.
 * @param hasValues - Whether its weights have values.
 * @throws Error if `model` is not a built `tf.LayersModel`.
 */
export function auditedModel(model: LayersModel, hasValues: boolean): AuditedModel {
  const trained = builtModel(model);
  const weights = placedWeights(model);
  const places = new Map<layers.Layer, { layer: layers.Layer; path: string }>();
  for (const place of weights.flatMap(({ around }) => around)) {
    if (!(place.layer instanceof LayersModel) && !places.has(place.layer)) places.set(place.layer, place);
  }
  const terms = auditedTerms(trained, hasValues);
  return {
    model,
    trained,
    terms,
    termsOn: groupBy(terms, ({ weight }) => weight),
    hasValues,
    layers: [...places.values()],
    weights,
    opaque: new Set(declaredPenalties(trained).flatMap(({ closure, layer }) => (closure === undefined ? [layer] : []))),
  };
}

function auditedTerms(trained: LayersModel, hasValues: boolean): AuditedTerm[] {
  const movable = new Set(trained.trainableWeights);
  const declared = declaredRegularizers(trained);
  const nameOf = layerNames(trained);
  let values: number[] = [];
  if (hasValues) {
    tidy(() => {
      values = readNumbersSync(declared.map(({ penalty }) => penalty.declared()));
    });
  }
  return declared.map((term, index) => ({
    ...term,
    path: nameOf({ layer: term.owner, path: term.path }),
    weightName: shortName(term.weight),
    text: regularizerText(term.regularizer),
    coefficients: coefficients(term.regularizer),
    movable: movable.has(term.weight),
    value: values[index],
    recomputed: hasValues ? penaltyInFloat64(term.regularizer, term.weight) : undefined,
  }));
}

/** `l1 * sum|w| + l2 * sum w²` in float64; `undefined` for another class. */
function penaltyInFloat64(regularizer: Regularizer, weight: LayerVariable): number | undefined {
  const known = coefficients(regularizer);
  if (known === undefined) return undefined;
  let [absolute, squares] = [0, 0];
  for (const value of weight.read().dataSync<'float32'>()) {
    absolute += Math.abs(value);
    squares += value * value;
  }
  return (known.l1 === 0 ? 0 : known.l1 * absolute) + (known.l2 === 0 ? 0 : known.l2 * squares);
}

/** `once`, `twice`, `3 times`; `nothing` for none. */
export const times = (count: number): string => ['nothing', 'once', 'twice'][count] ?? `${count} times`;

/** What findings about one regularizer on one weight have in common. */
export const aboutTerm = (
  term: AuditedTerm,
): Pick<RegularizationFinding, 'layer' | 'weight' | 'declared' | 'applied' | 'penalty'> => ({
  layer: term.path,
  weight: term.weightName,
  declared: term.text,
  applied: times(term.applied),
  penalty: penaltyOf(term),
});

/** As declared, and as a training step adds it; `null` without values. */
function penaltyOf({ value, recomputed, applied, penalty }: AuditedTerm): RegularizationFinding['penalty'] {
  if (value === undefined) return null;
  return { declared: recomputed ?? value, applied: applied === 0 ? 0 : applied * penalty.factor() * value };
}
