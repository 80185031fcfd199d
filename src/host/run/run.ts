import { Callback, CallbackList, CustomCallback, History, type LayersModel } from '@tensorflow/tfjs-layers';
import { internals, trainedModel, validationNames } from '../model/model.js';
import { RANK, onAssign, patch, shared } from '../patch.js';

/** How often a run gives way to other tasks, as `CustomCallback` has it: `'auto'` is at most every 125 ms. */
export type YieldEvery = 'auto' | 'batch' | 'epoch' | 'never' | number;

/** The callbacks of a run, in the order in which they are called. */
export type Callbacks = CallbackList['callbacks'];

/** One run of `fit` or `fitDataset`, or of a loop: what the callbacks of it have in common. */
export interface Run {
  /** The models that are trained: of a `Sequential` the one that it hides. */
  readonly models: readonly LayersModel[];
  /** Whether it is a loop outside of `fit`. */
  readonly isLoop: boolean;
  /** Whether somebody drives a `tf.CallbackList` around steps of the model, instead of `fit`: nobody disposes what is in the logs. */
  readonly isByHand: boolean;
  readonly validates: boolean;
  /**
   * After which batch of an epoch the host validates before any callback can move the weights; `undefined` where it validates
   * after the callbacks of the last batch, as `fitDataset` does.
   */
  readonly validatesAfterBatch: number | undefined;
  /** What the host's validation keys hold, see {@link validationNames}; empty where there is no validation. */
  readonly validationNames: ReadonlyMap<string, string | undefined>;
  /** Callbacks that write into the logs what all others read. */
  readonly writers: Callback[];
  /** A callback that then moves what the host and the writers wrote to other keys. */
  renamer?: Callback;
  /** The key of the total loss in the logs. Where it is not `loss`, `loss` and `val_loss` hold the data loss. */
  totalKey: string;
  /** How often the run gives way to other tasks, where no callback of the user's does. Default `'auto'`. */
  yieldEvery?: YieldEvery;
  /** Calls a listener with the callbacks of the run before any of them is told that it begins. */
  onBegin(listener: (callbacks: Callbacks) => void): void;
  /** Calls a listener once, when the run is over, however it ends. */
  onEnd(listener: () => void): void;
  /** Ends a run that the host does not end: of a loop, or of a list that is driven by hand. A second call does nothing. */
  end?(): void;
}

/** Runs by the parameters that all of their callbacks are given. */
const runs = shared('runs', () => new WeakMap<object, Run>());

/** A run outside of `fit`, whose logs hold what their names say. */
export interface LoopRun extends Run {
  readonly callbacks: Pick<
    CallbackList,
    'onTrainBegin' | 'onTrainEnd' | 'onEpochBegin' | 'onEpochEnd' | 'onBatchBegin' | 'onBatchEnd'
  >;
  /** Tells the callbacks that the run is over; a second call does nothing. */
  end(): void;
}

/** What a training loop is made of. */
export interface LoopArgs {
  models: readonly LayersModel[];
  /** The model that callbacks see. */
  seen: LayersModel;
  callbacks: Callbacks;
  epochs: number | undefined;
  initialEpoch: number | undefined;
  /** The keys of the logs that are known before. */
  metrics: string[];
}

/**
 * Begins the run of a training loop.
 *
 * @throws What a callback throws that refuses to take part; the run is over then.
 */
export function loopRun({ models, seen, callbacks, epochs = null!, initialEpoch = null!, metrics }: LoopArgs): LoopRun {
  const none: number = null!;
  const params: Callback['params'] = { epochs, initialEpoch, samples: none, steps: none, batchSize: none, verbose: 0 };
  Object.assign(params, { doValidation: true, isLoop: true, metrics });
  const list = new CallbackList([...callbacks]);
  const begins: Array<(callbacks: Callbacks) => void> = [];
  const ends: Array<() => void> = [];
  const run: LoopRun = {
    models,
    isLoop: true,
    isByHand: false,
    validates: true,
    validatesAfterBatch: undefined,
    validationNames: new Map(),
    writers: [],
    totalKey: 'loss',
    onBegin: (listener) => void begins.push(listener),
    onEnd: (listener) => void ends.push(listener),
    callbacks: list,
    end: () => ends.splice(0).forEach((listener) => listener()),
  };
  runs.set(params, run);
  try {
    list.setParams(params);
    list.setModel(seen);
  } catch (error) {
    run.end();
    throw error;
  }
  list.callbacks = arranged(list.callbacks, run);
  begins.forEach((listener) => listener(list.callbacks));
  seen.stopTraining = false;
  return run;
}

/** The run that a callback is part of; to be called from `setModel`. */
export function runOf(model: LayersModel, params: Callback['params']): Run {
  const run = runs.get(params) ?? fitRun(trainedModel(model) ?? model, params);
  runs.set(params, run);
  return run;
}

function fitRun(model: LayersModel, params: Callback['params']): Run {
  const { samples, batchSize, doValidation } = params as { [name: string]: number | null | undefined };
  const isFit = samples != null;
  const listeners: Array<(callbacks: Callbacks) => void> = [];
  const ends: Array<() => void> = [];
  const isByHand = !internals(model).isTraining;
  const end = (): void => ends.splice(0).forEach((listener) => listener());
  const run: Run = {
    models: [model],
    isLoop: false,
    isByHand,
    validates: Boolean(doValidation),
    validatesAfterBatch: isFit ? Math.ceil(samples / batchSize!) - 1 : undefined,
    validationNames: doValidation ? validationNames(model, isFit ? 'fit' : 'fitDataset') : new Map(),
    writers: [],
    totalKey: 'loss',
    onBegin: (listener) => void listeners.push(listener),
    onEnd: (listener) => (isByHand ? void ends.push(listener) : whenTrainingEnds(model, listener)),
    ...(isByHand && { end }),
  };
  const release = whenTrainingBegins(params, (list) => {
    list.callbacks = arranged(list.callbacks, run);
    if (isByHand) run.onEnd(whenListEnds(list, end));
    listeners.forEach((listener) => listener(list.callbacks));
  });
  run.onEnd(release);
  return run;
}

/**
 * Puts the callbacks of a run in order: BaseLogger, which only `fit` has, the writers of the run, the progress bar and the user's other callbacks,
 * History. So all of them read what the writers write, in whatever order they were given. (Before BaseLogger a writer would
 * leave tensors in BaseLogger's totals when a run throws.) A writer that another callback passes its calls on to is not in the list,
 * and takes part where that one is.
 *
 * A run without a `CustomCallback` gets one, because nothing else yields to the event loop: a page would stand still while it
 * trains.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/base_callbacks.ts#L585-L591 | the order}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/base_callbacks.ts#L339-L441 | CustomCallback}
 */
export function arranged(callbacks: Callbacks, { writers, renamer, yieldEvery }: Run): Callbacks {
  const first = [...writers, ...(renamer ? [renamer] : [])].filter((writer) => callbacks.includes(writer));
  const others = callbacks.filter((callback) => !first.includes(callback as Callback));
  const loggers = others.slice(0, others[0] && isBaseLogger(others[0]) ? 1 : 0);
  const yields = callbacks.some((callback) => callback instanceof CustomCallback);
  return [
    ...loggers,
    ...first,
    ...others.slice(loggers.length),
    ...(yields ? [] : [new CustomCallback({}, yieldEvery)]),
  ];
}

/** The host does not export its class. */
const isBaseLogger = (callback: Callbacks[number]): boolean =>
  ![Callback, CustomCallback, History].some((one) => callback instanceof one);

/** Whether an epoch ended before it was validated, because a callback set `model.stopTraining` in the middle of it. */
export const endedBeforeValidation = ({ validationNames: names }: Run, logs: object): boolean =>
  names.size > 0 && ![...names.keys()].some((key) => key in logs);

/**
 * The host begins a run right after it has called `setModel` of all callbacks, and tells nobody the list of them before.
 *
 * @returns Gives up, where the run ends before it begins.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1680-L1682 | setModel, onTrainBegin}
 */
function whenTrainingBegins(params: Callback['params'], listener: (list: CallbackList) => void): () => void {
  const release = patch(CallbackList.prototype, 'onTrainBegin', RANK.watch, async function (inner, ...args) {
    if (this.callbacks.some((callback) => callback.params === params)) {
      release();
      listener(this);
    }
    return inner(...args);
  });
  return release;
}

/**
 * The host calls no callback when a run throws, but `fit` and `fitDataset` clear `isTraining` in a `finally`.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1588-L1589 | fit}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training_dataset.ts#L497-L498 | fitDataset}
 */
function whenTrainingEnds(model: LayersModel, listener: () => void): void {
  const release = onAssign(internals(model), 'isTraining', () => {
    release();
    listener();
  });
}

/**
 * A list that is driven by hand tells its end itself, unless it throws before.
 *
 * @returns Stops listening.
 */
function whenListEnds(list: CallbackList, listener: () => void): () => void {
  const release = patch(list, 'onTrainEnd', RANK.watch, async (inner, ...args) => {
    release();
    try {
      await inner(...args);
    } finally {
      listener();
    }
  });
  return release;
}
