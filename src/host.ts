/**
 * What the library knows of TensorFlow.js that TensorFlow.js does not document: the one file to read and to mend when
 * a new release of it changes. Line links are to the release that the tests run on, 4.22.0.
 */
import { Tensor, dispose, engine, keep, tidy, type Scalar, type serialization } from '@tensorflow/tfjs-core';
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
export function watchSteps(model: LayersModel, heard: Listener): () => void {
  const watch = watches.get(model) ?? startWatch(model);
  watch.listeners.add(heard);
  return () => {
    watch.listeners.delete(heard);
    if (watch.listeners.size === 0 && watches.delete(model)) watch.restore();
  };
}

type Listener = (step: ObservedStep) => void;

/** The listeners of a model come and go in any order, so they share one change of the model. */
const watches = new WeakMap<LayersModel, { listeners: Set<Listener>; restore: () => void }>();

function startWatch(model: LayersModel): { listeners: Set<Listener>; restore: () => void } {
  const host = internals(model);
  const before = Object.getOwnPropertyDescriptor(host, 'calculateLosses');
  const calculateLosses = host.calculateLosses;
  const watch = { listeners: new Set<Listener>(), restore: () => putBack(host, 'calculateLosses', before) };
  host.calculateLosses = function () {
    const data = newestMean();
    const penalties = calculateLosses.call(this);
    if (data !== undefined) watch.listeners.forEach((heard) => heard({ data: own(data), penalties: penalties.map(own) }));
    return penalties;
  };
  watches.set(model, watch);
  return watch;
}

/** Keeps a scalar of the step for its one listener; a copy where it is not the step's to give away, or given already. */
function own(scalar: Scalar): Scalar {
  const ofThisStep = !scalar.kept && scalar.scopeId === engine().state.activeScope.id;
  return keep(ofThisStep ? scalar : scalar.clone());
}

function newestMean(): Scalar | undefined {
  const { activeTape, gradientDepth } = engine().state;
  if (gradientDepth === 0) return undefined;
  const newest = activeTape[activeTape.length - 1];
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
  /** The host's own function behind `penalty`, by which to know a penalty again; none where a layer computes its own. */
  loss?: () => Scalar;
}

/**
 * The penalties in the order in which `calculateLosses` of a trained model returns them: layer by layer, once for each
 * time that the layer is called within the model.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/container.ts#L1061-L1080 | Container.calculateLosses}
 */
export function penaltyCalls(model: LayersModel, prefix = ''): PenaltyCall[] {
  return layerCalls(model, prefix).flatMap(({ layer, path }) =>
    layer instanceof LayersModel ? penaltyCalls(layer, `${path}/`) : layerPenalties(layer, path),
  );
}

/** The layers of a model, each as often as it is called within the model. */
function layerCalls(model: LayersModel, prefix: string): Array<{ layer: Layer; path: string }> {
  const { containerNodes } = internals(model);
  return model.layers.flatMap((layer) => {
    const calls = layer.inboundNodes.filter((_, node) => containerNodes.has(`${layer.name}_ib-${node}`));
    return calls.map(() => ({ layer, path: prefix + layer.name }));
  });
}

function layerPenalties(layer: Layer, prefix: string): PenaltyCall[] {
  const wrapped = (layer as { layer?: unknown }).layer;
  const path = wrapped instanceof layers.Layer ? `${prefix}/${wrapped.name}` : prefix;
  if (layer.calculateLosses !== layers.Layer.prototype.calculateLosses) {
    return overriddenLosses(layer).map((penalty, index) => ({ path, index, layer, penalty }));
  }
  return layer.losses.map((loss, index) => ({ path, index, layer, penalty: () => loss(), loss }));
}

function overriddenLosses(layer: Layer): Array<() => Scalar> {
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
export const L1L2 = regularizers.l1l2().constructor as {
  new (args?: { l1?: number; l2?: number }): Regularizer & serialization.Serializable;
  readonly prototype: Regularizer;
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
 * Runs a penalty and finds the regularizer and the weight behind it: the host closes over both, so the `apply` of every
 * regularizer that the layer may use is listened to meanwhile.
 *
 * @returns The value, which the caller disposes, and what it came from; no source for a loss that was added by hand.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/topology.ts#L1293-L1295 | Layer.addWeight}
 */
export function inspectPenalty({ layer, penalty }: PenaltyCall): { value: Scalar; source?: PenaltySource } {
  const applied: Array<{ regularizer: Regularizer; argument: Tensor; result: Scalar }> = [];
  const restore = applyOwners(layer).map((owner) => {
    const before = Object.getOwnPropertyDescriptor(owner, 'apply');
    const apply = owner.apply;
    owner.apply = function (argument) {
      const result = apply.call(this, argument);
      applied.push({ regularizer: this, argument, result });
      return result;
    };
    return () => putBack(owner, 'apply', before);
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

/** Where `apply` is defined for the regularizers that a layer may use: their classes, or the objects themselves. */
function applyOwners(layer: Layer): Regularizer[] {
  const wrapped = (layer as { layer?: Layer }).layer;
  const members: unknown[] = Object.values({ ...wrapped, ...layer });
  const candidates = members.filter(
    (member): member is Regularizer =>
      typeof member === 'object' && member !== null && 'apply' in member && !(member instanceof layers.Layer),
  );
  return [...new Set([L1L2.prototype, ...candidates.map((candidate) => ownerOfApply(candidate))])];
}

const ownerOfApply = (object: Regularizer): Regularizer =>
  Object.hasOwn(object, 'apply') ? object : ownerOfApply(Object.getPrototypeOf(object));

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
  try {
    return tidy(() => internals(model).makeTrainFunction()([...inputs, ...targets, ...weights]));
  } catch (error) {
    disposeTape();
    throw error;
  }
}

/**
 * Disposes what a step that threw had kept for its gradients; the host forgets it.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/engine.ts#L1142-L1152 | Engine.gradients}
 */
function disposeTape(): void {
  const { state } = engine();
  if (state.gradientDepth > 0) return;
  state.activeTape?.forEach(({ outputs, saved }) => dispose([...outputs, ...(saved ?? [])]));
  state.activeTape = null!;
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

/** One call of a penalty that is declared somewhere in a model, whether or not the host's training adds it. */
export interface DeclaredCall extends PenaltyCall {
  /** The layer or cell that the penalty was declared on, and whose weight it penalises. */
  layer: Layer;
  /** The layer that the host asks for the penalties of this one: itself, or the outermost one around it. */
  asked: Layer;
  /** Whether a recurrent layer stands between the two; the host does not ask its cells. */
  recurrent: boolean;
}

/**
 * What `penaltyCalls` would be if the host forwarded every layer's penalties: those of cells, of both directions of a
 * Bidirectional, of a model within a TimeDistributed, and of a Sequential within a Sequential, which the host flattens
 * in the model that it trains but looks for in vain in the outer one when that is nested.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/layers/recurrent.ts#L2108 | StackedRNNCells}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/layers/wrappers.ts#L103-L105 | Wrapper.losses}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L504-L506 | Sequential.add}
 */
export function declaredCalls(model: LayersModel, prefix = ''): DeclaredCall[] {
  return layerCalls(trainedModel(model) ?? model, prefix).flatMap(({ layer, path }) => declaredIn(layer, path, layer));
}

function declaredIn(layer: Layer, path: string, asked: Layer): DeclaredCall[] {
  if (layer instanceof LayersModel) {
    const calls = declaredCalls(layer, `${path}/`);
    return asked === layer ? calls : calls.map((call) => ({ ...call, asked }));
  }
  if (layer.calculateLosses !== layers.Layer.prototype.calculateLosses) {
    return layerPenalties(layer, path).map((call) => ({ ...call, asked, recurrent: false }));
  }
  const { within, recurrent } = innerLayers(layer);
  const inner = within.flatMap((one) => declaredIn(one.layer, one.name === '' ? path : `${path}/${one.name}`, asked));
  const known = new Set(inner.map(({ loss }) => loss));
  const own = layer.losses.filter((loss) => !known.has(loss));
  return [
    ...inner.map((call) => ({ ...call, recurrent: recurrent || call.recurrent })),
    ...own.map((loss) => ({ path, layer, asked, recurrent: false, penalty: () => loss(), loss })),
  ].map((call, index) => ({ ...call, index }));
}

/** The layers that a layer is made of, each with what tells it from the others: a cell that is alone has no name. */
function innerLayers(layer: Layer): { within: Array<{ layer: Layer; name: string }>; recurrent: boolean } {
  const parts = layer as { layer?: unknown; forwardLayer?: unknown; backwardLayer?: unknown; cell?: unknown; cells?: unknown };
  const { layer: wrapped, forwardLayer, backwardLayer, cell, cells } = parts;
  const isLayer = (value: unknown): value is Layer => value instanceof layers.Layer;
  const named = (inner: unknown[]) => inner.filter(isLayer).map((one) => ({ layer: one, name: one.name }));
  if (isLayer(forwardLayer)) return { within: named([forwardLayer, backwardLayer]), recurrent: true };
  if (isLayer(cell)) return { within: [{ layer: cell, name: '' }], recurrent: true };
  if (Array.isArray(cells)) return { within: named(cells), recurrent: true };
  return { within: named([wrapped]), recurrent: false };
}

/** The weights that training moves: since `compile` those that were trainable then, before it those that are now. */
export function movedWeights(model: LayersModel): Set<Layer['weights'][number]> {
  const { collectedTrainableWeights } = model as unknown as { collectedTrainableWeights?: Layer['weights'] };
  return new Set(collectedTrainableWeights ?? model.trainableWeights);
}
