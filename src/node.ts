/**
 * The subpath `tfjs-decomposed-loss/node`: what needs Node, beside the library itself.
 *
 * @module tfjs-decomposed-loss/node
 */
export { LossLoggerCallback, lossLogger } from './loss-logger.js';

export type { LossLoggerArgs } from './loss-logger.js';
export type { LogStream } from './loss-log/log-stream.js';
