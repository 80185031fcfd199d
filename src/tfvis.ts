/**
 * The subpath `tfjs-decomposed-loss/tfvis`: {@link fitCallbacks} draws live charts of the loss in its parts with tfjs-vis.
 *
 * It needs `@tensorflow/tfjs-vis`, and runs in browsers only.
 *
 * @module tfjs-decomposed-loss/tfvis
 */
export { fitCallbacks } from './charts/tfvis/fit-callbacks.js';

export type { FitCallbacksArgs } from './charts/tfvis/fit-callbacks.js';
export type { ChartContainer, Surface, SurfaceInfo } from './charts/tfvis/panel.js';
