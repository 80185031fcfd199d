/**
 * The subpath `tfjs-decomposed-loss/regularizers`: makes regularizers take effect, and cost less.
 *
 * @module tfjs-decomposed-loss/regularizers
 */
export { auditRegularizers } from './audit/audit-regularizers.js';
export { regularizationSchedule } from './callbacks/regularization-schedule.js';
export { activityRegularization } from './regularizers/activity-regularization.js';
export { withWeightDecay } from './regularizers/decoupled-weight-decay.js';
export { enforceRegularizers } from './regularizers/enforce-regularizers.js';
export { fuseRegularizers } from './regularizers/fuse-regularizers.js';
export { orthogonal } from './regularizers/orthogonal.js';
export { registerKerasClasses } from './regularizers/keras-classes.js';
export { addWeightDecay } from './regularizers/weight-decay.js';

export type { AuditRegularizersArgs } from './audit/audit-regularizers.js';
export type { RegularizationAudit, RegularizationFinding, RegularizationFindingCode } from './audit/report.js';
export type { RegularizationFactor, RegularizationScheduleCallback } from './callbacks/regularization-schedule.js';
export type { ActivityRegularization, ActivityRegularizationArgs } from './regularizers/activity-regularization.js';
export type { DecayedVariables, WithWeightDecayArgs } from './regularizers/decoupled-weight-decay.js';
export type {
  EnforcedChange,
  EnforcedRegularizers,
  EnforceRegularizersArgs,
} from './regularizers/enforce-regularizers.js';
export type { FusedRegularizers, FusedTerm } from './regularizers/fuse-regularizers.js';
export type { OrthogonalArgs, OrthogonalMode, OrthogonalRegularizer } from './regularizers/orthogonal.js';
export type { RegisterKerasClassesArgs } from './regularizers/keras-classes.js';
export type { AddWeightDecayArgs, DecayedWeight, WeightDecay } from './regularizers/weight-decay.js';
export type { WeightSelector } from './regularizers/weight-selection.js';
