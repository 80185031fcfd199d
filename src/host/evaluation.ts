import { Tensor, clone, engine, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { isInLoss } from './gradients.js';
import { internals, lossNames } from './model.js';
import { RANK, patch } from './patch.js';

/** A `tf.data.Dataset` of batches `{xs, ys}`, or its iterator, by what is needed of them. */
export type EvaluationDataset = Record<'iterator', () => Promise<unknown>> | Record<'next', () => Promise<unknown>>;

/** The host's own `evaluateDataset`, whose types come from tfjs-data, which this library does not use. */
export const evaluateBatches = (
  model: LayersModel,
  dataset: EvaluationDataset,
  args: { batches?: number | undefined },
): Promise<Scalar | Scalar[]> =>
  model.evaluateDataset(dataset as unknown as Parameters<LayersModel['evaluateDataset']>[0], args);

/** What is called during an evaluation. */
export interface EvaluationListener {
  /** `evaluate` or `evaluateDataset` begins; not called for the validation of `fit`. */
  onBegin(): void;
  /** A batch has passed through the model, and what it left is still there. */
  onBatch(samples: number): void;
}

/**
 * Calls a listener for every batch that the host evaluates, validation included, until released.
 *
 * The host's test function calls the first loss function once a batch, outside of any gradient, when the outputs of the
 * batch are there.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1386-L1429 | makeTestFunction}
 */
export function watchEvaluation(model: LayersModel, { onBegin, onBatch }: EvaluationListener): () => void {
  const host = internals(model);
  const releases = [
    patch(
      host,
      'makeTestFunction',
      RANK.watch,
      (make) =>
        function (this: unknown) {
          onBegin();
          make.call(this);
        },
    ),
    patch(host.lossFunctions, 0, RANK.watch, (loss) => (yTrue, yPred) => {
      if (!engine().isTapeOn()) onBatch(yTrue.shape[0] ?? 1);
      return loss(yTrue, yPred);
    }),
  ];
  return () => releases.forEach((release) => release());
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
