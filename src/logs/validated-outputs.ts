import { clone, dispose, keep, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { evaluatedLosses } from '../host/evaluated-values.js';
import { watchEvaluations, type EvaluationWatch } from '../host/evaluation.js';

/**
 * The data loss in the validations of a run, and that of each output. The host computes all of them, but its logs have them under the
 * names of others, without the last ones, or the one under the name of the other.
 */
export class ValidatedOutputs {
  readonly #watch: EvaluationWatch<Scalar[]>;

  /** @param model - The model that is trained; it is watched until `dispose`. */
  constructor(model: LayersModel) {
    this.#watch = watchEvaluations<Scalar[]>(model, {
      begin: () => [],
      onEnd: (taken, values) => void taken.push(...evaluatedLosses(model, values).map((loss) => keep(clone(loss)))),
      discard: dispose,
    });
  }

  open(): void {
    this.#watch.open();
  }

  close(): void {
    this.#watch.close();
  }

  /**
   * What the evaluation that returned one of some values computed: the data loss, then of several outputs the loss of each, which
   * the caller disposes; nothing where there was no such evaluation.
   */
  lossesOf(values: readonly unknown[]): Scalar[] {
    return this.#watch.of(values) ?? [];
  }

  /** Ends the watch and restores the model. */
  dispose(): void {
    this.#watch.end();
  }
}
