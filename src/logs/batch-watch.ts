import type { LayersModel } from '@tensorflow/tfjs-layers';
import { compiledModel, refuseActivityRegularizers } from '../host/model/trained-model.js';
import type { Run } from '../host/run/run.js';
import { foreignStep, watchSteps, type StepObserver, type StepWatch } from '../host/step/step.js';
import type { Logs } from './log-keys.js';

/** Watches the step of each batch of a run. */
export class BatchWatch<T> {
  readonly #run: Run;
  readonly #model: LayersModel;
  readonly #observer: StepObserver<T>;
  #watch: StepWatch<T> | undefined;

  constructor(run: Run, observer: StepObserver<T>) {
    this.#run = run;
    this.#model = compiledModel(run.models[0]!);
    refuseActivityRegularizers(this.#model);
    this.#observer = observer;
  }

  /** Watches the steps from now on; ends the watch of a batch that never ended. */
  begin(): void {
    this.end();
    this.#watch = watchSteps(this.#model, this.#observer);
  }

  /**
   * What was taken from the step of the batch that ends.
   *
   * @param logs - The batch's.
   * @throws Error if it cannot be told, or the beginning of the batch was not announced.
   */
  take({ loss }: Logs): T {
    if (this.#watch === undefined) {
      throw new Error(
        'Expected `onBatchBegin` before `onBatchEnd`, got only the latter. A callback that passes its calls on to another one ' +
          'has to pass on all of them.',
      );
    }
    const taken = this.#watch.of(loss);
    this.end();
    if (taken !== undefined) return taken;
    const { name } = this.#model;
    if (this.#run.isByHand) {
      throw new Error(
        `Expected one step of \`${name}\` between \`onBatchBegin\` and \`onBatchEnd\` of a \`tf.CallbackList\`, got none or ` +
          'several. Make it with `model.trainOnBatch` or `trainStep`, or let `trainingLoop` drive the callbacks.',
      );
    }
    if (typeof loss !== 'number') throw foreignStep(this.#model, 'The step was made.');
    throw new Error(
      `Expected the logs of a batch as the host wrote them, got numbers that another callback has read, and \`${name}\` ` +
        'made another number of steps than one in this batch. Put the callback before those that read the logs.',
    );
  }

  /** Ends the watch and discards what is left. */
  end(): void {
    this.#watch?.end();
    this.#watch = undefined;
  }
}
