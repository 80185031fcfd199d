import { Tensor } from '@tensorflow/tfjs-core';
import { describe, list } from './describe.js';

/**
 * Refuses what a function does not know: a misspelt name would silently have no effect.
 *
 * @param caller - The public function whose arguments they are.
 * @throws Error if `args` is not an object, or has another member than `names`.
 */
export function checkArguments(caller: string, args: object, names: readonly string[]): void {
  if (typeof args !== 'object' || args === null) {
    throw new Error(
      `Expected the arguments of \`${caller}\` to be an object with ${list(names)}, got ${describe(args)}. Pass {}, or leave it out.`,
    );
  }
  const unknown = Object.keys(args).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new Error(`Expected the arguments ${list(names)} of \`${caller}\`, got \`${unknown}\`. Use one of those.`);
  }
}

/**
 * Checks that `x` or `y` is a tensor, an array of them, or an object of them by name, and not empty.
 *
 * @throws Error that names the argument.
 */
export function checkData(caller: string, name: 'x' | 'y', data: unknown): void {
  const tensors =
    data instanceof Tensor ? [data] : typeof data === 'object' && data !== null ? Object.values(data) : [];
  if (tensors.length === 0 || !tensors.every((tensor) => tensor instanceof Tensor)) {
    throw new Error(
      `Expected \`${name}\` of \`${caller}\` to be a tensor, an array of tensors, or an object of tensors by name, got ${describe(data)}. ` +
        'Make tensors of it, for example with `tf.tensor`.',
    );
  }
  const [first] = tensors as [Tensor];
  if (first.shape[0] === 0) {
    throw new Error(
      `Expected \`${name}\` of \`${caller}\` to hold at least one sample, got an empty batch of shape [${first.shape}]. Leave empty batches out.`,
    );
  }
}

/**
 * Checks an option that is on or off.
 *
 * @throws Error that names the argument.
 */
export function checkFlag(caller: string, name: string, value: unknown): void {
  if (value === undefined || typeof value === 'boolean') return;
  throw new Error(`Expected \`${name}\` of \`${caller}\` to be true or false, got ${describe(value)}. Pass a boolean.`);
}
