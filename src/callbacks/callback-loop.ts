import { Tensor, dispose } from '@tensorflow/tfjs-core';
import { History, input, model, type LayersModel } from '@tensorflow/tfjs-layers';
import { buildModel } from '../host/model/trained-model.js';
import { loopRun, type Callbacks, type LoopRun } from '../host/run/run.js';
import type { Logs } from '../logs/log-keys.js';
import { LoopMeans, checkEpochLogs, disposeSteps, logsOf, type NamedSteps, type Step } from '../logs/loop-logs.js';
import { describe } from '../util/arguments.js';

/** What the body of a `trainingLoop` is given. Its functions may be taken out of it: `const { step, endEpoch } = loop`. */
export interface TrainingLoop {
  /** Whether a callback, such as early stopping, wants training to stop: to be read anew each time, `loop.stopTraining`. */
  readonly stopTraining: boolean;
  /**
   * Makes one batch: tells the callbacks that it begins, runs the step, and tells them what came of it.
   *
   * @param run - Makes the step, and returns its loss or a promise of it: what `minimize` or `trainStep` gives, or, where the step is
   *   `variableGrads` and `optimizer.applyGradients`, the `loss` of the first. Several steps go into one object, by name. Tensors
   *   (`returnTensors`) are taken over, and read once an epoch.
   * @param size - How many samples the batch has, by which the epoch's means are weighted; for all steps of an epoch or none.
   */
  step(run: () => Step | NamedSteps | Promise<Step | NamedSteps>, size?: number): Promise<void>;
  /**
   * As `step`, for validation: the means over the batches of an epoch have `val_` before their keys. `size` is for all validations
   * of an epoch or none.
   */
  validate(run: () => Step | NamedSteps | Promise<Step | NamedSteps>, size?: number): Promise<void>;
  /**
   * Ends an epoch.
   *
   * @param logs - More numbers for its log.
   * @returns The epoch's log, as callbacks saw it.
   */
  endEpoch(logs?: { [key: string]: number }): Promise<{ [key: string]: number }>;
}

/** What callbacks are told of the epochs. */
interface EpochCounts {
  epochs?: number | undefined;
  initialEpoch?: number | undefined;
}

const LOSSES = ['loss', 'data_loss', 'regularization_loss'];

/** A training loop that drives callbacks. */
export class CallbackLoop {
  readonly history = new History();
  readonly #models: readonly LayersModel[];
  readonly #callbacks: Callbacks;
  readonly #counts: EpochCounts;
  readonly #training = new LoopMeans();
  readonly #validation = new LoopMeans();
  #run: LoopRun | undefined;
  #seen: LayersModel | undefined;
  #epoch: number;
  #batch = 0;
  #isInEpoch = false;
  #busy: string | undefined;
  /** Whether the steps and the validations of the epoch have a size. */
  readonly #hasSizes = new Map<string, boolean>();
  #isOver = false;

  constructor(models: readonly LayersModel[], callbacks: Callbacks, counts: EpochCounts) {
    this.#models = models;
    this.#callbacks = callbacks;
    this.#counts = counts;
    this.#epoch = counts.initialEpoch ?? 0;
  }

  /** What the body is given; its functions may be taken out of it. */
  shown(): TrainingLoop {
    const isStopped = (): boolean => this.#seen?.stopTraining ?? false;
    return {
      get stopTraining() {
        return isStopped();
      },
      step: this.step.bind(this),
      validate: this.validate.bind(this),
      endEpoch: this.endEpoch.bind(this),
    };
  }

  async step(run: () => Step | NamedSteps | Promise<Step | NamedSteps>, size?: number): Promise<void> {
    this.#checkSize('step', size);
    await this.#alone('step', async () => {
      const logs: Logs = {};
      let result: Step | NamedSteps | undefined;
      try {
        await this.#beginEpoch();
        await this.#run!.callbacks.onBatchBegin(this.#batch, logs);
        // As in `fit`, the log of a batch's end is that of its begin.
        const begun = Object.entries(logs).filter(([, value]) => typeof value === 'number');
        // The end of a body that does not await the step is an error already.
        if (this.#isOver) return;
        result = await run();
        if (this.#isOver) return;
        Object.assign(logs, { batch: this.#batch, ...(size !== undefined && { size }) });
        const own = logsOf('step', result);
        this.#training.add(new Map([...own, ...begun]), size ?? 1);
        Object.assign(logs, Object.fromEntries(own));
        await this.#run!.callbacks.onBatchEnd(this.#batch, logs);
        this.#batch += 1;
      } finally {
        disposeSteps(result);
        dispose(Object.values(logs).filter((value) => value instanceof Tensor));
      }
    });
  }

  async validate(run: () => Step | NamedSteps | Promise<Step | NamedSteps>, size?: number): Promise<void> {
    this.#checkSize('validate', size);
    await this.#alone('validate', async () => {
      const result = await run();
      try {
        if (this.#isOver) return;
        this.#validation.add(logsOf('validate', result), size ?? 1);
      } finally {
        disposeSteps(result);
      }
    });
  }

  async endEpoch(logs: { [key: string]: number } = {}): Promise<{ [key: string]: number }> {
    return this.#alone('endEpoch', async () => {
      if (!this.#isInEpoch) {
        throw new Error('Expected a step in each epoch, got `endEpoch` before one. Call `await loop.step(…)` first.');
      }
      this.#checkEpochLogs(logs);
      const training = await this.#training.take();
      const validation = await this.#validation.take();
      const validated = Array.from(validation, ([key, value]) => [`val_${key}`, value] as const);
      if (validation.has('loss')) validated.push(['val_total_loss', validation.get('loss')!]);
      const shown: Logs = { ...Object.fromEntries([...training, ...validated]), ...logs };
      if (this.#isOver) return shown as { [key: string]: number };
      await this.#run!.callbacks.onEpochEnd(this.#epoch, shown);
      this.#epoch += 1;
      this.#batch = 0;
      this.#isInEpoch = false;
      this.#hasSizes.clear();
      return shown as { [key: string]: number };
    });
  }

  /** Tells the callbacks that training is over. */
  async end(): Promise<void> {
    if (this.#busy) {
      throw new Error(
        `Expected \`body\` of \`trainingLoop\` to await \`loop.${this.#busy}\`, got its end before. Await it.`,
      );
    }
    this.#isOver = true;
    await this.#run?.callbacks.onTrainEnd();
  }

  dispose(): void {
    this.#isOver = true;
    this.#training.dispose();
    this.#validation.dispose();
    this.#run?.end();
  }

  /** Refuses what would mix with another call, or comes too late. */
  async #alone<T>(name: string, run: () => Promise<T>): Promise<T> {
    if (this.#isOver) {
      throw new Error(
        `Expected \`loop.${name}\` while the body of \`trainingLoop\` runs, got a call after its end. Await it in the body.`,
      );
    }
    if (this.#busy) {
      throw new Error(
        `Expected \`loop.${name}\` after \`loop.${this.#busy}\` is done, got a call within it. Await the one before.`,
      );
    }
    this.#busy = name;
    try {
      return await run();
    } finally {
      this.#busy = undefined;
    }
  }

  async #beginEpoch(): Promise<void> {
    if (this.#run === undefined) await this.#beginTraining();
    if (this.#isInEpoch) return;
    this.#isInEpoch = true;
    await this.#run!.callbacks.onEpochBegin(this.#epoch);
  }

  async #beginTraining(): Promise<void> {
    const { epochs, initialEpoch } = this.#counts;
    const models = this.#models.map(buildModel);
    this.#seen = models[0] ?? standIn();
    const callbacks = [...this.#callbacks, this.history];
    this.#run = loopRun({ models, seen: this.#seen, callbacks, epochs, initialEpoch, metrics: [...LOSSES] });
    await this.#run.callbacks.onTrainBegin();
  }

  #checkSize(name: string, size: number | undefined): void {
    if (size !== undefined && !(Number.isFinite(size) && size > 0)) {
      throw new Error(
        `Expected \`size\` of \`loop.${name}\` to be a number of samples, got ${describe(size)}. Pass 32.`,
      );
    }
    const hasSize = size !== undefined;
    if ((this.#hasSizes.get(name) ?? hasSize) !== hasSize) {
      const all = name === 'step' ? 'steps' : 'validations';
      throw new Error(
        `Expected \`size\` for all ${all} of an epoch or for none, got some with and some without. Pass it always.`,
      );
    }
    this.#hasSizes.set(name, hasSize);
  }

  /** Before anything is taken: after an error that is caught the epoch can be ended again. */
  #checkEpochLogs(logs: unknown): void {
    const keys = new Set(this.#training.keys);
    const validated = this.#validation.keys.map((key) => `val_${key}`);
    if (validated.includes('val_loss')) validated.push('val_total_loss');
    const twin = validated.find((key) => keys.has(key));
    if (twin !== undefined) {
      throw new Error(
        `Expected the steps of \`loop.step\` to have no key of validation, got \`${twin}\`. Rename the step, the part or the metric.`,
      );
    }
    checkEpochLogs(logs, new Set([...keys, ...validated]));
  }
}

/** What callbacks see where no model is named: they take nothing but a `LayersModel`. */
function standIn(): LayersModel {
  const inputs = input({ shape: [1], name: 'training_loop_input' });
  return model({ inputs, outputs: inputs, name: 'training_loop' });
}
