import { addN, clone, dispose, keep, type NamedTensorMap, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { handOver, unrecorded } from '../host/gradients.js';
import type { StepLoss } from '../host/step/step.js';
import { readNumbers, sumOf } from '../util/scalars.js';
import { isOfOutputs, nameValues, noteOutputs, type DecomposedLoss, type NamedNumbers } from './parts.js';

/**
 * A loss in its parts, still on the device: nothing is read until `read`. The tensors are the active tidy's, as those of
 * `tf.variableGrads`, else the caller's.
 */
export interface LossParts {
  /** What the optimizer minimises: `data + regularization`. */
  total: Scalar;
  /** The sum of the parts with their weights. */
  data: Scalar;
  /** The sum of all penalties. */
  regularization: Scalar;
  /** The parts of the data loss, without their weights. */
  parts: NamedTensorMap;
  /** By what each part counts in `data`. */
  weights: NamedNumbers;
  /** The metrics of a compiled model. */
  metrics?: NamedTensorMap | undefined;
  /** Reads the numbers, in one transfer that begins at once, and disposes the tensors. */
  read(): Promise<DecomposedLoss>;
  /** Disposes the tensors; a second call does nothing. */
  dispose(): void;
}

/** What `LossParts` are made of; a tensor may be in it twice. */
export type LossTensors = Omit<LossParts, 'read' | 'dispose'>;

/**
 * Makes parts for the caller.
 *
 * @param tensors - Kept; no longer to be used.
 */
export function lossParts(tensors: LossTensors): LossParts {
  const seen = new Set<Tensor>();
  const own = <T extends Tensor>(tensor: T): T => {
    const one = seen.has(tensor) ? unrecorded(() => keep(clone(tensor))) : tensor;
    seen.add(one);
    return one;
  };
  const ownAll = (all: NamedTensorMap): NamedTensorMap =>
    Object.fromEntries(Object.entries(all).map(([name, tensor]) => [name, own(tensor)]));
  const { total, data, regularization, parts, weights, metrics } = tensors;
  const made: LossTensors = {
    total: own(total),
    data: own(data),
    regularization: own(regularization),
    parts: copied(parts, ownAll),
    weights,
    ...(metrics && { metrics: ownAll(metrics) }),
  };
  handOver([...seen]);
  return { ...made, read: () => readLoss(made), dispose: () => disposeLoss(made) };
}

/**
 * The loss of a step in its parts, still on the device; nothing is read.
 *
 * @param values - As for `readStep`; with `step` they become part of the result, or are disposed.
 */
export function stepTensors(model: LayersModel, values: readonly Scalar[], step: StepLoss): LossTensors {
  const { data, ofOutputs, terms, penalties } = step;
  const sum = (scalars: Scalar[]): Scalar => (scalars.length === 1 ? scalars[0]! : keep(addN(scalars)));
  const regularization = keep(sumOf(penalties));
  const named = nameValues(model, ofOutputs, values.slice(1), terms, sum);
  const used = new Set([data, regularization, ...Object.values(named.parts)]);
  dispose([ofOutputs, ...terms.map(({ value }) => value), ...penalties].filter((scalar) => !used.has(scalar)));
  return { total: values[0]!, data, regularization, ...named };
}

/** Reads numbers in one transfer, which begins at once, and disposes the tensors. */
export async function readLoss(tensors: LossTensors): Promise<DecomposedLoss> {
  const all = tensorsOf(tensors);
  const reading = readNumbers(all);
  dispose(all);
  const numbers = await reading;
  const numberOf = (tensor: Tensor): number => numbers[all.indexOf(tensor)]!;
  const numbersOf = (named: NamedTensorMap): NamedNumbers =>
    Object.fromEntries(Object.entries(named).map(([name, tensor]) => [name, numberOf(tensor)]));
  return {
    total: numberOf(tensors.total),
    data: numberOf(tensors.data),
    regularization: numberOf(tensors.regularization),
    parts: copied(tensors.parts, numbersOf),
    weights: tensors.weights,
    metrics: numbersOf(tensors.metrics ?? {}),
  };
}

/** Parts in another form, which are those of a compiled model if these are. */
function copied<T extends object>(parts: NamedTensorMap, copy: (parts: NamedTensorMap) => T): T {
  const made = copy(parts);
  return isOfOutputs(parts) ? noteOutputs(made) : made;
}

export const disposeLoss = (tensors: LossTensors): void => dispose(tensorsOf(tensors));

const tensorsOf = ({ total, data, regularization, parts, metrics = {} }: LossTensors): Tensor[] => [
  ...new Set([total, data, regularization, ...Object.values(parts), ...Object.values(metrics)]),
];
