/**
 * What the library knows of TensorFlow.js that TensorFlow.js does not document: the one file to read and to mend when
 * a new release of it changes. Line links are to the release that the tests run on, 4.22.0.
 */
import { Tensor, dispose, engine, keep, tidy, type Scalar } from '@tensorflow/tfjs-core';
import { Callback, CallbackList, CustomCallback, LayersModel, Sequential, layers, regularizers } from '@tensorflow/tfjs-layers';
import type { ClassWeights, NamedTensors } from './types.js';

type Layer = layers.Layer;

/** The members of a `LayersModel` that are protected or private in the host's types. */
interface HostModel {
  isTraining: boolean;
  containerNodes: Set<string>;
  calculateLosses(): Scalar[];
  getDedupedMetricsNames(): string[];
  makeTrainFunction(): (data: Array<Tensor | null>) => Scalar[];
  standardizeUserData(
    x: NamedTensors,
    y: NamedTensors,
    sampleWeight: undefined,
    classWeight: ClassWeights | undefined,
  ): Promise<[Tensor[], Tensor[], Array<Tensor | null> | null]>;
}

const internals = (model: LayersModel): HostModel => model as unknown as HostModel;

/**
 * The model whose weights the optimizer moves: a `Sequential` trains a `LayersModel` that it builds and hides.
 *
 * @returns `undefined` where a `Sequential` is not built, or was changed since.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L600 | Sequential.build}
 */
export function trainedModel(model: LayersModel): LayersModel | undefined {
  if (!(model instanceof Sequential)) return model;
  return model.built ? (model as unknown as { model?: LayersModel }).model : undefined;
}

/** Whether a value is a layers model of another copy of tfjs-layers than the one that this library imports. */
export function isForeignLayersModel(value: object): boolean {
  return !(value instanceof LayersModel) && 'makeTrainFunction' in value && 'calculateLosses' in value;
}

/** What passes through one training step. The tensors are kept: whoever hears of them disposes them. */
export interface ObservedStep {
  /** The loss before the first penalty: class-weighted mean over the batch, summed over the outputs. */
  data: Scalar;
  /** What `calculateLosses` returned, one scalar a penalty, in its order. */
  penalties: Scalar[];
}

/**
 * Tells of every training step of a model from inside, until released.
 *
 * The host's step calls `calculateLosses` on the instance once, directly after it took the mean of the data loss; at
 * that moment the mean is the newest entry of the gradient tape. So both parts are the very tensors that the step adds
 * up, and watching costs no operation. Calls outside a step (no tape) pass unseen.
 *
 * @returns Ends the watch and puts the model back as it was.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1364-L1369 | the step}
 */
export function watchSteps(model: LayersModel, heard: (step: ObservedStep) => void): () => void {
  const host = internals(model);
  const before = Object.getOwnPropertyDescriptor(host, 'calculateLosses');
  const calculateLosses = host.calculateLosses;
  host.calculateLosses = function () {
    const data = newestMean();
    const penalties = calculateLosses.call(this);
    if (data !== undefined) heard({ data: keep(data), penalties: penalties.map((penalty) => keep(penalty)) });
    return penalties;
  };
  return () => putBack(host, 'calculateLosses', before);
}

function newestMean(): Scalar | undefined {
  const tape = engine().state.activeTape;
  if (tape == null) return undefined;
  const newest = tape[tape.length - 1];
  const output = newest?.outputs[0];
  if (newest?.kernelName !== 'Mean' || output?.rank !== 0) {
    throw new Error(
      `Expected the training step to take the mean of its loss before it adds penalties, got ` +
        `\`${newest?.kernelName}\`. This version of @tensorflow/tfjs-layers is not supported.`,
    );
  }
  return output as Scalar;
}

function putBack(target: object, name: string, before: PropertyDescriptor | undefined): void {
  if (before === undefined) Reflect.deleteProperty(target, name);
  else Object.defineProperty(target, name, before);
}

/**
 * Calls `ended` once when the `fit` or `fitDataset` that is running now is over, however it ends: no callback of the
 * host hears of a run that throws, but both clear `isTraining` in a `finally`.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1588-L1589 | fit}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training_dataset.ts#L497-L498 | fitDataset}
 */
export function whenRunEnds(model: LayersModel, ended: () => void): void {
  const host = internals(model);
  const before = Object.getOwnPropertyDescriptor(host, 'isTraining');
  Object.defineProperty(host, 'isTraining', {
    configurable: true,
    enumerable: true,
    get: () => true,
    set: (value: boolean) => {
      putBack(host, 'isTraining', before);
      host.isTraining = value;
      ended();
    },
  });
}

/**
 * Moves a callback behind BaseLogger in the run that is about to begin, before the progress bar and the user's other
 * callbacks: what it writes into a log, all of them read, in whatever order they were given. (Before BaseLogger it
 * would leave tensors in BaseLogger's totals when a run throws.)
 *
 * To be called from `setModel`, which the host follows with `onTrainBegin` on the same list at once: the list cannot be
 * had otherwise.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/base_callbacks.ts#L585-L591 | the order}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1680-L1682 | setModel, onTrainBegin}
 */
export function runBehindBaseLogger(callback: Callback): void {
  const prototype = CallbackList.prototype;
  const onTrainBegin = prototype.onTrainBegin;
  prototype.onTrainBegin = function (this: CallbackList, ...args) {
    prototype.onTrainBegin = onTrainBegin;
    if (this.callbacks.includes(callback)) {
      const [baseLogger, ...others] = this.callbacks.filter((other) => other !== callback);
      this.callbacks = [baseLogger!, callback, ...others];
    }
    return this.onTrainBegin(...args);
  };
}

/**
 * Why the host did not take a callback of ours for a callback but copied its methods into one of its own, as it does
 * with plain objects: `mixed`, a plain object stands before it in `callbacks`; `foreign`, the host is another copy of
 * tfjs-layers. `undefined` where `receiver`, the `this` of such a method, is as it should be.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/base_callbacks.ts#L470-L495 | standardizeCallbacks}
 */
export function adoption(receiver: unknown, own: new (...args: never[]) => Callback): 'mixed' | 'foreign' | undefined {
  if (receiver instanceof own) return undefined;
  return receiver instanceof CustomCallback ? 'mixed' : 'foreign';
}

/** One call that a training step makes of one penalty. */
export interface PenaltyCall {
  /** Names of the nested models, the layer and, of a wrapper, the wrapped layer, joined by `/`. */
  path: string;
  /** Which penalty of the layer: a layer that is called k times has k calls with the same path and index. */
  index: number;
  layer: Layer;
  /** The penalty at the current weights, coefficient included: a new scalar, which the caller disposes. */
  penalty: () => Scalar;
}

/**
 * The penalties in the order in which `calculateLosses` of a trained model returns them: layer by layer, once for each
 * time that the layer is called within the model.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/container.ts#L1061-L1080 | Container.calculateLosses}
 */
export function penaltyCalls(model: LayersModel, prefix = ''): PenaltyCall[] {
  const { containerNodes } = internals(model);
  return model.layers.flatMap((layer) => {
    const calls = layer.inboundNodes.filter((_, node) => containerNodes.has(`${layer.name}_ib-${node}`));
    const path = prefix + layer.name;
    return calls.flatMap(() =>
      layer instanceof LayersModel ? penaltyCalls(layer, `${path}/`) : layerPenalties(layer, path),
    );
  });
}

function layerPenalties(layer: Layer, prefix: string): PenaltyCall[] {
  const wrapped = (layer as { layer?: unknown }).layer;
  const path = wrapped instanceof layers.Layer ? `${prefix}/${wrapped.name}` : prefix;
  const penalties =
    layer.calculateLosses === layers.Layer.prototype.calculateLosses ? layer.losses : overriddenLosses(layer);
  return penalties.map((penalty, index) => ({ path, index, layer, penalty: () => penalty() as Scalar }));
}

function overriddenLosses(layer: Layer): Array<() => Tensor> {
  const count = tidy(() => layer.calculateLosses().length);
  return Array.from({ length: count }, (_, index) => () => tidy(() => layer.calculateLosses()[index]!));
}

/** A regularizer, the host's or a custom class; the host requires no more of it. */
export interface Regularizer {
  apply(weight: Tensor): Scalar;
  getConfig?(): { l1?: number; l2?: number };
  getClassName?(): string;
}

/** The name that the host saves a regularizer under, which a minifier leaves alone. */
export const className = (regularizer: Regularizer): string =>
  regularizer.getClassName?.() ?? regularizer.constructor.name;

/** The class behind `tf.regularizers.l1`, `l2` and `l1l2`, which the host does not export. */
const L1L2 = regularizers.l1l2().constructor as new () => Regularizer;

/** The coefficients of one of the host's own regularizers; `undefined` for a custom class, also one derived from them. */
export function coefficients(regularizer: Regularizer): { l1: number; l2: number } | undefined {
  if (!(regularizer instanceof L1L2) || regularizer.apply !== L1L2.prototype.apply) return undefined;
  const { l1 = 0, l2 = 0 } = regularizer.getConfig!();
  return { l1, l2 };
}

/**
 * Runs a penalty and finds the regularizer and the weight behind it: the host closes over both, so the `apply` of every
 * regularizer that the layer may use is listened to meanwhile.
 *
 * @returns The value, which the caller disposes, and what it came from; no source for a loss that was added by hand.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/topology.ts#L1293-L1295 | Layer.addWeight}
 */
export function inspectPenalty({ layer, penalty }: PenaltyCall): { value: Scalar; source?: PenaltySource } {
  const applied: Array<{ regularizer: Regularizer; argument: Tensor; result: Scalar }> = [];
  const restore = regularizerPrototypes(layer).map((prototype) => {
    const before = Object.getOwnPropertyDescriptor(prototype, 'apply');
    const apply = prototype.apply;
    prototype.apply = function (argument) {
      const result = apply.call(this, argument);
      applied.push({ regularizer: this, argument, result });
      return result;
    };
    return () => putBack(prototype, 'apply', before);
  });
  try {
    const value = penalty();
    const origin = applied.find(({ result }) => result === value);
    const weight = layer.weights.find((candidate) => candidate.read() === origin?.argument);
    return origin && weight ? { value, source: { regularizer: origin.regularizer, weight } } : { value };
  } finally {
    restore.reverse().forEach((undo) => undo());
  }
}

/** What a penalty was declared as: a regularizer on a weight. */
export interface PenaltySource {
  regularizer: Regularizer;
  weight: Layer['weights'][number];
}

function regularizerPrototypes(layer: Layer): Regularizer[] {
  const wrapped = (layer as { layer?: Layer }).layer;
  const members: unknown[] = Object.values({ ...wrapped, ...layer });
  const candidates = members.filter(
    (member): member is Regularizer =>
      typeof member === 'object' && member !== null && 'apply' in member && !(member instanceof layers.Layer),
  );
  return [...new Set([L1L2.prototype, ...candidates.map((candidate) => Object.getPrototypeOf(candidate))])];
}

/** A batch as the host's step takes it; `weights` has one entry an output, or is empty. */
export interface Batch {
  inputs: Tensor[];
  targets: Tensor[];
  weights: Array<Tensor | null>;
  /** Disposes the weights, and what the host made beside the tensors that it was given. */
  dispose(): void;
}

/**
 * Checks and shapes a batch as `fit` does, class weights included.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1186 | standardizeUserData}
 */
export async function standardizeBatch(
  model: LayersModel,
  x: NamedTensors,
  y: NamedTensors,
  classWeight?: ClassWeights,
): Promise<Batch> {
  const [inputs, targets, weights] = await internals(model).standardizeUserData(x, y, undefined, classWeight);
  const given = new Set([x, y].flatMap((value) => (value instanceof Tensor ? [value] : Object.values(value))));
  const made = [...inputs, ...targets].filter((tensor) => !given.has(tensor));
  const batch: Batch = {
    inputs,
    targets,
    weights: weights ?? [],
    dispose: () => dispose([...made, ...batch.weights.filter((weight) => weight !== null)]),
  };
  return batch;
}

/**
 * One optimizer step, the one that `fit`, `fitDataset` and `trainOnBatch` share.
 *
 * @returns The total loss at the weights before the step, then the values of `lossNames(model)` behind it.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1298 | makeTrainFunction}
 */
export function runStep(model: LayersModel, { inputs, targets, weights }: Omit<Batch, 'dispose'>): Scalar[] {
  return internals(model).makeTrainFunction()([...inputs, ...targets, ...weights]);
}

/** The labels of a step's values: `loss`, then each output's loss where there are several outputs, then the metrics. */
export const lossNames = (model: LayersModel): string[] => internals(model).getDedupedMetricsNames();

/**
 * Where the true data loss stands among the values of the host's evaluation: it returns one running sum an output
 * where its labels speak of one loss, so all behind the first are shifted against their names.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1405-L1424 | makeTestFunction}
 */
export const evaluatedDataIndex = (model: LayersModel): number => model.outputs.length - 1;

/**
 * The key of the true data loss among an epoch's validation values.
 *
 * @returns `undefined` where the host itself lost the value: for several outputs of one name, `fitDataset` writes all
 *   under one key.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training_dataset.ts#L472-L474 | fitDataset}
 */
export function validationDataKey(model: LayersModel, by: 'fit' | 'fitDataset'): string | undefined {
  const names = by === 'fit' ? lossNames(model) : (model.metricsNames as string[]);
  return new Set(names).size === names.length ? `val_${names[evaluatedDataIndex(model)]}` : undefined;
}
