/**
 * What the loss is made of, in training and evaluation, and regularizers that act.
 *
 * @module tfjs-decomposed-loss
 */
export { AccumulatedGradients, accumulate } from './gradients/accumulate.js';
export { ActivityRegularization, activityRegularization } from './regularizers/activity-regularization.js';
export { auditRegularization } from './audit-regularization.js';
export { DecomposedLossCallback, decomposedLoss } from './callback.js';
export { EarlyStoppingCallback, earlyStopping } from './early-stopping/early-stopping.js';
export { enforceRegularization } from './regularizers/enforce-regularization.js';
export { evaluate, evaluateDataset } from './evaluate.js';
export { fuseRegularizers } from './regularizers/fuse-regularizers.js';
export { GradientBalanceCallback, gradientBalance } from './gradients/gradient-balance.js';
export { registerKerasRegularizers } from './regularizers/keras-regularizers.js';
export { lossAndGradients } from './gradients/loss-and-gradients.js';
export { plotLosses } from './plot-losses.js';
export { regularizationTerms } from './regularizers/regularization-terms.js';
export { trainStep } from './train-step.js';
export { addWeightDecay } from './regularizers/weight-decay.js';

export type { ActivityRegularizationArgs } from './regularizers/activity-regularization.js';
export type { AuditRegularizationArgs } from './audit-regularization.js';
export type { RegularizationFinding, RegularizationFindingCode } from './audit/finding.js';
export type { RegularizationAudit } from './audit/report.js';
export type { DecomposedLossArgs } from './callback.js';
export type { DecomposedLoss, MetricValue, OutputLoss } from './decomposed-loss.js';
export type { EarlyStoppingArgs } from './early-stopping/early-stopping-args.js';
export type { EnforcedChange, EnforcedRegularization } from './regularizers/enforce-regularization.js';
export type { EnforceRegularizationArgs } from './regularizers/enforced-penalties.js';
export type { EvaluateArgs, EvaluateDatasetArgs, EvaluationDataset } from './evaluate.js';
export type { FusedRegularizers, FusedTerm } from './regularizers/fuse-regularizers.js';
export type { GradientBalanceArgs } from './gradients/gradient-balance.js';
export type { RegisterKerasRegularizersArgs } from './regularizers/keras-regularizers.js';
export type { LogKeys } from './log-keys.js';
export type { LossAndGradients } from './gradients/loss-and-gradients.js';
export type { Breakdown } from './penalty-groups.js';
export type { PlotLossesArgs } from './plot-losses.js';
export type { RegularizationTerm } from './regularizers/regularization-terms.js';
export type { TrainStepArgs } from './train-step.js';
export type { ClassWeight, ClassWeights, NamedTensors } from './types.js';
export type { AddWeightDecayArgs, DecayedWeight, WeightDecay } from './regularizers/weight-decay.js';
export type { WeightSelector } from './regularizers/weight-selection.js';
