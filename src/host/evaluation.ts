import { engine, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { internals } from './model.js';
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
