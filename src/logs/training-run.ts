import { dispose, scalar, tidy, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { lossNames, partNames } from '../host/model/model.js';
import type { Run } from '../host/run/run.js';
import { disposeParts, keepParts, type StepLoss } from '../host/step/step.js';
import { EvaluatedLoss } from '../loss/evaluated-loss.js';
import { refuseTakenNames } from '../loss/loss-term.js';
import { namesOfTerms } from '../loss/parts.js';
import { penaltyNames, type Breakdown } from '../regularizers/penalty-groups.js';
import { readNumbers, sumOf } from '../util/scalars.js';
import { WeightedMean } from '../util/weighted-mean.js';
import { BatchWatch } from './batch-watch.js';
import type { LogKeys, Logs } from './log-keys.js';

/** One `fit` or `fitDataset` under watch: takes the parts of each step and writes them into the host's logs. */
export class TrainingRun {
  readonly #model: LayersModel;
  readonly #run: Run;
  readonly #keys: LogKeys;
  readonly #breakdown: Breakdown;
  /** The names under which the host logs the loss of each output, where there are several: those of the run's begin, as it does. */
  readonly #outputLabels: readonly string[];
  readonly #mean = new WeightedMean();
  readonly #watch: BatchWatch<StepLoss>;
  readonly #evaluated: EvaluatedLoss | undefined;
  #names: { parts: string[]; penalties: string[] } | undefined;
  #ofBatch: Scalar[] = [];
  /** The penalty in validation, the losses of the outputs, and what layers added. */
  #validated: Tensor[] = [];

  constructor(run: Run, keys: LogKeys, breakdown: Breakdown) {
    const model = run.models[0]!;
    this.#model = model;
    refuseTakenNames(model);
    this.#run = run;
    this.#keys = keys;
    this.#breakdown = breakdown;
    this.#watch = new BatchWatch(run, { each: breakdown !== 'none', take: keepParts, discard: disposeParts });
    const count = model.outputs.length;
    this.#outputLabels = count === 1 ? [] : lossNames(model).slice(1, 1 + count);
    if (run.validates) this.#evaluated = new EvaluatedLoss(model);
  }

  beginEpoch(): void {
    this.#evaluated?.open();
  }

  beginBatch(): void {
    // The host disposes what is in its logs, which may be other logs than those that a callback passed on.
    dispose(this.#ofBatch);
    // A callback that passes its calls on may leave out the beginning of an epoch.
    this.beginEpoch();
    this.#watch.begin();
  }

  /** Writes the batch's parts into its log: as scalars, which are the host's from then on, or as numbers in a run by hand. */
  async endBatch(batch: number, logs: Logs): Promise<void> {
    const step = this.#watch.take(logs);
    const { data, ofOutputs, terms, penalties } = step;
    const regularization = sumOf(penalties);
    this.#ofBatch = [data, regularization, ofOutputs, ...terms.map(({ value }) => value), ...penalties];
    logs[this.#keys.dataLoss] = data;
    logs[this.#keys.regularizationLoss] = regularization;
    const names = this.#namesOf(step);
    const broken = names.penalties.length === 0 ? [] : penalties;
    tidy(() => {
      const parts =
        names.parts.length === 0 ? [] : [...this.#outputs(ofOutputs, logs), ...terms.map(({ value }) => value)];
      this.#mean.add([data, regularization, ...parts, ...broken], (logs['size'] ?? 1) as number);
    });
    dispose(this.#ofBatch.filter((scalar) => scalar !== data && scalar !== regularization));
    if (this.#run.isByHand) await this.#readParts(logs, data, regularization);
    if (batch === this.#run.validatesAfterBatch && this.#run.validates) this.#validated = [this.#penaltyNow()];
  }

  async #readParts(logs: Logs, data: Scalar, regularization: Scalar): Promise<void> {
    const reading = readNumbers([data, regularization]);
    dispose([data, regularization]);
    const [first, second] = await reading;
    logs[this.#keys.dataLoss] = first!;
    logs[this.#keys.regularizationLoss] = second!;
  }

  /** Writes the epoch's parts into its log as numbers, after one transfer from the backend. Leaves no tensor. */
  async endEpoch(logs: Logs): Promise<void> {
    const means = this.#mean.means();
    const names = this.#names ?? { parts: [], penalties: [] };
    const validation = this.#validation(logs);
    try {
      const numbers = await readNumbers(means ? [means, ...validation] : validation);
      const [data, regularization, ...values] = numbers.slice(0, means?.size ?? 0);
      if (data !== undefined) {
        const { dataLoss, regularizationLoss } = this.#keys;
        logs[dataLoss] = data;
        logs[regularizationLoss] = regularization!;
        writeByName(logs, dataLoss, names.parts, values);
        writeByName(logs, regularizationLoss, names.penalties, values.slice(names.parts.length));
      }
      if (validation.length > 0) this.#writeValidation(logs, numbers.slice(means?.size ?? 0));
    } finally {
      dispose([...(means ? [means] : []), ...this.#validated]);
      this.#validated = [];
      this.#names = undefined;
      this.#mean.dispose();
    }
  }

  /** The penalty, the data loss of the outputs and, where there are several, of each, and what layers added. */
  #validation(logs: Logs): Tensor[] {
    const values = [...this.#run.validationNames.keys()].map((key) => logs[key]);
    this.#evaluated?.close();
    const taken = this.#evaluated?.take(values) ?? [];
    if (taken.length === 0) return [];
    if (this.#validated.length === 0) this.#validated.push(this.#penaltyNow());
    this.#validated.push(...taken);
    return this.#validated;
  }

  #writeValidation(logs: Logs, [penalty, ...numbers]: number[]): void {
    const { valDataLoss, valRegularizationLoss, valTotalLoss } = this.#keys;
    const { total, data, regularization, outputs, terms } = this.#evaluated!.result(penalty!, numbers);
    logs[valDataLoss] = data;
    logs[valRegularizationLoss] = regularization;
    logs[valTotalLoss] = total;
    const names = [...partNames(this.#model), ...namesOfTerms(terms)];
    if (names.length === 1) return;
    writeByName(logs, valDataLoss, names, [...outputs, ...terms.map(({ value }) => value)]);
  }

  /** The names of the parts of the data loss, where there are several, and of the breakdown: those of the epoch's first step. */
  #namesOf({ terms, penalties }: StepLoss): { parts: string[]; penalties: string[] } {
    const parts = [...partNames(this.#model), ...namesOfTerms(terms)];
    const names = (this.#names ??= {
      parts: parts.length > 1 ? parts : [],
      penalties: this.#breakdown === 'none' ? [] : penaltyNames(this.#model, this.#breakdown),
    });
    if (this.#breakdown !== 'none' && penalties.length !== names.penalties.length) {
      throw new Error(
        `Expected the ${names.penalties.length} penalties that \`${this.#model.name}\` had when the epoch began, got ` +
          `${penalties.length}. Add losses between epochs, or leave out \`breakdown\`.`,
      );
    }
    return names;
  }

  #outputs(ofOutputs: Scalar, logs: Logs): Scalar[] {
    const labels = this.#outputLabels;
    return labels.length === 0 ? [ofOutputs] : labels.map((label) => asScalar(logs[label]!));
  }

  /** The penalty at the current weights, without what layers added on the data that was validated last. */
  #penaltyNow(): Scalar {
    return tidy(() => sumOf(this.#evaluated!.penalties()));
  }

  /** Ends the watch and disposes what is left, also of a run that threw; the logs' scalars are the host's after a batch. */
  dispose(): void {
    this.#watch.end();
    this.#evaluated?.dispose();
    dispose([...this.#ofBatch, ...this.#validated]);
    this.#mean.dispose();
  }
}

/** A value of the host's logs, which is a number where a callback has read it. */
const asScalar = (value: number | Scalar): Scalar => (typeof value === 'number' ? scalar(value) : value);

/** Writes the sums of the values that have one name, in float64, under `<prefix>/<name>`. */
function writeByName(logs: Logs, prefix: string, names: readonly string[], values: readonly number[]): void {
  const sums = new Map<string, number>();
  names.forEach((name, index) => sums.set(name, (sums.get(name) ?? 0) + values[index]!));
  sums.forEach((sum, name) => (logs[`${prefix}/${name}`] = sum));
}
