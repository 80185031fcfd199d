import { dispose, type Scalar, type Variable } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { foreignStep, watchSteps, type StepWatch } from '../../host/step.js';
import { refuseActivityRegularizers } from '../../host/trained-model.js';
import type { Logs } from '../../logs/log-values.js';
import { readNumbers } from '../../util/scalars.js';
import { WeightedMean } from '../../util/weighted-mean.js';
import { BALANCE_KEYS, layerBalance, weightsByLayer, type WeightsByLayer } from './layer-balance.js';

/** One `fit` or `fitDataset` in which every n-th step's gradients are taken apart. */
export class BalanceRun {
  readonly #model: LayersModel;
  readonly #every: number;
  readonly #mean = new WeightedMean();
  #layers: WeightsByLayer | undefined;
  #watch: StepWatch<Scalar[]> | undefined;

  constructor(model: LayersModel, every: number) {
    refuseActivityRegularizers(model);
    this.#model = model;
    this.#every = every;
  }

  beginBatch(batch: number): void {
    if (batch % this.#every !== 0) return;
    this.#watch = watchSteps(this.#model, {
      take: (loss, variables) => layerBalance(loss, variables, this.#layersOf(variables)),
      discard: dispose,
    });
  }

  endBatch(batch: number, logs: Logs): void {
    if (batch % this.#every !== 0) return;
    const balance = this.#watch!.of(logs['loss']);
    this.#watch!.end();
    if (balance === undefined) throw foreignStep(this.#model, 'The step was made.');
    this.#mean.add(balance, logs['size'] as number);
    dispose(balance);
  }

  /** Writes the epoch's means into its log as numbers, after one transfer from the backend. Leaves no tensor. */
  async endEpoch(logs: Logs): Promise<void> {
    const means = this.#mean.means();
    if (means === undefined) return;
    try {
      const numbers = await readNumbers([means]);
      [...this.#layers!.keys()].forEach((layer, place) => {
        BALANCE_KEYS.forEach((key, index) => (logs[`${key}/${layer}`] = numbers[place * BALANCE_KEYS.length + index]!));
      });
    } finally {
      means.dispose();
      this.#mean.dispose();
      this.#layers = undefined;
    }
  }

  /** Ends the watch and disposes what is left, also of a run that threw. */
  dispose(): void {
    this.#watch?.end();
    this.#mean.dispose();
  }

  #layersOf(variables: readonly Variable[]): WeightsByLayer {
    return (this.#layers ??= weightsByLayer(this.#model, variables));
  }
}
