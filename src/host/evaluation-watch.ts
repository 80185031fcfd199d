import { engine, type Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { putBack } from './model.js';

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
