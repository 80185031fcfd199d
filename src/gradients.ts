/**
 * The subpath `tfjs-decomposed-loss/gradients`: separate gradients of data loss and regularization loss.
 *
 * @module tfjs-decomposed-loss/gradients
 */
export { gradientBalance } from './callbacks/gradient-balance.js';
export { accumulateGradients } from './gradients/accumulate-gradients.js';
export { lossAndGradients } from './gradients/loss-and-gradients.js';

export type { GradientBalanceArgs, GradientBalanceCallback } from './callbacks/gradient-balance.js';
export type { AccumulatedGradients } from './gradients/accumulate-gradients.js';
export type { AccumulateLossArgs, AccumulatedLoss } from './gradients/accumulated-loss.js';
export type { LossAndGradients } from './gradients/loss-and-gradients.js';
export type { DecomposedLoss } from './loss/parts.js';
export type { BatchWeights } from './loss/train-step.js';
