/**
 * The subpath `tfjs-decomposed-loss/tensorboard`: {@link tensorBoard} draws training next to validation in TensorBoard.
 *
 * It needs tfjs-node, and runs in Node only.
 *
 * @module tfjs-decomposed-loss/tensorboard
 */
export { tensorBoard } from './callbacks/tensorboard/tensor-board.js';

export type { TensorBoardArgs, TensorBoardCallback } from './callbacks/tensorboard/tensor-board.js';
export type { EventFileApi } from './callbacks/tensorboard/event-files.js';
export type { SummaryWriter } from './host/run/summary-writer.js';
