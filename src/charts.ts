/**
 * The subpath `tfjs-decomposed-loss/charts`: pictures of the loss in parts, without a DOM.
 *
 * @module tfjs-decomposed-loss/charts
 */
export { lossColors } from './charts/chart.js';
export { plotLosses } from './charts/plot-losses.js';

export type { ScaleName } from './charts/chart.js';
export type { LossSource } from './charts/loss-table.js';
export type { PlotLossesArgs } from './charts/plot-losses.js';
export type { LogKeyArgs, LogKeys } from './logs/log-keys.js';
