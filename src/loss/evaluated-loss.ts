import { cast, clone, dispose, keep, tidy, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { evaluatedValues } from '../host/model/model.js';
import { isOfRegularizer } from '../host/penalties/closures.js';
import type { PassLoss } from '../host/penalties/pass-loss.js';
import { appliedLosses } from '../host/penalties/penalties.js';
import { madeInPass } from '../host/penalties/penalty-value.js';
import { isPenalty, type Penalty } from '../host/penalties/penalty.js';
import { keepActivations, watchEvaluations, type EvaluationWatch } from '../host/run/evaluation.js';
import { currentPenalties } from '../host/step/penalty-sums.js';
import { distinct } from '../regularizers/declared-regularizers.js';
import { sumOfNumbers } from '../util/scalars.js';
import { WeightedMean } from '../util/weighted-mean.js';
import { LossTerm, refuseTakenNames } from './loss-term.js';
import type { DecomposedLoss, TermValue } from './parts.js';

/** A loss that was evaluated, in numbers. */
export interface EvaluatedNumbers extends Pick<DecomposedLoss, 'total' | 'data' | 'regularization'> {
  /** The data loss of all outputs. */
  ofOutputs: number;
  /** That of each output. */
  outputs: number[];
  /** The terms, each without its weight. */
  terms: TermValue[];
}

/** What is taken from an evaluation. */
interface Taken {
  /** The data loss of the outputs and, where there are several, of each; kept. */
  outputs: Tensor[];
  /** Of what layers add. */
  mean: WeightedMean;
}

/**
 * What a model's loss comes to on the data that the host evaluates. The host computes only the data loss of the outputs, whose
 * values are under the names of others in its logs. Layers add penalties on activations and terms of the data loss in the
 * forward pass, so those that do are watched meanwhile.
 *
 * A loss that was added by hand may be made of activations too: one that is not made when it is asked for
 * is asked with each batch.
 */
export class EvaluatedLoss {
  readonly #model: LayersModel;
  /** How many values of the host are losses: of one output that of all, of several also that of each. */
  readonly #ofOutputs: number;
  /** Each with how often the host would ask it for its loss. */
  readonly #ofLayers: Evaluated[];
  readonly #addedByHand: Evaluated[];
  /** Those of them that a forward pass gives their value; `undefined` until the first. */
  #ofPass: Evaluated[] | undefined;
  readonly #watch: EvaluationWatch<Taken>;
  readonly #releases: Array<() => void> = [];

  /** @param model - A compiled model; it is watched until `dispose`. */
  constructor(model: LayersModel) {
    this.#model = model;
    refuseTakenNames(model);
    this.#ofOutputs = model.outputs.length === 1 ? 1 : 1 + model.outputs.length;
    const all = distinct(appliedLosses(model));
    this.#ofLayers = all.filter(({ penalty }) => penalty.kind !== 'penalty');
    this.#addedByHand = all.filter(({ penalty }) => isAddedByHand(penalty));
    const layers = this.#ofLayers.map(({ penalty }) => penalty.layer as PassLoss);
    layers.forEach((layer) => (layer.evaluations += 1));
    this.#releases.push(() => layers.forEach((layer) => (layer.evaluations -= 1)));
    const batches = {
      pass: <R>(run: () => R) => layers.reduce((inner, layer) => () => layer.apart(inner), run)(),
      onBatch: ({ mean }: Taken, samples: number) => {
        const evaluated = this.#evaluated();
        if (evaluated.length > 0) tidy(() => mean.add(evaluated.map(valueOf), samples));
      },
    };
    this.#watch = watchEvaluations<Taken>(model, {
      begin: () => ({ outputs: [], mean: new WeightedMean() }),
      ...(layers.length + this.#addedByHand.length > 0 && { batches }),
      onEnd: ({ outputs }, values) => {
        const losses = evaluatedValues(model, values).slice(0, this.#ofOutputs);
        outputs.push(...losses.map((loss) => keep(clone(loss))));
      },
      discard: ({ outputs, mean }) => {
        dispose(outputs);
        mean.dispose();
      },
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
    this.#watch.open();
  }

  /** Leaves out those that begin from now on, and goes on with those that have begun. */
  close(): void {
    this.#watch.close();
  }

  /**
   * What was taken from the evaluation that returned one of some values, for `result`; the caller disposes it. None where there was
   * no such evaluation. Others that are over are forgotten.
   */
  take(values: readonly unknown[]): Tensor[] {
    const taken = this.#watch.of(values);
    const means = taken?.mean.means();
    taken?.mean.dispose();
    return [...(taken?.outputs ?? []), ...(means ? [means] : [])];
  }

  /**
   * What the numbers of `take` come to.
   *
   * @param penalty - The sum of `penalties`.
   */
  result(penalty: number, numbers: readonly number[]): EvaluatedNumbers {
    const [ofOutputs, ...outputs] = numbers.slice(0, this.#ofOutputs) as [number, ...number[]];
    const values = this.#evaluated().map((evaluated, index) => ({
      ...evaluated,
      value: evaluated.calls * (numbers[this.#ofOutputs + index] ?? 0),
    }));
    const activity = values.filter((one) => isPenalty(one.penalty)).map(({ value }) => value);
    const terms = values.flatMap(({ penalty: { layer }, value }) =>
      layer instanceof LossTerm ? [{ layer, name: layer.name, value, weight: layer.lastWeight }] : [],
    );
    const data = ofOutputs + sumOfNumbers(terms.map(({ weight, value }) => weight * value));
    const regularization = penalty + sumOfNumbers(activity);
    return {
      total: data + regularization,
      data,
      regularization,
      ofOutputs,
      outputs: outputs.length > 0 ? outputs : [ofOutputs],
      terms,
    };
  }

  /** Ends the watch and restores the model. */
  dispose(): void {
    this.#watch.end();
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
  isPenalty(penalty) ? cast(penalty.value(), 'float32') : (penalty.layer as PassLoss).mean();
