import { Tensor, dispose, type Scalar, type Variable } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { refuseActivityRegularizers } from '../../host/activity-regularizers.js';
import { EpochAverage } from '../../util/weighted-mean.js';
import { foreignStep } from '../../gradients/gradient-pass.js';
import { observeLoss, wrapLoss } from '../../host/gradients.js';
import { BALANCE_KEYS, layerBalance, weightsByLayer, type WeightsByLayer } from './layer-balance.js';
import { readNumbers } from '../../util/scalars.js';
import type { Logs } from '../../logs/log-values.js';

/** One `fit` or `fitDataset` in which every n-th step's gradients are taken apart. */
export class BalanceRun {
  readonly #model: LayersModel;
  readonly #every: number;
  readonly #average = new EpochAverage();
  #layers: WeightsByLayer | undefined;
  #steps: Array<{ id: number; balance: Scalar[] }> = [];
  #stopListening: () => void = () => {};

  constructor(model: LayersModel, every: number) {
    refuseActivityRegularizers(model);
    this.#model = model;
    this.#every = every;
  }

  beginEpoch(): void {
    this.#layers = undefined;
    this.#average.dispose();
  }

  beginBatch(batch: number): void {
    if (batch % this.#every !== 0) return;
    this.#stopListening = wrapLoss(this.#model.optimizer, (loss, variables) => () => {
      let balance: Scalar[] | undefined;
      const total = observeLoss(this.#model, loss, (step) => {
        balance = layerBalance(step, variables, this.#layersOf(variables));
      });
      if (balance) this.#steps.push({ id: total.id, balance });
      return total;
    });
  }

  /** Takes the step that made the batch's loss: other callbacks may step the same model. Tensors have ascending ids. */
  endBatch(batch: number, logs: Logs): void {
    if (batch % this.#every !== 0) return;
    this.#stopListening();
    const { loss } = logs;
    const last = loss instanceof Tensor ? loss.id : Infinity;
    const step = this.#steps.filter(({ id }) => id <= last).at(-1);
    if (step === undefined) throw foreignStep(this.#model);
    this.#average.add(step.balance, logs['size'] as number);
    this.#forgetSteps();
  }

  /** Writes the epoch's means into its log as numbers, after one transfer from the backend. */
  async endEpoch(logs: Logs): Promise<void> {
    const means = this.#average.means();
    if (means === undefined) return;
    try {
      const numbers = await readNumbers([means]);
      [...this.#layers!.keys()].forEach((layer, place) => {
        BALANCE_KEYS.forEach((key, index) => (logs[`${key}/${layer}`] = numbers[place * BALANCE_KEYS.length + index]!));
      });
    } finally {
      means.dispose();
    }
  }

  /** Ends the watch and disposes what is left, also of a run that threw. */
  dispose(): void {
    this.#stopListening();
    this.#forgetSteps();
    this.#average.dispose();
  }

  #layersOf(variables: readonly Variable[]): WeightsByLayer {
    return (this.#layers ??= weightsByLayer(this.#model, variables));
  }

  #forgetSteps(): void {
    dispose(this.#steps.map(({ balance }) => balance));
    this.#steps = [];
  }
}
