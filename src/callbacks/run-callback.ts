import { Callback, CustomCallback, type LayersModel } from '@tensorflow/tfjs-layers';
import { ONE_COPY } from '../host/model/trained-model.js';
import { shared } from '../host/patch.js';
import { runOf, type Run } from '../host/run/run.js';

/** The parameters of runs that were refused with a reason. */
const refused = shared('refused', () => new WeakSet());

/**
 * What all callbacks of this library have in common: each is part of one run at a time, knows when it ends, however it ends,
 * counts epochs on over the runs of one model, and refuses to be copied into a callback of the host's.
 */
export abstract class RunCallback extends Callback {
  readonly #name: string;
  #run: Run | undefined;
  #awaitsModel = false;
  /** The weights of the last run's models. */
  #weights: ReadonlySet<unknown> | undefined;
  #lastEpoch = -1;
  #epochsBefore: number | undefined;

  /** @param name - How the user wrote it: `decomposedLoss()`. */
  constructor(name: string) {
    super();
    this.#name = name;
    // A member of its own, so that it is also in a copy, where `this` is something else.
    this.onTrainBegin = checked(this, name, this.onTrainBegin.bind(this));
  }

  /** @internal */
  override setParams(params: Callback['params']): void {
    // Callbacks announce their keys there; who drives a list by hand may have left it out.
    (params as { metrics?: unknown }).metrics ??= [];
    refusing(params, () => {
      if (this.params === params) {
        throw new Error(`Expected \`${this.#name}\` in \`callbacks\` once, got the same one twice. Leave one out.`);
      }
      // A list that is driven by hand tells nobody that it threw.
      if (this.#run?.isByHand) this.#run.end?.();
      if (this.#run) {
        throw new Error(
          `Expected each \`${this.#name}\` to be in one training at a time, got one that is in the training of ` +
            `\`${this.model.name}\` already. Make another with \`${this.#name}\` for each \`fit\` that runs at the same time.`,
        );
      }
      this.announce?.(params);
    });
    super.setParams(params);
    this.#awaitsModel = true;
    void Promise.resolve().then(() => {
      if (this.#awaitsModel && this.params === params && !refused.has(params)) explain(this.#name, params);
    });
  }

  /** @internal */
  override setModel(model: LayersModel): void {
    this.#awaitsModel = false;
    if (this.params === undefined) {
      throw new Error(
        `Expected \`setParams\` of the \`tf.CallbackList\` that \`${this.#name}\` is in before its \`setModel\`, got none. Call ` +
          '`list.setParams({epochs})` first.',
      );
    }
    super.setModel(model);
    const run = runOf(model, this.params);
    this.#run = run;
    run.onEnd(() => {
      this.#run = undefined;
      this.endRun();
    });
    const weights = new Set(run.models.flatMap((one) => one.weights));
    const isSameModel = this.#weights?.size === weights.size && [...weights].every((one) => this.#weights!.has(one));
    refusing(this.params, () => this.beginRun(run, isSameModel));
    this.#weights = weights;
    this.#epochsBefore = undefined;
    if (!isSameModel) this.#lastEpoch = -1;
  }

  /** @internal The run that the callback is part of. */
  protected get run(): Run {
    return this.#run!;
  }

  /** @internal Says in the parameters of a run what the callback will write; what throws here ends the run. */
  protected announce?(params: Callback['params']): void;

  /**
   * @internal Called before any callback is told that training begins; what throws here ends the run.
   *
   * @param isSameModel - Whether the run trains the weights of the callback's last run, also where they are in another
   *   `LayersModel`: a `Sequential` makes one each time that it is compiled.
   */
  protected abstract beginRun(run: Run, isSameModel: boolean): void;

  /** @internal Called once when the run is over, also where it threw. */
  protected endRun(): void {}

  /** @internal The number of an epoch over the runs of one model, where each of them begins with 0 that nobody gave. */
  protected numberOf(epoch: number): number {
    const isGiven = epoch > 0 || (this.run.isLoop && typeof this.params['initialEpoch'] === 'number');
    this.#epochsBefore ??= isGiven ? 0 : this.#lastEpoch + 1;
    this.#lastEpoch = this.#epochsBefore + epoch;
    return this.#lastEpoch;
  }
}

function refusing(params: Callback['params'], check: () => void): void {
  try {
    check();
  } catch (error) {
    refused.add(params);
    throw error;
  }
}

/**
 * The host calls `setParams` of each callback, then `setModel` of each, without a pause. Where it does not get so far, an
 * error of another callback ended the run, or the host's own for a plain object among instances, which does not tell what to do.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/base_callbacks.ts#L127-L131 | CallbackList.setParams}
 */
function explain(name: string, params: Callback['params']): void {
  refused.add(params);
  console.error(
    `The training that \`${name}\` is in could not begin. Where TensorFlow.js says that \`callback.setParams is not a ` +
      `function\`, there is a plain object beside \`${name}\` in \`callbacks\`. Write \`callbacks: ` +
      `combineCallbacks(${name}, {…})\`, with \`combineCallbacks\` of tfjs-decomposed-loss.`,
  );
}

/**
 * The host copies the methods of callbacks into callbacks of its own where the first of them is a plain object, and where the
 * callback is of another copy of tfjs-layers.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/base_callbacks.ts#L470-L495 | standardizeCallbacks}
 */
function checked(own: RunCallback, name: string, onTrainBegin: Callback['onTrainBegin']): Callback['onTrainBegin'] {
  return async function (this: unknown, logs) {
    if (this === own) return onTrainBegin(logs);
    if (this instanceof CustomCallback) {
      throw new Error(
        `Expected \`${name}\` itself in \`callbacks\`, got a copy of its methods: TensorFlow.js makes one where the first of ` +
          `\`callbacks\` is a plain object, and \`{...${name}}\` is one. Write \`callbacks: combineCallbacks({…}, ${name})\`, ` +
          'with `combineCallbacks` of tfjs-decomposed-loss.',
      );
    }
    throw new Error(`Expected \`${name}\` and the model to be of one tfjs-layers, got a second copy. ${ONE_COPY}`);
  };
}
