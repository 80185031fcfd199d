import { Tensor, clone, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { isInLoss } from '../gradients.js';
import { internals, type HostModel } from '../model/model.js';
import { RANK, patch, shared } from '../patch.js';

/** A `tf.data.Dataset` of batches `{xs, ys}`, or its iterator, by what is needed of them. */
export type EvaluationDataset = Record<'iterator', () => Promise<unknown>> | Record<'next', () => Promise<unknown>>;

/** The host's own `evaluateDataset`, whose types come from tfjs-data, which this library does not use. */
export const evaluateBatches = (
  model: LayersModel,
  dataset: EvaluationDataset,
  args: { batches?: number | undefined },
): Promise<Scalar | Scalar[]> =>
  model.evaluateDataset(dataset as unknown as Parameters<LayersModel['evaluateDataset']>[0], args);

/** What is done with each evaluation of a model: a call of `evaluate` or `evaluateDataset`, or a validation of `fit`. */
export interface EvaluationObserver<T> {
  /** An evaluation begins; returns where what it leaves is taken to. */
  begin(): T;
  /** What is done with each batch. */
  batches?: {
    /** Runs the pass of one batch. */
    pass<R>(run: () => R): R;
    /** A batch has passed through the model, and what it left is still there. */
    onBatch(taken: T, samples: number): void;
  };
  /** An evaluation is over, and all that the host computed is still there, also what it does not put into logs. */
  onEnd?(taken: T, values: readonly Scalar[]): void;
  /** Disposes what was taken. */
  discard(taken: T): void;
}

/** A watch over the evaluations of a model. */
export interface EvaluationWatch<T> {
  /** Takes part in the evaluations that begin from now on; at first it does not. */
  open(): void;
  /** Leaves out those that begin from now on, and goes on with those that have begun. */
  close(): void;
  /**
   * What was taken from the evaluation that returned one of these values; what others left that are over is discarded. `undefined`
   * where there was none.
   *
   * @param values - Numbers where the host's scalars were read, and are gone: then there must have been one evaluation only.
   */
  of(values: readonly unknown[]): T | undefined;
  /** Ends the watch, restores the model, and discards what is left. */
  end(): void;
}

type TestFunction = HostModel['testFunction'];

/** The host's test functions by those that were put in their place. */
const originals = shared('testFunctions', () => new WeakMap<TestFunction, TestFunction>());

/**
 * Watches the evaluations of a model. Several may run at the same time, or within one another: each has its own place for what
 * is taken, and is known by the values that it returns.
 *
 * The host's test function calls the first loss function once a batch, when the outputs of the batch are there.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1386-L1429 | makeTestFunction}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training_dataset.ts#L523-L536 | evaluateDataset}
 */
export function watchEvaluations<T>(model: LayersModel, observer: EvaluationObserver<T>): EvaluationWatch<T> {
  const host = internals(model);
  const running = new Set<T>();
  let over: Array<{ values: Scalar[]; taken: T }> = [];
  let isOpen = false;
  const begin = (): T | undefined => {
    if (!isOpen) return undefined;
    const taken = observer.begin();
    running.add(taken);
    return taken;
  };
  const discard = (taken: T): void => {
    running.delete(taken);
    observer.discard(taken);
  };
  const finish = (taken: T, result: Scalar | Scalar[]): void => {
    if (!running.delete(taken)) return;
    const values = [result].flat();
    observer.onEnd?.(taken, values);
    const isUsed = (one: (typeof over)[number]): boolean => one.values.some(({ isDisposed }) => !isDisposed);
    over.filter((one) => !isUsed(one)).forEach((one) => observer.discard(one.taken));
    over = [...over.filter(isUsed), { values, taken }];
  };
  const watched =
    (taken: T, test: TestFunction): TestFunction =>
    (data) => {
      const { batches } = observer;
      if (batches === undefined) return test(data);
      let isTaken = false;
      const release = patch(host.lossFunctions, 0, RANK.watch, (loss, yTrue, yPred) => {
        if (!isTaken && running.has(taken)) batches.onBatch(taken, data[0]!.shape[0] ?? 1);
        isTaken = true;
        return loss(yTrue, yPred);
      });
      try {
        return batches.pass(() => test(data));
      } finally {
        release();
      }
    };
  let opened: T | undefined;
  const releases = [
    patch(host, 'testLoop', RANK.watch, (inner, test, ...args) => {
      const taken = begin();
      if (taken === undefined) return inner(test, ...args);
      try {
        const values = inner(watched(taken, test), ...args);
        finish(taken, values);
        return values;
      } catch (error) {
        discard(taken);
        throw error;
      }
    }),
    patch(host, 'makeTestFunction', RANK.watch, (make) => {
      make();
      if (opened === undefined) return;
      const test = host.testFunction;
      host.testFunction = watched(opened, test);
      originals.set(host.testFunction, test);
      opened = undefined;
    }),
    patch(host, 'evaluateDataset', RANK.watch, async (inner, dataset, args) => {
      const taken = begin();
      if (taken === undefined) return inner(dataset, args);
      try {
        opened = taken;
        const evaluating = inner(dataset, args);
        // The host has looked its test function up by now.
        opened = undefined;
        while (originals.has(host.testFunction)) host.testFunction = originals.get(host.testFunction)!;
        const values = await evaluating;
        finish(taken, values);
        return values;
      } catch (error) {
        discard(taken);
        throw error;
      }
    }),
  ];
  const clear = (): void => {
    over.forEach(({ taken }) => observer.discard(taken));
    over = [];
  };
  return {
    open: () => void (isOpen = true),
    close: () => void (isOpen = false),
    of(values) {
      const wereRead = values.some((value) => typeof value === 'number');
      const isOnly = wereRead && over.length === 1;
      const found = isOnly ? over[0] : over.find((one) => one.values.some((value) => values.includes(value)));
      over = over.filter((one) => one !== found);
      clear();
      return found?.taken;
    },
    end() {
      releases.forEach((release) => release());
      [...running].forEach(discard);
      clear();
    },
  };
}

/**
 * Lets the outputs of a model's layers live until the loss of a forward pass is computed, as they do in training, for those who
 * hold on to them. The host disposes each in an evaluation as soon as the next layers have it: it gets a copy to dispose.
 *
 * @param isNeeded - Asked before each layer is called, outside of training.
 * @returns Restores the layers.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/executor.ts#L267-L343 | execute}
 */
export function keepActivations(model: LayersModel, isNeeded: () => boolean): () => void {
  const releases = model.layers.map((layer) =>
    patch(layer, 'apply', RANK.watch, (apply, ...args) => {
      const isKept = !isInLoss() && isNeeded();
      const outputs = apply(...args);
      return isKept ? copied(outputs) : outputs;
    }),
  );
  return () => releases.forEach((release) => release());
}

type Outputs = ReturnType<LayersModel['apply']>;

const copied = (outputs: Outputs): Outputs =>
  Array.isArray(outputs) ? (outputs.map(copyOf) as Outputs) : copyOf(outputs);

const copyOf = <T>(output: T): T => (output instanceof Tensor ? clone(output) : output);
