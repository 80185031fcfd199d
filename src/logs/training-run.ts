import { Tensor, dispose, tidy, type Scalar } from '@tensorflow/tfjs-core';
import type { Callback, LayersModel } from '@tensorflow/tfjs-layers';
import { refuseActivityRegularizers } from '../host/activity-regularizers.js';
import { list } from '../util/describe.js';
import { EpochAverage } from '../util/weighted-mean.js';
import { EvaluatedActivity } from '../loss/evaluated-activity.js';
import { notWatchable, watchSteps, type ObservedStep } from '../host/step-watch.js';
import { validationDataKey } from '../host/model.js';
import type { LogKeys } from './log-keys.js';
import type { Logs } from './log-values.js';
import { penaltyNames, sumByName, type Breakdown } from '../regularizers/penalty-groups.js';
import { currentPenalties, readNumbers, sumOf } from '../util/scalars.js';

/** One `fit` or `fitDataset` under watch: takes the parts of each step and writes them into the host's logs. */
export class TrainingRun {
  readonly #model: LayersModel;
  readonly #keys: LogKeys;
  readonly #breakdown: Breakdown;
  readonly #valDataKey: string | undefined;
  readonly #validatesAfterBatch: number | undefined;
  readonly #average = new EpochAverage();
  #names: string[] | undefined;
  #stopWatching: () => void = () => {};
  #steps: ObservedStep[] = [];
  #ofBatch: Scalar[] = [];
  #validated: Scalar | undefined;
  #validatedActivity: EvaluatedActivity | undefined;

  constructor(model: LayersModel, params: Callback['params'], keys: LogKeys, breakdown: Breakdown) {
    refuseActivityRegularizers(model);
    this.#model = model;
    this.#keys = keys;
    this.#breakdown = breakdown;
    const { samples, batchSize, doValidation } = params as { [name: string]: number | null };
    if (doValidation) {
      this.#valDataKey = validationDataKey(model, samples !== null ? 'fit' : 'fitDataset');
      if (this.#valDataKey === undefined) warnOfLostValidation(model);
      // `fit` validates within the last batch, before callbacks can move the weights; `fitDataset` after it.
      this.#validatesAfterBatch = samples !== null ? Math.ceil(samples! / batchSize!) - 1 : undefined;
      this.#validatedActivity = new EvaluatedActivity(model);
    }
  }

  beginEpoch(): void {
    this.#average.dispose();
    this.#names = undefined;
  }

  beginBatch(): void {
    const heard = (step: ObservedStep) => {
      this.#steps.push(step);
      this.#validatedActivity?.restart();
    };
    this.#stopWatching = watchSteps(this.#model, heard, this.#breakdown !== 'none');
  }

  /** Writes the batch's parts into its log as scalars, which are the host's from then on. */
  endBatch(batch: number, logs: Logs): void {
    this.#stopWatching();
    const step = this.#takeStep(logs['loss']);
    const { data, penalties } = step;
    const regularization = sumOf(penalties);
    this.#ofBatch = [data, regularization, ...penalties];
    logs[this.#keys.dataLoss] = data;
    logs[this.#keys.regularizationLoss] = regularization;
    this.#average.add([data, regularization, ...this.#broken(penalties)], logs['size'] as number);
    dispose(penalties.filter((penalty) => penalty !== regularization));
    if (batch === this.#validatesAfterBatch) this.#validated = this.#penaltyNow();
  }

  /** Writes the epoch's parts into its log as numbers, after one transfer from the backend. */
  async endEpoch(logs: Logs): Promise<void> {
    const means = this.#average.means();
    const valData = this.#valDataKey === undefined ? undefined : logs[this.#valDataKey];
    const validation = valData instanceof Tensor ? [valData, (this.#validated ??= this.#penaltyNow())] : [];
    try {
      const numbers = await readNumbers(means ? [means, ...validation] : validation);
      const [data, regularization, ...penalties] = numbers.slice(0, means?.size ?? 0);
      if (data !== undefined) {
        logs[this.#keys.dataLoss] = data;
        logs[this.#keys.regularizationLoss] = regularization!;
        sumByName(this.#names ?? [], penalties).forEach((value, name) => {
          logs[`${this.#keys.regularizationLoss}/${name}`] = value;
        });
      }
      if (validation.length > 0) this.#writeValidation(logs, numbers.slice(-2));
    } finally {
      dispose([means, this.#validated].filter((tensor) => tensor !== undefined));
      this.#validated = undefined;
    }
  }

  #writeValidation(logs: Logs, [data, regularization]: number[]): void {
    logs[this.#keys.valDataLoss] = data!;
    logs[this.#keys.valRegularizationLoss] = regularization!;
    logs[this.#keys.valTotalLoss] = data! + regularization!;
  }

  /** The values of the breakdown, in the order of `#names`. */
  #broken(penalties: Scalar[]): Scalar[] {
    if (this.#breakdown === 'none') return [];
    const names = (this.#names ??= penaltyNames(this.#model, this.#breakdown));
    if (penalties.length !== names.length) {
      throw new Error(
        `Expected the ${names.length} penalties that \`${this.#model.name}\` had when the epoch began, got ` +
          `${penalties.length}. Add losses between epochs, or leave out \`breakdown\`.`,
      );
    }
    return penalties;
  }

  /** The penalty at the current weights, and on the activations of the data that was validated last. */
  #penaltyNow(): Scalar {
    return tidy(() => sumOf([...currentPenalties(this.#model), ...(this.#validatedActivity?.means() ?? [])]));
  }

  /**
   * The step that made the batch's loss, among those that were heard since the batch began: other callbacks, and loops that
   * run beside `fit`, may step the same model. Tensors have ascending ids.
   */
  #takeStep(loss: number | Scalar | undefined): ObservedStep {
    const last = loss instanceof Tensor ? loss.id : Infinity;
    const step = this.#steps.filter(({ id }) => id <= last).at(-1);
    if (step === undefined) throw notWatchable(this.#model);
    this.#steps = this.#steps.filter((other) => other !== step);
    this.#forgetSteps();
    return step;
  }

  #forgetSteps(): void {
    dispose(this.#steps.map(({ data, penalties }) => [data, ...penalties]));
    this.#steps = [];
  }

  /** Ends the watch and disposes what is left, also of a run that threw; the logs' scalars are the host's after a batch. */
  dispose(): void {
    this.#stopWatching();
    this.#validatedActivity?.dispose();
    this.#forgetSteps();
    dispose([...this.#ofBatch, ...(this.#validated ? [this.#validated] : [])]);
    this.#average.dispose();
  }
}

function warnOfLostValidation(model: LayersModel): void {
  console.warn(
    `\`fitDataset\` loses validation values where outputs share a name (${list(model.outputNames)}), so the parts of ` +
      "the validation loss are left out. Put a `tf.layers.activation({activation: 'linear', name})` behind each output.",
  );
}
