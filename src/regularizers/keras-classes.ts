import { serialization } from '@tensorflow/tfjs-core';
import { L1L2, registerOnce, registeredClass } from '../host/model/regularizers.js';
import { ActivityRegularization } from './activity-regularization.js';
import { OrthogonalRegularizer } from './orthogonal.js';

/** Marks the classes for the other build of this library: ESM and CommonJS can meet in one program. */
const OURS = Symbol.for('tfjs-decomposed-loss/keras');

/** What Keras calls `L1`: `l1 * sum(abs(weight))`. */
export class L1 extends L1L2 {
  static readonly className = 'L1';
  static readonly [OURS] = true;

  constructor({ l1 = 0.01 }: { l1?: number } = {}) {
    super({ l1, l2: 0 });
  }

  /** Only `l1`: Keras's constructor takes nothing else. */
  override getConfig(): { l1: number } {
    return { l1: super.getConfig().l1! };
  }
}

/** What Keras calls `L2`: `l2 * sum(weight ** 2)`. */
export class L2 extends L1L2 {
  static readonly className = 'L2';
  static readonly [OURS] = true;

  constructor({ l2 = 0.01 }: { l2?: number } = {}) {
    super({ l1: 0, l2 });
  }

  /** Only `l2`: Keras's constructor takes nothing else. */
  override getConfig(): { l2: number } {
    return { l2: super.getConfig().l2! };
  }
}

/** What `registerKerasClasses` takes. */
export interface RegisterKerasClassesArgs {
  /** Whether to take the place of classes that something else registered as `L1` or `L2`. Default `false`: an error. */
  overwrite?: boolean | undefined;
}

/**
 * Makes `tf.loadLayersModel` and `tf.models.modelFromJSON` accept the `L1` and `L2` regularizers of Keras 2.4 and later, its
 * `OrthogonalRegularizer`, and models with an `ActivityRegularization`, of Keras or of `activityRegularization`.
 *
 * TensorFlow.js knows only `L1L2` and refuses every other Keras model with "Unknown regularizer: L2". The first two classes
 * registered here are TensorFlow.js's own penalty under those names, so a model trains as if it had been declared with
 * `tf.regularizers.l1` and `l2`, and is saved again under the names that Keras reads. Registering a second time does nothing.
 * `import 'tfjs-decomposed-loss/keras'` does the same.
 *
 * @throws Error if something else registered a class as `L1` or `L2`; nothing is registered then.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/regularizers.ts#L125 | deserializeRegularizer}
 */
export function registerKerasClasses({ overwrite = false }: RegisterKerasClassesArgs = {}): void {
  const missing = [L1, L2].filter(({ className }) => !(OURS in (registeredClass(className) ?? {})));
  const taken = missing.filter(({ className }) => registeredClass(className) !== undefined);
  if (taken.length > 0 && !overwrite) {
    const names = taken.map(({ className }) => `\`${className}\``).join(' and ');
    throw new Error(
      `Expected no other regularizer to be registered as ${names}, got one that something else passed to ` +
        '`tf.serialization.registerClass`. Remove that registration, or replace it with ' +
        '`registerKerasClasses({overwrite: true})`.',
    );
  }
  missing.forEach((regularizer) => serialization.registerClass<serialization.Serializable>(regularizer));
  registerOnce(ActivityRegularization);
  registerOnce(OrthogonalRegularizer);
}
