import { cast, tidy, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { isOfRegularizer } from '../host/penalties/closures.js';
import { isPassLoss, type PassLoss } from '../host/penalties/pass-loss.js';
import { appliedLosses } from '../host/penalties/penalties.js';
import { madeInPass } from '../host/penalties/penalty-value.js';
import { isPenalty, type Penalty } from '../host/penalties/penalty.js';
import { keepActivations, watchEvaluations, type EvaluationWatch } from '../host/run/evaluation.js';
import { currentPenalties } from '../host/step/penalty-sums.js';
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
 * What a model adds to the loss of the data that the host evaluates: penalties on activations, and terms of the data loss. The
 * host computes only the data loss of the outputs, so the layers are watched meanwhile. A model without such layers is left as
 * it is.
 *
 * A loss that was added by hand may be made of activations too: one that is not made when it is asked for
 * is asked with each batch.
 */
export class EvaluatedLayers {
  readonly #model: LayersModel;
  /** Each with how often the host would ask it for its loss. */
  readonly #ofLayers: Evaluated[];
  readonly #addedByHand: Evaluated[];
  /** Those of them that a forward pass gives their value; `undefined` until the first. */
  #ofPass: Evaluated[] | undefined;
  readonly #watch: EvaluationWatch<WeightedMean> | undefined;
  readonly #releases: Array<() => void> = [];

  /** @param model - A compiled model; it is watched until `dispose`. */
  constructor(model: LayersModel) {
    this.#model = model;
    const all = distinct(appliedLosses(model));
    this.#ofLayers = all.filter(({ penalty: { kind, layer } }) => kind !== 'penalty' && isPassLoss(layer));
    this.#addedByHand = all.filter(({ penalty }) => isAddedByHand(penalty));
    if (this.#ofLayers.length + this.#addedByHand.length === 0) return;
    const layers = this.#ofLayers.map(({ penalty }) => penalty.layer as PassLoss);
    layers.forEach((layer) => (layer.evaluations += 1));
    this.#releases.push(() => layers.forEach((layer) => (layer.evaluations -= 1)));
    this.#watch = watchEvaluations<WeightedMean>(model, {
      begin: () => new WeightedMean(),
      batches: {
        pass: (run) => layers.reduce((inner, layer) => () => layer.apart(inner), run)(),
        onBatch: (mean, samples) => {
          const evaluated = this.#evaluated();
          if (evaluated.length > 0) tidy(() => mean.add(evaluated.map(valueOf), samples));
        },
      },
      discard: (mean) => mean.dispose(),
    });
    if (this.#addedByHand.length === 0) return;
    this.#releases.push(keepActivations(model, () => this.#lossesOfPass().length > 0));
  }

  #evaluated(): Evaluated[] {
    return [...this.#ofLayers, ...this.#lossesOfPass()];
  }

  /** Finds out before the first batch passes, when nothing of another pass is left. */
  #lossesOfPass(): Evaluated[] {
    if (this.#ofPass === undefined) {
      const found = madeInPass(this.#addedByHand.map(({ penalty }) => penalty.closure!));
      this.#ofPass = this.#addedByHand.filter(({ penalty }) => found.has(penalty.closure!));
    }
    return this.#ofPass;
  }

  /** The other penalties at the current weights: new scalars, which the caller disposes. */
  penalties(): Scalar[] {
    const ofPass = new Set(this.#ofPass?.map(({ penalty }) => penalty.key));
    return currentPenalties(this.#model, ({ key }) => !ofPass.has(key));
  }

  /** Takes part in the evaluations that begin from now on. */
  open(): void {
    this.#watch?.open();
  }

  /** Leaves out those that begin from now on, and goes on with those that have begun. */
  close(): void {
    this.#watch?.close();
  }

  /**
   * The mean over the batches of the evaluation that returned one of some values, weighted by batch size: a vector for `result`, or
   * none; the caller disposes it. Other evaluations that are over are forgotten.
   */
  meansOf(values: readonly unknown[]): Tensor[] {
    const mean = this.#watch?.of(values);
    const means = mean?.means();
    mean?.dispose();
    return means === undefined ? [] : [means];
  }

  /** What the numbers of `means` are. */
  result(numbers: readonly number[]): EvaluatedLayersResult {
    const values = this.#evaluated().map(({ penalty, calls }, index) => ({
      penalty,
      value: calls * (numbers[index] ?? 0),
    }));
    return {
      activity: sumOfNumbers(values.filter(({ penalty }) => isPenalty(penalty)).map(({ value }) => value)),
      terms: values.flatMap(({ penalty: { layer }, value }) =>
        layer instanceof LossTerm ? [{ layer, name: layer.name, value, weight: layer.lastWeight }] : [],
      ),
    };
  }

  /** Ends the watch and restores the model. */
  dispose(): void {
    this.#watch?.end();
    this.#releases.splice(0).forEach((release) => release());
  }
}

interface Evaluated {
  penalty: Penalty;
  calls: number;
}

const isAddedByHand = ({ kind, closure }: Penalty): boolean =>
  kind === 'penalty' && closure !== undefined && !isOfRegularizer(closure);

/** A term without its weight. */
const valueOf = ({ penalty }: Evaluated): Scalar =>
  !isPenalty(penalty) && isPassLoss(penalty.layer) ? penalty.layer.mean() : cast(penalty.value(), 'float32');
