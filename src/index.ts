/**
 * What the loss is made of, in training and evaluation, and regularizers that act.
 *
 * @module tfjs-decomposed-loss
 */
export { AccumulatedGradients, accumulate } from './accumulate.js';
export { ActivityRegularization, activityRegularization } from './activity-regularization.js';
export { auditRegularization } from './audit-regularization.js';
export { DecomposedLossCallback, decomposedLoss } from './callback.js';
export { EarlyStoppingCallback, earlyStopping } from './early-stopping.js';
export { enforceRegularization } from './enforce-regularization.js';
export { evaluate, evaluateDataset } from './evaluate.js';
export { fuseRegularizers } from './fuse-regularizers.js';
export { GradientBalanceCallback, gradientBalance } from './gradient-balance.js';
export { registerKerasRegularizers } from './keras-regularizers.js';
export { lossAndGradients } from './loss-and-gradients.js';
export { plotLosses } from './plot-losses.js';
export { regularizationTerms } from './regularization-terms.js';
export { trainStep } from './train-step.js';
export { addWeightDecay } from './weight-decay.js';

export type { ActivityRegularizationArgs } from './activity-regularization.js';
export type { AuditRegularizationArgs } from './audit-regularization.js';
export type { RegularizationFinding, RegularizationFindingCode } from './audit/finding.js';
export type { RegularizationAudit } from './audit/report.js';
export type { DecomposedLossArgs } from './callback.js';
export type { DecomposedLoss, MetricValue, OutputLoss } from './decomposed-loss.js';
export type { EarlyStoppingArgs } from './early-stopping-args.js';
export type { EnforcedChange, EnforcedRegularization } from './enforce-regularization.js';
export type { EnforceRegularizationArgs } from './enforced-penalties.js';
export type { EvaluateArgs, EvaluateDatasetArgs, EvaluationDataset } from './evaluate.js';
export type { FusedRegularizers, FusedTerm } from './fuse-regularizers.js';
export type { GradientBalanceArgs } from './gradient-balance.js';
export type { RegisterKerasRegularizersArgs } from './keras-regularizers.js';
export type { LogKeys } from './log-keys.js';
export type { LossAndGradients } from './loss-and-gradients.js';
export type { Breakdown } from './penalty-groups.js';
export type { PlotLossesArgs } from './plot-losses.js';
export type { RegularizationTerm } from './regularization-terms.js';
export type { TrainStepArgs } from './train-step.js';
export type { ClassWeight, ClassWeights, NamedTensors } from './types.js';
export type { AddWeightDecayArgs, DecayedWeight, WeightDecay } from './weight-decay.js';
export type { WeightSelector } from './weight-selection.js';
