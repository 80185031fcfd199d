/**
 * The subpath `tfjs-decomposed-loss/tfvis`: live charts of the loss in its parts, in an element of a page or in tfjs-vis's
 * visor. {@link fitCallbacks} draws a training run, {@link lossCharts} draws logs from elsewhere.
 *
 * Only a named surface needs `@tensorflow/tfjs-vis`.
 *
 * @module tfjs-decomposed-loss/tfvis
 */
export { fitCallbacks } from './charts/tfvis/fit-callbacks.js';
export { lossCharts } from './charts/tfvis/loss-charts.js';

export type { FitCallbacksArgs } from './charts/tfvis/fit-callbacks.js';
export type { LossCharts, LossChartsArgs } from './charts/tfvis/loss-charts.js';
export type { ChartContainer, Surface, SurfaceInfo } from './charts/tfvis/figures.js';
