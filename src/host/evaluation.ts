import { Tensor, clone, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { isInLoss } from './gradients.js';
import { internals, lossNames, type HostModel } from './model.js';
import { RANK, patch, shared } from './patch.js';

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
  /** An evaluation begins; returns where its batches are taken to, or `undefined` for none. */
  begin(): T | undefined;
  /** Runs the pass of one batch. */
  pass<R>(run: () => R): R;
  /** A batch has passed through the model, and what it left is still there. */
  onBatch(taken: T, samples: number): void;
  /** Disposes what was taken. */
  discard(taken: T): void;
}

/** A watch over the evaluations of a model. */
export interface EvaluationWatch<T> {
  /**
   * What was taken from the evaluation that returned this value; what others left that are over is discarded. `undefined`
   * where there was none.
   */
  of(value: unknown): T | undefined;
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
  let over: Array<{ values: Tensor[]; taken: T }> = [];
  const begin = (): T | undefined => {
    const taken = observer.begin();
    if (taken !== undefined) running.add(taken);
    return taken;
  };
  const discard = (taken: T): void => {
    running.delete(taken);
    observer.discard(taken);
  };
  const finish = (taken: T, values: Tensor | Tensor[]): void => {
    if (!running.delete(taken)) return;
    const isUsed = (one: (typeof over)[number]): boolean => one.values.some(({ isDisposed }) => !isDisposed);
    over.filter((one) => !isUsed(one)).forEach((one) => observer.discard(one.taken));
    over = [...over.filter(isUsed), { values: [values].flat(), taken }];
  };
  const watched =
    (taken: T, test: TestFunction): TestFunction =>
    (data) => {
      let isTaken = false;
      const release = patch(host.lossFunctions, 0, RANK.watch, (loss) => (yTrue, yPred) => {
        if (!isTaken && running.has(taken)) observer.onBatch(taken, data[0]!.shape[0] ?? 1);
        isTaken = true;
        return loss(yTrue, yPred);
      });
      try {
        return observer.pass(() => test(data));
      } finally {
        release();
      }
    };
  let opened: T | undefined;
  const releases = [
    patch(
      host,
      'testLoop',
      RANK.watch,
      (inner) =>
        function (this: unknown, test, ...args) {
          const taken = begin();
          if (taken === undefined) return inner.call(this, test, ...args);
          try {
            const values = inner.call(this, watched(taken, test), ...args);
            finish(taken, values);
            return values;
          } catch (error) {
            discard(taken);
            throw error;
          }
        },
    ),
    patch(
      host,
      'makeTestFunction',
      RANK.watch,
      (make) =>
        function (this: unknown) {
          make.call(this);
          if (opened === undefined) return;
          const test = host.testFunction;
          host.testFunction = watched(opened, test);
          originals.set(host.testFunction, test);
          opened = undefined;
        },
    ),
    patch(
      host,
      'evaluateDataset',
      RANK.watch,
      (inner) =>
        async function (this: unknown, dataset, args) {
          const taken = begin();
          if (taken === undefined) return inner.call(this, dataset, args);
          try {
            opened = taken;
            const evaluating = inner.call(this, dataset, args);
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
        },
    ),
  ];
  const clear = (): void => {
    over.forEach(({ taken }) => observer.discard(taken));
    over = [];
  };
  return {
    of(value) {
      const found = over.find(({ values }) => values.some((one) => one === value));
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
    patch(
      layer,
      'apply',
      RANK.watch,
      (apply) =>
        function (this: unknown, ...args) {
          const isKept = !isInLoss() && isNeeded();
          const outputs = apply.apply(this, args);
          return isKept ? copied(outputs) : outputs;
        },
    ),
  );
  return () => releases.forEach((release) => release());
}

type Outputs = ReturnType<LayersModel['apply']>;

const copied = (outputs: Outputs): Outputs =>
  Array.isArray(outputs) ? (outputs.map(copyOf) as Outputs) : copyOf(outputs);

const copyOf = <T>(output: T): T => (output instanceof Tensor ? clone(output) : output);

/**
 * The place of the true data loss among the values of the host's evaluation. The host returns one running sum an output
 * where its labels name one loss, so all after the first are shifted against their names.
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
