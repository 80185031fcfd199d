/**
 * What the loss is made of: in `fit` and `fitDataset`, in custom training loops and in evaluation.
 *
 * @module tfjs-decomposed-loss
 */
export { combineCallbacks } from './callbacks/combine-callbacks.js';
export { decomposedLoss } from './callbacks/decomposed-loss.js';
export { earlyStopping } from './callbacks/early-stopping/early-stopping.js';
export { variableGrads } from './gradients/variable-grads.js';
export { evaluate, evaluateDataset } from './loss/evaluate.js';
export { lossTerm } from './loss/loss-term.js';
export { evaluateLoss, minimize } from './loss/minimize.js';
export { regularizationLoss } from './loss/regularization-loss.js';
export { trainingLoop } from './callbacks/training-loop.js';
export { trainStep } from './loss/train-step.js';
export { regularizationTerms } from './regularizers/regularization-terms.js';

export type { CombinableCallback } from './callbacks/combine-callbacks.js';
export type { DecomposedLossCallback } from './callbacks/decomposed-loss.js';
export type { DecomposedLossArgs } from './callbacks/decomposed-loss.js';
export type { TrainingLoop } from './callbacks/callback-loop.js';
export type { TrainingLoopArgs } from './callbacks/training-loop.js';
export type { NamedSteps, Step } from './logs/loop-logs.js';
export type { EarlyStoppingCallback } from './callbacks/early-stopping/early-stopping.js';
export type { EarlyStoppingArgs } from './callbacks/early-stopping/early-stopping-args.js';
export type { VariableGrads, VariableGradsArgs } from './gradients/variable-grads.js';
export type { EvaluationDataset } from './host/run/evaluation.js';
export type { YieldEvery } from './host/run/run.js';
export type { LogKeyArgs, LogKeys } from './logs/log-keys.js';
export type { EvaluateArgs, EvaluateDatasetArgs } from './loss/evaluate.js';
export type { CustomLoss, CustomLossArgs } from './loss/custom-loss.js';
export type { LossTermArgs } from './loss/loss-term.js';
export type { EvaluateLossArgs, MinimizeArgs, Trainable } from './loss/minimize.js';
export type { DecomposedLoss, LossParts, NamedNumbers } from './loss/parts.js';
export type { RegularizationLossArgs } from './loss/regularization-loss.js';
export type { BatchWeights, TrainStepArgs } from './loss/train-step.js';
export type { Breakdown } from './regularizers/penalty-groups.js';
export type { RegularizationTerm } from './regularizers/regularization-terms.js';
export type { ClassWeight, ClassWeights, NamedTensors } from './util/arguments.js';
