export { DecomposedLossCallback, decomposedLoss } from './callback.js';
export { evaluate, evaluateDataset } from './evaluate.js';
export { regularizationTerms } from './regularization-terms.js';
export { trainStep } from './train-step.js';

export type { DecomposedLossArgs } from './callback.js';
export type { DecomposedLoss, MetricValue, OutputLoss } from './decomposed-loss.js';
export type { EvaluateArgs, EvaluateDatasetArgs, EvaluationDataset } from './evaluate.js';
export type { LogKeys } from './log-keys.js';
export type { Breakdown } from './penalty-groups.js';
export type { RegularizationTerm } from './regularization-terms.js';
export type { TrainStepArgs } from './train-step.js';
export type { ClassWeight, ClassWeights, NamedTensors } from './types.js';
