import { serialization, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import { regularizers } from '@tensorflow/tfjs-layers';
import type { Layer } from './model.js';

/** A regularizer, the host's or a custom class; the host requires no more of it. */
export interface Regularizer {
  apply(weight: Tensor): Scalar;
  getConfig?(): { l1?: number; l2?: number };
  /** The name of its class in a saved model. */
  getClassName?(): string;
}

/** The name that the host saves a regularizer under, which a minifier leaves alone. */
export const className = (regularizer: Regularizer): string =>
  regularizer.getClassName?.() ?? regularizer.constructor.name;

/** The class of `tf.regularizers.l1`, `l2` and `l1l2`, which the host does not export. */
export const L1L2 = regularizers.l1l2().constructor as {
  new (args?: { l1?: number; l2?: number }): Regularizer & serialization.Serializable;
  readonly prototype: Regularizer;
  fromConfig: serialization.FromConfigMethod<serialization.Serializable>;
};

/**
 * The class that the host makes of a class name in a saved model.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/serialization.ts#L114-L141 | SerializationMap}
 */
export const registeredClass = (name: string): object | undefined =>
  serialization.SerializationMap.getMap().classNameMap[name]?.[0];

/** Makes `tf.loadLayersModel` accept models with a class of this library; one that something else registered under its name stays. */
export function registerOnce<T extends serialization.Serializable>(
  type: serialization.SerializableConstructor<T>,
): void {
  if (registeredClass(type.className) === undefined) serialization.registerClass(type);
}

/** What a layer holds of a regularizer that it was given, by the name of the argument: `kernelRegularizer`. */
export const heldRegularizer = (layer: Layer, argument: string): unknown =>
  (layer as unknown as { [member: string]: unknown })[argument];

/**
 * What every regularizer of the host is derived from, which the host does not export; it accepts no others in a layer.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/regularizers.ts#L132-L147 | getRegularizer}
 */
export const RegularizerBase = Object.getPrototypeOf(L1L2) as {
  new (): Regularizer & serialization.Serializable;
  fromConfig: serialization.FromConfigMethod<serialization.Serializable>;
};

/**
 * The coefficients of one of the host's own regularizers, also under another name: a derived class with the same
 * penalty. `undefined` for any other class.
 */
export function coefficients(regularizer: Regularizer): { l1: number; l2: number } | undefined {
  if (!(regularizer instanceof L1L2) || regularizer.apply !== L1L2.prototype.apply) return undefined;
  const { l1 = 0, l2 = 0 } = regularizer.getConfig!();
  return { l1, l2 };
}

/**
 * As `coefficients`, those that act: one that was 0 when the regularizer was made stays so, whatever is assigned.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/regularizers.ts#L74-L77 | L1L2}
 */
export function actingCoefficients(regularizer: Regularizer): { l1: number; l2: number } | undefined {
  const known = coefficients(regularizer);
  const { hasL1, hasL2 } = regularizer as unknown as { hasL1: boolean; hasL2: boolean };
  return known && { l1: hasL1 ? known.l1 : 0, l2: hasL2 ? known.l2 : 0 };
}
