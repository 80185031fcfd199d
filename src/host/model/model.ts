import type { Optimizer, Scalar, Tensor } from '@tensorflow/tfjs-core';
import { type LayersModel, Sequential, type layers } from '@tensorflow/tfjs-layers';
import type { ClassWeights, NamedTensors } from '../../util/arguments.js';

export type Layer = layers.Layer;

/** The members of a `LayersModel` that are protected or private in the host's types. */
export interface HostModel {
  isTraining: boolean;
  /** What the step makes its update with; `compile` assigns it, and so does `model.optimizer = …`. */
  optimizer_: Optimizer;
  containerNodes: Set<string>;
  lossFunctions: Array<(yTrue: Tensor, yPred: Tensor) => Tensor>;
  /** Each metric with the output that it is of. */
  metricsTensors: Array<[metric: (yTrue: Tensor, yPred: Tensor) => Tensor, output: number]>;
  calculateLosses(): Scalar[];
  /** What `makeTestFunction` makes: takes inputs and targets of a batch. */
  testFunction: (data: Tensor[]) => Scalar[];
  makeTestFunction(): void;
  /** `evaluate`, and the validation of `fit`, from a test function on. */
  testLoop(test: HostModel['testFunction'], data: Tensor[], ...args: unknown[]): Scalar[];
  evaluateDataset(dataset: unknown, args: unknown): Promise<Scalar | Scalar[]>;
  getDedupedMetricsNames(): string[];
  makeTrainFunction(): (data: Array<Tensor | null>) => Scalar[];
  standardizeUserData(
    x: NamedTensors,
    y: NamedTensors,
    sampleWeight: undefined,
    classWeight: ClassWeights | undefined,
  ): Promise<[Tensor[], Tensor[], Array<Tensor | null> | null]>;
}

/** A model with the members that its type hides. */
export const internals = (model: LayersModel): HostModel => model as unknown as HostModel;

/**
 * The model whose weights the optimizer moves: a `Sequential` trains a `LayersModel` that it builds and hides.
 *
 * @returns `undefined` where a `Sequential` is not built, or was changed since.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L600 | Sequential.build}
 */
export function trainedModel(model: LayersModel): LayersModel | undefined {
  if (!(model instanceof Sequential)) return model;
  return model.built ? hidden(model).model : undefined;
}

/**
 * A `Sequential` with the model that it trains; every `compile` builds one.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L813-L815 | Sequential.compile}
 */
export const hidden = (model: Sequential): { model: LayersModel } => model as unknown as { model: LayersModel };

/** The labels of a step's values: `loss`, then each output's loss where there are several outputs, then the metrics. */
export const lossNames = (model: LayersModel): string[] => internals(model).getDedupedMetricsNames();

/** The names of some things, of which one may be listed several times; several of one name are numbered as the host does. */
export function numberThings(names: readonly string[], things: readonly unknown[]): string[] {
  const known = new Map<string, Set<unknown>>();
  return names.map((name, index) => {
    const all = (known.get(name) ?? new Set()).add(things[index]);
    known.set(name, all);
    const before = [...all].indexOf(things[index]);
    return before === 0 ? name : `${name}_${before}`;
  });
}

/** The names of the parts of the data loss that are outputs; outputs of one name are numbered: `out`, `out_1`. */
export const partNames = ({ outputNames }: LayersModel): string[] => numberThings(outputNames, [...outputNames.keys()]);

/**
 * What tells one `compile` of a model from the next: each makes new loss functions.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L601-L641 | LayersModel.compile}
 */
export const compilationOf = (model: LayersModel): unknown => internals(model).lossFunctions;

/**
 * What the host's evaluation returns, from the data loss of all outputs on: before it, there is one running sum for each output
 * but the last, where its labels name one loss, so that all after the first are shifted against their names.
 *
 * @returns The data loss, then of several outputs the loss of each, then the metrics; nothing of an evaluation without a sample.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1405-L1424 | makeTestFunction}
 */
export const evaluatedValues = <T>(model: LayersModel, values: readonly T[]): T[] =>
  values.slice(model.outputs.length - 1);

/**
 * What the host's own validation values are: with several outputs it puts one running sum an output before the rest, where
 * its labels name one loss, so that each value is under the label of another.
 *
 * @returns For each key that the host writes into an epoch's log, the name that its value has in training; `undefined`
 *   for a sum of losses without the penalty, which training does not have, and where the host lost values: for several outputs
 *   of one name, `fitDataset` writes all under one key.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1405-L1434 | makeTestFunction}
 */
export function validationNames(model: LayersModel, by: 'fit' | 'fitDataset'): Map<string, string | undefined> {
  const names = lossNames(model);
  const labels = by === 'fit' ? names : model.metricsNames;
  const sums = model.outputs.length;
  const isLost = new Set(labels).size < labels.length;
  return new Map(
    labels.map((label, index) => [`val_${label}`, isLost || index < sums ? undefined : names[index - sums + 1]]),
  );
}
