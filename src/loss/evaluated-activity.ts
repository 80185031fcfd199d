import { reshape, tidy, type Rank, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { EpochAverage } from '../util/weighted-mean.js';
import { penaltyCalls, type PenaltyCall } from '../host/penalties.js';
import { watchEvaluation } from '../host/evaluation-watch.js';
import { sumOf } from '../util/scalars.js';

/**
 * The activity penalty of the data that the host evaluates: it computes the data loss only, so the layers are listened to
 * meanwhile. A model without activity regularization is left as it is.
 */
export class EvaluatedActivity {
  readonly #calls: PenaltyCall[];
  readonly #average = new EpochAverage();
  #release: () => void = () => {};

  /** @param model - A compiled model; it is watched until `dispose`. */
  constructor(model: LayersModel) {
    this.#calls = penaltyCalls(model).filter(({ activity }) => activity !== undefined);
    if (this.#calls.length === 0) return;
    const listened = new Set(this.#calls.map(({ activity }) => activity!));
    listened.forEach((layer) => (layer.evaluations += 1));
    const release = watchEvaluation(model, {
      began: () => this.restart(),
      passed: (samples) => tidy(() => this.#average.add([sumOf(this.#calls.map(({ penalty }) => penalty()))], samples)),
    });
    this.#release = () => {
      release();
      listened.forEach((layer) => (layer.evaluations -= 1));
    };
  }

  /** Forgets what passed before. */
  restart(): void {
    this.#average.dispose();
  }

  /** The mean over the batches since, weighted by batch size: one scalar or none, which the caller disposes. */
  means(): Scalar[] {
    return tidy(() => {
      const means = this.#average.means();
      return means === undefined ? [] : [reshape<Rank.R0>(means, [])];
    });
  }

  /** Ends the watch and puts the model back as it was. */
  dispose(): void {
    this.#release();
    this.#release = () => {};
    this.#average.dispose();
  }
}
