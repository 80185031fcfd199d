/**
 * What the loss is made of: in `fit` and `fitDataset`, in custom training loops and in evaluation.
 *
 * @module tfjs-decomposed-loss
 */
export { decomposedLoss } from './callbacks/decomposed-loss.js';
export { earlyStopping } from './callbacks/early-stopping/early-stopping.js';
export { evaluate, evaluateDataset } from './loss/evaluate.js';
export { trainStep } from './loss/train-step.js';
export { regularizationTerms } from './regularizers/regularization-terms.js';

export type { DecomposedLossArgs, DecomposedLossCallback } from './callbacks/decomposed-loss.js';
export type { EarlyStoppingCallback } from './callbacks/early-stopping/early-stopping.js';
export type { EarlyStoppingArgs } from './callbacks/early-stopping/early-stopping-args.js';
export type { LogKeyArgs, LogKeys } from './logs/log-keys.js';
export type { EvaluationDataset } from './host/evaluation.js';
export type { EvaluateArgs, EvaluateDatasetArgs } from './loss/evaluate.js';
export type { DecomposedLoss, NamedNumbers } from './loss/parts.js';
export type { TrainStepArgs } from './loss/train-step.js';
export type { Breakdown } from './regularizers/penalty-groups.js';
export type { RegularizationTerm } from './regularizers/regularization-terms.js';
export type { ClassWeight, ClassWeights, NamedTensors } from './util/arguments.js';
