import {
  AdadeltaOptimizer,
  AdagradOptimizer,
  AdamOptimizer,
  AdamaxOptimizer,
  MomentumOptimizer,
  RMSPropOptimizer,
  SGDOptimizer,
  Tensor,
  engine,
  mul,
  type Optimizer,
  type Scalar,
  type Variable,
} from '@tensorflow/tfjs-core';
import { unpatched } from '../patch.js';

/** What makes the host's own optimizers, by their classes. */
const HOSTS = new Map<Optimizer, string>([
  [SGDOptimizer.prototype, 'sgd'],
  [MomentumOptimizer.prototype, 'momentum'],
  [AdamOptimizer.prototype, 'adam'],
  [AdamaxOptimizer.prototype, 'adamax'],
  [RMSPropOptimizer.prototype, 'rmsprop'],
  [AdagradOptimizer.prototype, 'adagrad'],
  [AdadeltaOptimizer.prototype, 'adadelta'],
]);

const METHODS = ['minimize', 'computeGradients', 'applyGradients'] as const;

/** Which function of `tf.train` makes such an optimizer; `undefined` where a method of it is not the host's own. */
export function hostFactory(optimizer: Optimizer): string | undefined {
  const prototype = Object.getPrototypeOf(optimizer) as Optimizer;
  const isHosts = METHODS.every((method) => unpatched(optimizer[method]) === prototype[method]);
  return isHosts ? HOSTS.get(prototype) : undefined;
}

/** The member `learningRate` as it was given, to the optimizer's class or later. */
export const givenLearningRate = (optimizer: Optimizer): unknown =>
  (optimizer as Partial<Record<'learningRate', unknown>>).learningRate;

/**
 * The learning rate of the next update, times a factor: SGD and momentum keep a negative constant, which alone acts, also where
 * `learningRate` was assigned since.
 *
 * @returns A number, or a scalar of the active scope.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/optimizers/sgd_optimizer.ts#L65-L74 | setLearningRate}
 */
export function scaledLearningRate(optimizer: Optimizer, factor: number): number | Scalar {
  const { c } = optimizer as { c?: unknown };
  return c instanceof Tensor ? mul<Scalar>(c, -factor) : (givenLearningRate(optimizer) as number) * factor;
}

/** Every variable there is, by its name, as optimizers find them, in the order of their default list. */
export const variablesByName = (): { readonly [name: string]: Variable } => engine().registeredVariables;
