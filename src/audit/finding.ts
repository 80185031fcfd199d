import type { AuditedTerm } from './audited-model.js';

/** What a finding is about; the codes stay what they are from release to release. */
export type RegularizationFindingCode =
  /** Training never adds the penalty: recurrent cells, a model within a TimeDistributed, a Sequential within a Sequential. */
  | 'regularizer-dropped'
  /** A layer or model is shared, and training adds the penalty once a call. */
  | 'penalty-counted-repeatedly'
  /** `sequential.calculateLosses()` lacks a term that training adds. */
  | 'nested-sequential-mismatch'
  /** Training adds the penalty of a weight that it does not move. */
  | 'frozen-layer-penalized'
  /** Maybe `l1l2` filled in the 0.01. */
  | 'implicit-coefficient'
  /** The regularizer does nothing. */
  | 'coefficient-zero'
  /** The regularizer rewards large weights. */
  | 'coefficient-negative'
  /** A coefficient is NaN or infinite. */
  | 'coefficient-not-finite'
  /** A regularizer was assigned to a layer whose weights were there already. */
  | 'assigned-after-build'
  /** The layer does not use this argument. */
  | 'ignored-argument'
  /** The layer's `activityRegularizer` is set, and TensorFlow.js does not ask it. */
  | 'activity-regularizer-ignored'
  /** A trainable kernel has no regularizer, while others have one. */
  | 'kernel-without-regularizer'
  /** TensorFlow.js computes another penalty than the weights and coefficients give. */
  | 'penalty-disagrees';

/** Something about a model's regularizers that is not as it looks. */
export interface RegularizationFinding {
  /** What it is about. */
  code: RegularizationFindingCode;
  /** `'warning'` where training does, or may do, another thing than declared; `'information'` where it is only good to know. */
  severity: 'warning' | 'information';
  /** The layer, behind the names of the models and wrappers that it lies in, as in `regularizationTerms`: `encoder/dense_1`. */
  layer: string;
  /** The weight's name within the layer, `kernel`, say; `null` where there is none. */
  weight: string | null;
  /** What is declared, in words: `l2(0.1)`. */
  declared: string;
  /** What training makes of it, in words. */
  applied: string;
  /** What to do. */
  remedy: string;
  /**
   * The penalty at the current weights, in the unit of the loss; `null` where there is nothing to compute it from, and in
   * the audit of a topology alone.
   */
  penalty: {
    /** As declared, counted once. */
    declared: number;
    /** As a training step adds it. */
    applied: number;
  } | null;
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
const penaltyOf = ({ value, recomputed, applied }: AuditedTerm): RegularizationFinding['penalty'] =>
  value === undefined ? null : { declared: recomputed ?? value, applied: applied === 0 ? 0 : applied * value };
