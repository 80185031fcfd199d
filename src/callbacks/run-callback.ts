import { Callback, CustomCallback, type LayersModel } from '@tensorflow/tfjs-layers';
import { runOf, type Run } from '../host/run.js';
import { ONE_COPY } from '../host/trained-model.js';

/**
 * What all callbacks of this library have in common: each is part of one run at a time, knows when it ends, however it ends,
 * and refuses to be copied into a callback of the host's.
 */
export abstract class RunCallback extends Callback {
  readonly #name: string;
  #run: Run | undefined;

  /** @param name - How the user wrote it: `decomposedLoss()`. */
  constructor(name: string) {
    super();
    this.#name = name;
    // A member of its own, so that it is also in a copy, where `this` is something else.
    this.onTrainBegin = checked(this, name, this.onTrainBegin.bind(this));
  }

  /** @internal */
  override setParams(params: Callback['params']): void {
    if (this.params === params) {
      throw new Error(`Expected \`${this.#name}\` in \`callbacks\` once, got the same one twice. Leave one out.`);
    }
    super.setParams(params);
  }

  /** @internal */
  override setModel(model: LayersModel): void {
    if (this.#run) {
      throw new Error(
        `Expected each \`${this.#name}\` to be in one training at a time, got one that is in the training of ` +
          `\`${this.model.name}\` already. Make another with \`${this.#name}\` for each \`fit\` that runs at the same time.`,
      );
    }
    super.setModel(model);
    const run = runOf(model, this.params);
    this.#run = run;
    run.onEnd(() => {
      this.#run = undefined;
      this.endRun();
    });
    this.beginRun(run);
  }

  /** @internal The run that the callback is part of. */
  protected get run(): Run {
    return this.#run!;
  }

  /** @internal Called before any callback is told that training begins; what throws here ends the run. */
  protected abstract beginRun(run: Run): void;

  /** @internal Called once when the run is over, also where it threw. */
  protected endRun(): void {}
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
          `\`callbacks\` is a plain object, and \`{...${name}}\` is one. Write \`new tf.CustomCallback({…})\` around the plain ` +
          'object.',
      );
    }
    throw new Error(`Expected \`${name}\` and the model to be of one tfjs-layers, got a second copy. ${ONE_COPY}`);
  };
}
