export { fitCallbacks } from './tfvis/fit-callbacks.js';

export type { FitCallbacksArgs } from './tfvis/fit-callbacks.js';
export type { ChartContainer, Surface, SurfaceInfo } from './tfvis/panel.js';
