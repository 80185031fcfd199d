import { engine, scalar, tidy, type Scalar } from '@tensorflow/tfjs-core';
import { describeResult, isScalar } from '../../util/scalars.js';
import { isInLoss } from '../gradients.js';
import type { Layer } from '../model/model.js';
import type { Place } from '../model/walk.js';
import { shared } from '../patch.js';
import { isOfRegularizer } from './closures.js';
import { notePenalties } from './penalty.js';

/**
 * A penalty as the host can add it to the loss: a number becomes a scalar, as it does in the host.
 *
 * @param path - Tells the path of the layer that it is of.
 * @returns The scalar itself, or a new one of the active scope.
 * @throws Error that names the layer, where it is anything else. The host adds a vector to the loss and fails later.
 */
export function checkedPenalty(value: unknown, path: () => string): Scalar {
  if (typeof value === 'number') return scalar(value);
  if (isScalar(value) && !value.isDisposed) return value;
  throw new Error(
    `Expected each penalty of the layer \`${path()}\` to be a scalar, got ${describeResult(value)}. Return a single number from ` +
      'the regularizer or the function that `addLoss` was given, for example by `tf.sum`, and do not await in it.',
  );
}

/**
 * Asks for a penalty. Where no loss is running, one that was added by hand may have no value, because it is made of what a forward
 * pass left: it then counts 0, with a warning that comes once a layer.
 *
 * @returns A scalar of the active scope, or one of the user's.
 * @throws Error if it is no scalar; what the penalty throws, where a loss is running or it is that of a regularizer.
 */
export function penaltyValue(closure: () => Scalar, { layer, path }: Pick<Place, 'layer' | 'path'>): Scalar {
  const result: Attempt = isInLoss() || isOfRegularizer(closure) ? { value: closure() } : attempt(closure);
  if ('reason' in result) {
    warnOnce(layer, path, result.reason);
    return scalar(0);
  }
  const value = checkedPenalty(result.value, () => path);
  notePenalties([closure], value);
  return value;
}

/**
 * Those of some losses added by hand that are to be asked in a forward pass: they have no value now, or hand out a tensor that was
 * there before. Each is asked once, one after the other, as in training: one may hand out what another has made.
 */
export function madeInPass(closures: ReadonlyArray<() => Scalar>): Set<() => Scalar> {
  const found = new Set<() => Scalar>();
  tidy(() => closures.filter((closure) => !isMadeNow(attempt(closure))).forEach((closure) => found.add(closure)));
  return found;
}

const isMadeNow = (result: Attempt): boolean =>
  'value' in result && (!isScalar(result.value) || result.value.scopeId === engine().state.activeScope.id);

type Attempt = { value: unknown } | { reason: string };

function attempt(closure: () => unknown): Attempt {
  try {
    const value = closure();
    const isGone = value === undefined || (isScalar(value) && value.isDisposed);
    return isGone ? { reason: `it returns ${describeResult(value)}` } : { value };
  } catch (error) {
    return { reason: (error instanceof Error ? error.message : String(error)).replace(/\.$/, '') };
  }
}

const warned = shared('warned-of-penalties', () => new WeakSet<Layer>());

function warnOnce(layer: Layer, path: string, reason: string): void {
  if (warned.has(layer)) return;
  warned.add(layer);
  console.warn(
    `A loss that was added to the layer \`${path}\` with \`addLoss\` has no value outside of a training step, and is left out ` +
      `there: ${reason}. Training has it. For a penalty on activations put \`activityRegularization\` of ` +
      'tfjs-decomposed-loss/regularizers after the layer, for a part of the data loss a `lossTerm`.',
  );
}
