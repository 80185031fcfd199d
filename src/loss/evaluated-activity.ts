import { reshape, tidy, type Rank, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { isActivityLayer } from '../host/activity.js';
import { watchEvaluation } from '../host/evaluation.js';
import { appliedPenalties, type Penalty } from '../host/penalties.js';
import { sumOf } from '../util/scalars.js';
import { WeightedMean } from '../util/weighted-mean.js';

/**
 * The activity penalty of the data that the host evaluates: it computes the data loss only, so the layers are watched
 * meanwhile. A model without activity regularization is left as it is.
 */
export class EvaluatedActivity {
  readonly #penalties: Penalty[];
  readonly #mean = new WeightedMean();
  #release: () => void = () => {};

  /** @param model - A compiled model; it is watched until `dispose`. */
  constructor(model: LayersModel) {
    this.#penalties = appliedPenalties(model).filter(({ kind }) => kind === 'activity');
    if (this.#penalties.length === 0) return;
    const watched = new Set(this.#penalties.map(({ layer }) => layer).filter(isActivityLayer));
    watched.forEach((layer) => (layer.evaluations += 1));
    const release = watchEvaluation(model, {
      onBegin: () => this.restart(),
      onBatch: (samples) =>
        tidy(() => this.#mean.add([sumOf(this.#penalties.map((penalty) => penalty.value()))], samples)),
    });
    this.#release = () => {
      release();
      watched.forEach((layer) => (layer.evaluations -= 1));
    };
  }

  /** Forgets what passed before. */
  restart(): void {
    this.#mean.dispose();
  }

  /** The mean over the batches since, weighted by batch size: one scalar or none, which the caller disposes. */
  means(): Scalar[] {
    return tidy(() => {
      const means = this.#mean.means();
      return means === undefined ? [] : [reshape<Rank.R0>(means, [])];
    });
  }

  /** Ends the watch and restores the model. */
  dispose(): void {
    this.#release();
    this.#release = () => {};
    this.#mean.dispose();
  }
}
