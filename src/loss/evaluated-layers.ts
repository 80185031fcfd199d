import { tidy, type Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { watchEvaluations, type EvaluationWatch } from '../host/evaluation.js';
import { appliedLosses } from '../host/penalties.js';
import { isPassLoss, type PassLoss } from '../host/pass-loss.js';
import { distinct } from '../regularizers/declared-regularizers.js';
import { sumOfNumbers } from '../util/scalars.js';
import { WeightedMean } from '../util/weighted-mean.js';
import { LossTerm } from './loss-term.js';
import type { TermValue } from './parts.js';

/** What the layers of a model that add to the loss in the forward pass came to in an evaluation. */
export interface EvaluatedLayersResult {
  /** The penalties on activations. */
  activity: number;
  /** The terms, each without its weight. */
  terms: TermValue[];
}

/**
 * What layers add to the loss of the data that the host evaluates: penalties on activations, and terms of the data loss. The
 * host computes only the data loss of the outputs, so the layers are watched meanwhile. A model without such layers is left as
 * it is.
 */
export class EvaluatedLayers {
  /** Each with how often the host would ask it for its loss. */
  readonly #layers: Array<{ layer: PassLoss; calls: number }>;
  readonly #watch: EvaluationWatch<WeightedMean> | undefined;
  #isOpen = false;

  /** @param model - A compiled model; it is watched until `dispose`. */
  constructor(model: LayersModel) {
    this.#layers = distinct(appliedLosses(model)).flatMap(({ penalty: { kind, layer }, calls }) =>
      kind !== 'penalty' && isPassLoss(layer) ? [{ layer, calls }] : [],
    );
    if (this.#layers.length === 0) return;
    const layers = this.#layers.map(({ layer }) => layer);
    layers.forEach((layer) => (layer.evaluations += 1));
    this.#watch = watchEvaluations<WeightedMean>(model, {
      begin: () => (this.#isOpen ? new WeightedMean() : undefined),
      pass: (run) => layers.reduce((inner, layer) => () => layer.apart(inner), run)(),
      onBatch: (mean, samples) =>
        tidy(() =>
          mean.add(
            layers.map((layer) => layer.mean()),
            samples,
          ),
        ),
      discard: (mean) => mean.dispose(),
    });
  }

  /** Takes part in the evaluations that begin from now on. */
  open(): void {
    this.#isOpen = true;
  }

  /** Leaves out those that begin from now on, and goes on with those that have begun. */
  close(): void {
    this.#isOpen = false;
  }

  /**
   * The mean over the batches of the evaluation that returned a value, weighted by batch size: a vector for `result`, or none; the
   * caller disposes it. Other evaluations that are over are forgotten.
   */
  meansOf(value: unknown): Tensor[] {
    const mean = this.#watch?.of(value);
    const means = mean?.means();
    mean?.dispose();
    return means === undefined ? [] : [means];
  }

  /** What the numbers of `means` are. */
  result(numbers: readonly number[]): EvaluatedLayersResult {
    const values = this.#layers.map(({ layer, calls }, index) => ({ layer, value: calls * (numbers[index] ?? 0) }));
    return {
      activity: sumOfNumbers(values.filter(({ layer }) => !layer.isTerm).map(({ value }) => value)),
      terms: values.flatMap(({ layer, value }) =>
        layer instanceof LossTerm ? [{ layer, name: layer.name, value, weight: layer.weight }] : [],
      ),
    };
  }

  /** Ends the watch and restores the model. */
  dispose(): void {
    this.#watch?.end();
    this.#layers.splice(0).forEach(({ layer }) => (layer.evaluations -= 1));
  }
}
