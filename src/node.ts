/**
 * The subpath `tfjs-decomposed-loss/node`: the part of this library that needs Node.
 *
 * @module tfjs-decomposed-loss/node
 */
export { lossLogger } from './callbacks/loss-logger/loss-logger.js';

export type { LossLoggerArgs, LossLoggerCallback } from './callbacks/loss-logger/loss-logger.js';
export type { LogStream } from './callbacks/loss-logger/sinks.js';
