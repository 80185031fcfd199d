import { clone, dispose, keep, type NamedTensorMap, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { handOver, unrecorded } from '../host/gradients.js';
import { lossNames, numberThings, partNames } from '../host/model/model.js';
import { shared } from '../host/patch.js';
import type { TermPart } from '../host/step/loss-on-tape.js';
import type { StepLoss } from '../host/step/step.js';
import { groupBy } from '../util/group-by.js';
import { readNumbers, sumOf, sumOfNumbers } from '../util/scalars.js';

/** Numbers by name. */
export interface NamedNumbers {
  [name: string]: number;
}

/** A loss in its parts. `total = data + regularization`, and `data` is the sum of weight times part; to float32 rounding. */
export interface DecomposedLoss {
  /** What the optimizer minimises. */
  total: number;
  /** How well the model fits: the mean over the batch, summed over the parts with their weights, without any penalty. */
  data: number;
  /** The sum of all penalties, on weights and on activations. */
  regularization: number;
  /**
   * The named parts of the data loss, without their weights; class and sample weights are inside. Of a compiled model: the data
   * loss of each output, by its name in `model.outputNames`; outputs of one name are numbered, `out`, `out_1`.
   */
  parts: NamedNumbers;
  /** By which weight each part counts in `data`. */
  weights: NamedNumbers;
  /**
   * The metrics that the model was compiled with, by their names in the host's logs: `acc`, or `<output>_acc` where there are
   * several outputs. Weights do not act on them.
   */
  metrics: NamedNumbers;
}

const outputParts = shared('parts-of-outputs', () => new WeakSet());

/** Notes that some parts are those of the outputs of a compiled model and its terms, which name themselves. */
function noteOutputs<T extends object>(parts: T): T {
  outputParts.add(parts);
  return parts;
}

/** Whether parts are those of a compiled model; `fit` does not log a lone one of these, which is the data loss. */
export const isOfOutputs = (parts: object): boolean => outputParts.has(parts);

/** A named part of the data loss that is no output's, as a number or as a scalar on the device. */
export interface TermValue<T = number> extends Pick<TermPart, 'layer' | 'name' | 'weight'> {
  value: T;
}

/** What `nameValues` names. */
interface NamedValues<T> {
  parts: { [name: string]: T };
  weights: NamedNumbers;
  metrics: { [name: string]: T };
}

/**
 * Names the values that follow the loss in what the host's training and test functions return.
 *
 * @param ofOutputs - The data loss of all outputs, which is the only output's where there is one: the host repeats it only for
 *   several.
 * @param values - Those of the names of `lossNames(model)` after the first, in their order; what follows is not read.
 * @param terms - What `lossTerm` layers added.
 * @param sum - Adds up the terms of one layer.
 */
export function nameValues<T>(
  model: LayersModel,
  ofOutputs: T,
  values: readonly T[],
  terms: ReadonlyArray<TermValue<T>>,
  sum: (values: T[]) => T,
): NamedValues<T> {
  const names = partNames(model);
  const count = names.length === 1 ? 0 : names.length;
  const own = count === 0 ? [ofOutputs] : values;
  const metricNames = lossNames(model).slice(1 + count);
  const termNames = namesOfTerms(terms);
  const termsByName = groupBy(terms, (term) => termNames[terms.indexOf(term)]);
  const ofTerms = [...termsByName].map(([name, group]) => [name, sum(group.map(({ value }) => value))] as const);
  return {
    parts: noteOutputs(Object.fromEntries([...names.map((name, index) => [name, own[index]!] as const), ...ofTerms])),
    weights: Object.fromEntries([
      ...names.map((name) => [name, 1] as const),
      ...[...termsByName].map(([name, group]) => [name, group.at(-1)!.weight] as const),
    ]),
    metrics: Object.fromEntries(metricNames.map((name, index) => [name, values[count + index]!])),
  };
}

/** The name of the part that each term belongs to: that of its layer, numbered where several layers have one name. */
export const namesOfTerms = (terms: ReadonlyArray<Pick<TermPart, 'layer' | 'name'>>): string[] =>
  numberThings(
    terms.map(({ name }) => name),
    terms.map(({ layer }) => layer),
  );

/**
 * Reads the loss of a step in its parts, in one transfer from the backend.
 *
 * @param values - What the host's step returned: the total, then the values of `lossNames(model)` after it. Only read.
 * @param step - What the step was made of. Only read.
 */
export async function readStep(model: LayersModel, values: readonly Scalar[], step: StepLoss): Promise<DecomposedLoss> {
  const { data, ofOutputs, terms, penalties } = step;
  const ofTerms = terms.map(({ value }) => value);
  const numbers = (await readNumbers([data, ofOutputs, ...values, ...ofTerms, ...penalties])).values();
  const next = (count: number): number[] => Array.from({ length: count }, () => numbers.next().value!);
  const [dataLoss, outputsLoss] = next(2) as [number, number];
  const [total, ...others] = next(values.length) as [number, ...number[]];
  const termValues = next(terms.length).map((value, index) => ({ ...terms[index]!, value }));
  return {
    total,
    data: dataLoss,
    regularization: sumOfNumbers([...numbers]),
    ...nameValues(model, outputsLoss, others, termValues, sumOfNumbers),
  };
}

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
  const sum = (scalars: Scalar[]): Scalar => keep(sumOf(scalars));
  const regularization = keep(sumOf(penalties));
  const named = nameValues(model, ofOutputs, values.slice(1), terms, sum);
  const used = new Set([data, regularization, ...Object.values(named.parts)]);
  dispose([ofOutputs, ...terms.map(({ value }) => value), ...penalties].filter((scalar) => !used.has(scalar)));
  return { total: values[0]!, data, regularization, ...named };
}

/** Reads numbers in one transfer, which begins at once, and disposes the tensors. */
export async function readLoss(tensors: LossTensors): Promise<DecomposedLoss> {
  const reading = readNumbers(partsIn(tensors));
  disposeLoss(tensors);
  return withNumbers(tensors, await reading);
}

/** The values of a loss, the total first. */
export const partsIn = ({ total, data, regularization, parts, metrics = {} }: LossTensors): Scalar[] => [
  total,
  data,
  regularization,
  ...(Object.values(parts) as Scalar[]),
  ...(Object.values(metrics) as Scalar[]),
];

/** A loss with numbers in the place of its tensors, which may be gone: those of `partsIn`. */
export function withNumbers({ parts, weights, metrics = {} }: LossTensors, numbers: readonly number[]): DecomposedLoss {
  const [total, data, regularization, ...others] = numbers as [number, number, number, ...number[]];
  const values = others.values();
  const numbersOf = (named: NamedTensorMap): NamedNumbers =>
    Object.fromEntries(Object.keys(named).map((name) => [name, values.next().value!]));
  return { total, data, regularization, parts: copied(parts, numbersOf), weights, metrics: numbersOf(metrics) };
}

/** Parts in another form, which are those of a compiled model if these are. */
function copied<T extends object>(parts: NamedTensorMap, copy: (parts: NamedTensorMap) => T): T {
  const made = copy(parts);
  return isOfOutputs(parts) ? noteOutputs(made) : made;
}

export const disposeLoss = (tensors: LossTensors): void => dispose(partsIn(tensors));
