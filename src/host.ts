/**
 * What the library knows of TensorFlow.js that TensorFlow.js does not document: the one file to read and to mend when
 * a new release of it changes. Line links are to the release that the tests run on, 4.22.0.
 */
import { Tensor, dispose, engine, keep, tidy, type Scalar, type serialization } from '@tensorflow/tfjs-core';
import {
  type Callback,
  CallbackList,
  CustomCallback,
  LayersModel,
  Sequential,
  layers,
  regularizers,
} from '@tensorflow/tfjs-layers';
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
    if (data !== undefined) {
      watch.listeners.forEach((heard) => heard({ data: own(data), penalties: penalties.map(own) }));
    }
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
  /** The layer whose activations are penalised, where they are and not a weight. Each of its calls has its own value. */
  activity?: ActivityLayer;
}

/**
 * The penalties in the order in which `calculateLosses` of a trained model returns them: layer by layer, once for each
 * time that the layer is called within the model.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/container.ts#L1061-L1080 | Container.calculateLosses}
 */
export function penaltyCalls(model: LayersModel, prefix = ''): PenaltyCall[] {
  const replacement = replacements.get(model);
  if (replacement !== undefined) return replacement(prefix);
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
  const activity = [layer, wrapped].find(isActivityLayer);
  return layer.losses.map((loss, index) => {
    const call: PenaltyCall = { path, index, layer, penalty: () => loss(), loss, ...subjects.get(loss) };
    return activity && index === 0 ? { ...call, activity } : call;
  });
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
  const members: unknown[] = [layer, wrapped ?? {}].flatMap((one) => Object.values<unknown>(one));
  const candidates = members.filter(
    (member): member is Regularizer =>
      typeof member === 'object' && member !== null && 'apply' in member && !(member instanceof layers.Layer),
  );
  return [...new Set([L1L2.prototype, ...candidates.map((candidate) => ownerOfApply(candidate))])];
}

const ownerOfApply = (object: Regularizer): Regularizer =>
  Object.hasOwn(object, 'apply') ? object : ownerOfApply(Object.getPrototypeOf(object) as Regularizer);

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
  const names = by === 'fit' ? lossNames(model) : model.metricsNames;
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
    ...(recurrent ? inner.map((call, index) => ({ ...call, index, recurrent })) : inner),
    ...own.map((loss, index) => {
      const call = { path, index: inner.length + index, layer, penalty: () => loss(), loss, ...subjects.get(loss) };
      const activity = isActivityLayer(layer) && index === 0 ? { activity: layer } : {};
      return { ...call, ...activity, asked, recurrent: false };
    }),
  ];
}

/** The layers that a layer is made of, each with what tells it from the others: a cell that is alone has no name. */
export function innerLayers(layer: Layer): { within: Array<{ layer: Layer; name: string }>; recurrent: boolean } {
  const parts = layer as {
    layer?: unknown;
    forwardLayer?: unknown;
    backwardLayer?: unknown;
    cell?: unknown;
    cells?: unknown;
  };
  const { layer: wrapped, forwardLayer, backwardLayer, cell, cells } = parts;
  const isLayer = (value: unknown): value is Layer => value instanceof layers.Layer;
  const named = (inner: unknown[]) => inner.filter(isLayer).map((one) => ({ layer: one, name: one.name }));
  if (isLayer(forwardLayer)) return { within: named([forwardLayer, backwardLayer]), recurrent: true };
  if (isLayer(cell)) return { within: [{ layer: cell, name: '' }], recurrent: true };
  if (Array.isArray(cells)) return { within: named(cells), recurrent: true };
  return { within: named([wrapped]), recurrent: false };
}

/**
 * The weights that training moves: those that were trainable at `compile` and are now. A weight that is frozen later rests
 * at once, one that is freed later moves only after the next `compile`.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1374-L1378 | the step},
 * which names the weights, and the optimizer's `computeGradients`, which leaves out those that are not trainable.
 */
export function movedWeights(model: LayersModel): Set<Layer['weights'][number]> {
  const { collectedTrainableWeights } = model as unknown as { collectedTrainableWeights?: Layer['weights'] };
  return new Set((collectedTrainableWeights ?? model.trainableWeights).filter(({ trainable }) => trainable));
}

/**
 * A layer that penalises what passes through it. Its first loss has a value only within a forward pass that it knows to
 * be watched, and is 0 otherwise.
 */
export interface ActivityLayer extends Layer {
  readonly l1: number;
  readonly l2: number;
  /** How many evaluations listen to what passes through the layer. */
  evaluations: number;
}

/** By its members, because the ESM and the CommonJS build of this library can meet in one program. */
const isActivityLayer = (value: unknown): value is ActivityLayer =>
  value instanceof layers.Layer && value.getClassName() === 'ActivityRegularization' && 'evaluations' in value;

/** Whether somebody may ask for the activities of the forward pass that runs: gradients are taken, or an evaluation listens. */
export const isPassWatched = ({ evaluations }: { evaluations: number }): boolean =>
  engine().isTapeOn() || evaluations > 0;

/**
 * Lets a tensor that was made within a layer live until the forward pass around it is over, however it ends: nested
 * models and wrappers tidy up behind each of their calls, before the step asks for its penalties.
 *
 * @param tensor - Made in the scope that is active.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/engine.ts#L1114-L1116 | Engine.gradients}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/container.ts#L739 | Container.call}
 */
export function keepForPass<T extends Tensor>(tensor: T): T {
  const { activeScope, scopeStack } = engine().state;
  const pass = scopeStack.filter(({ name }) => engine().isTapeOn() && name === 'forward').at(-1) ?? scopeStack[0]!;
  activeScope.track = activeScope.track.filter((other) => other !== tensor);
  pass.track.push(tensor);
  tensor.scopeId = pass.id;
  return tensor;
}

/** What an evaluation is heard to do. */
export interface EvaluationListener {
  /** `evaluate` or `evaluateDataset` begins; the validation of `fit` does not say so. */
  began(): void;
  /** A batch has passed through the model, and what it left is there still. */
  passed(samples: number): void;
}

/** As with `watches`, the listeners of a model share one change of it. */
const evaluationWatches = new WeakMap<LayersModel, { listeners: Set<EvaluationListener>; restore: () => void }>();

/**
 * Tells of every batch that the host evaluates, validation included, until released.
 *
 * The host's test function calls the first loss function once a batch, outside of any gradient, when the outputs of the
 * batch are there.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1386-L1429 | makeTestFunction}
 */
export function watchEvaluation(model: LayersModel, listener: EvaluationListener): () => void {
  const watch = evaluationWatches.get(model) ?? startEvaluationWatch(model);
  watch.listeners.add(listener);
  return () => {
    watch.listeners.delete(listener);
    if (watch.listeners.size === 0 && evaluationWatches.delete(model)) watch.restore();
  };
}

function startEvaluationWatch(model: LayersModel): { listeners: Set<EvaluationListener>; restore: () => void } {
  const host = model as unknown as { lossFunctions: LossFunction[]; makeTestFunction: () => void };
  const listeners = new Set<EvaluationListener>();
  const { lossFunctions, makeTestFunction } = host;
  const before = Object.getOwnPropertyDescriptor(host, 'makeTestFunction');
  const loss = lossFunctions[0]!;
  host.makeTestFunction = function () {
    listeners.forEach((listener) => listener.began());
    makeTestFunction.call(this);
  };
  lossFunctions[0] = (yTrue, yPred) => {
    if (!engine().isTapeOn()) listeners.forEach((listener) => listener.passed(yTrue.shape[0] ?? 1));
    return loss(yTrue, yPred);
  };
  const restore = () => {
    lossFunctions[0] = loss;
    putBack(host, 'makeTestFunction', before);
  };
  const watch = { listeners, restore };
  evaluationWatches.set(model, watch);
  return watch;
}

type LossFunction = (yTrue: Tensor, yPred: Tensor) => Tensor;

/** Every layer and cell within a model, at any depth. */
export function layersWithin(layer: Layer): Layer[] {
  const within = layer instanceof LayersModel ? layer.layers : innerLayers(layer).within.map((inner) => inner.layer);
  return within.flatMap((inner) => [inner, ...layersWithin(inner)]);
}

/**
 * The layers that a training step asks for penalties and that answer with what `addPenalty` gave them, and how often it
 * asks: a wrapper and the layer in it have one list of penalties, so both count for both.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/topology.ts#L659-L665 | Layer.calculateLosses}
 */
export function askedLayers(model: LayersModel): Map<Layer, number> {
  const asked = leafCalls(model).filter((layer) => layer.calculateLosses === layers.Layer.prototype.calculateLosses);
  return new Map(asked.map((layer) => [layer, asked.filter(({ losses }) => losses === layer.losses).length]));
}

const leafCalls = (model: LayersModel): Layer[] =>
  layerCalls(model, '').flatMap(({ layer }) => (layer instanceof LayersModel ? leafCalls(layer) : [layer]));

type Subject = Pick<PenaltyCall, 'path' | 'index' | 'layer'>;

/** What a penalty is about that may stand on another layer than the one whose weight it penalises. */
const subjects = new WeakMap<() => unknown, Subject>();
let added = 0;

/**
 * Adds a penalty to those that a layer answers with.
 *
 * @param subject - The layer whose weight it penalises, and that layer's path.
 * @returns How to ask whether it is still there, and how to take it away.
 */
export function addPenalty(
  asked: Layer,
  penalty: () => Scalar,
  subject: Omit<Subject, 'index'>,
): { isThere(): boolean; remove(): void } {
  // Below zero, because the layer that it is about counts its own from there.
  subjects.set(penalty, { ...subject, index: -++added });
  asked.addLoss(penalty);
  const place = () => asked.losses.indexOf(penalty);
  return { isThere: () => place() !== -1, remove: () => void asked.losses.splice(place(), 1) };
}

/** What `calculateLosses` of a model returns instead of the host's penalties. */
const replacements = new WeakMap<LayersModel, (prefix: string) => PenaltyCall[]>();

/**
 * Has a trained model add other penalties than the host's, in its own training and where it is nested in another model.
 *
 * @param calls - The penalties, asked for at each step; `prefix` is what stands before their paths.
 * @returns Puts the model back as it was.
 * @throws Error within a training step that is watched; the model is then as it was.
 */
export function replacePenalties(model: LayersModel, calls: (prefix: string) => PenaltyCall[]): () => void {
  const host = internals(model);
  checkNotInStep(model);
  const before = Object.getOwnPropertyDescriptor(host, 'calculateLosses');
  host.calculateLosses = () => tidy(() => calls('').map(({ penalty }) => penalty()));
  replacements.set(model, calls);
  return () => {
    checkNotInStep(model);
    putBack(host, 'calculateLosses', before);
    replacements.delete(model);
  };
}

function checkNotInStep(model: LayersModel): void {
  if (!watches.has(model)) return;
  throw new Error(
    `Expected the penalties of \`${model.name}\` to change between training steps, got a change within one. ` +
      'Make it before `fit`, or in `onEpochBegin` or `onEpochEnd`.',
  );
}

/**
 * Tells of each model that a `Sequential` builds from now on in place of the one that it trains, until released: every
 * `compile` builds one.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L813-L815 | Sequential.compile}
 */
export function whenRebuilt(model: LayersModel, heard: (trained: LayersModel) => void): () => void {
  if (!(model instanceof Sequential)) return () => {};
  let trained = (model as unknown as { model: LayersModel }).model;
  const property = { configurable: true, enumerable: true };
  Object.defineProperty(model, 'model', {
    ...property,
    get: () => trained,
    set: (rebuilt: LayersModel) => {
      trained = rebuilt;
      heard(rebuilt);
    },
  });
  return () => void Object.defineProperty(model, 'model', { ...property, writable: true, value: trained });
}

/**
 * Refuses to make more weights than that, in all layers together, until released; those that are made are zeros. To be
 * used around the loading of a model from a file: the topology may ask for any size, and is obeyed before anything
 * compares it with the weights in the file.
 *
 * @param limit - How many values.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/topology.ts#L1271 | Layer.addWeight}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L312-L321 | fastWeightInit}
 */
export function limitNewWeights(limit: number): () => void {
  const prototype = layers.Layer.prototype as unknown as HostWeights;
  const addWeight = prototype.addWeight;
  let made = 0;
  prototype.addWeight = function (name, shape, ...others) {
    made += shape.reduce<number>((size, length) => size * Math.abs(Number(length)), 1);
    if (!(made <= limit)) throw new Error(`the topology asks for more weights than the file has (${limit} values)`);
    this.setFastWeightInitDuringBuild(true);
    return addWeight.call(this, name, shape, ...others);
  };
  return () => void (prototype.addWeight = addWeight);
}

/** Where a layer makes its weights, which is protected in the host's types. */
interface HostWeights {
  setFastWeightInitDuringBuild(value: boolean): void;
  addWeight(name: string, shape: ReadonlyArray<number | null>, ...others: unknown[]): Layer['weights'][number];
}
