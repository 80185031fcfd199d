import { Tensor, dispose, tidy, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { currentPenalties } from '../host/penalties.js';
import type { Run } from '../host/run.js';
import { disposeParts, foreignStep, keepParts, watchSteps, type StepLoss, type StepWatch } from '../host/step.js';
import { refuseActivityRegularizers } from '../host/trained-model.js';
import { EvaluatedActivity } from '../loss/evaluated-activity.js';
import { penaltyNames, sumByName, type Breakdown } from '../regularizers/penalty-groups.js';
import { list } from '../util/arguments.js';
import { readNumbers, sumOf } from '../util/scalars.js';
import { WeightedMean } from '../util/weighted-mean.js';
import type { LogKeys } from './log-keys.js';
import type { Logs } from './log-values.js';

/** One `fit` or `fitDataset` under watch: takes the parts of each step and writes them into the host's logs. */
export class TrainingRun {
  readonly #model: LayersModel;
  readonly #run: Run;
  readonly #keys: LogKeys;
  readonly #breakdown: Breakdown;
  readonly #mean = new WeightedMean();
  readonly #validatedActivity: EvaluatedActivity | undefined;
  #names: string[] | undefined;
  #watch: StepWatch<StepLoss> | undefined;
  #ofBatch: Scalar[] = [];
  #validated: Scalar | undefined;

  constructor(run: Run, keys: LogKeys, breakdown: Breakdown) {
    const model = run.models[0]!;
    refuseActivityRegularizers(model);
    this.#model = model;
    this.#run = run;
    this.#keys = keys;
    this.#breakdown = breakdown;
    if (!run.validates) return;
    if (run.validationDataKey === undefined) warnOfLostValidation(model);
    this.#validatedActivity = new EvaluatedActivity(model);
  }

  beginBatch(): void {
    const each = this.#breakdown !== 'none';
    const take: typeof keepParts = (loss) => {
      this.#validatedActivity?.restart();
      return keepParts(loss);
    };
    this.#watch = watchSteps(this.#model, { each, take, discard: disposeParts });
  }

  /** Writes the batch's parts into its log as scalars, which are the host's from then on. */
  endBatch(batch: number, logs: Logs): void {
    const step = this.#watch!.of(logs['loss']);
    this.#watch!.end();
    if (step === undefined) throw foreignStep(this.#model, 'The step was made.');
    const { data, penalties } = step;
    const regularization = sumOf(penalties);
    this.#ofBatch = [data, regularization, ...penalties];
    logs[this.#keys.dataLoss] = data;
    logs[this.#keys.regularizationLoss] = regularization;
    this.#mean.add([data, regularization, ...this.#broken(penalties)], logs['size'] as number);
    dispose(penalties.filter((penalty) => penalty !== regularization));
    if (batch === this.#run.validatesAfterBatch && this.#run.validates) this.#validated = this.#penaltyNow();
  }

  /** Writes the epoch's parts into its log as numbers, after one transfer from the backend. Leaves no tensor. */
  async endEpoch(logs: Logs): Promise<void> {
    const means = this.#mean.means();
    const { validationDataKey } = this.#run;
    const valData = validationDataKey === undefined ? undefined : logs[validationDataKey];
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
      this.#names = undefined;
      this.#mean.dispose();
      this.#validatedActivity?.restart();
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

  /** Ends the watch and disposes what is left, also of a run that threw; the logs' scalars are the host's after a batch. */
  dispose(): void {
    this.#watch?.end();
    this.#validatedActivity?.dispose();
    dispose([...this.#ofBatch, ...(this.#validated ? [this.#validated] : [])]);
    this.#mean.dispose();
  }
}

function warnOfLostValidation(model: LayersModel): void {
  console.warn(
    `\`fitDataset\` loses validation values where outputs share a name (${list(model.outputNames)}), so the parts of ` +
      "the validation loss are left out. Put a `tf.layers.activation({activation: 'linear', name})` after each output.",
  );
}
