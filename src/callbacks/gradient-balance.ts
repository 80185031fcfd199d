import { abs, dispose, divNoNan, keep, max, mul, scalar, sqrt, square, stack, sum, tidy } from '@tensorflow/tfjs-core';
import type { Scalar, Tensor, Variable } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { gradientsOnTape, unrecorded } from '../host/gradients.js';
import { layerNames, placesInModel } from '../host/model/walk.js';
import type { Run } from '../host/run/run.js';
import type { LossOnTape } from '../host/step/loss-on-tape.js';
import { BatchWatch } from '../logs/batch-watch.js';
import type { Logs } from '../logs/log-keys.js';
import { checkOptions } from '../util/arguments.js';
import { groupBy } from '../util/group-by.js';
import { readNumbers, sumOf } from '../util/scalars.js';
import { WeightedMean } from '../util/weighted-mean.js';
import { RunCallback } from './run-callback.js';

/** What `gradientBalance` takes. */
export interface GradientBalanceArgs {
  /**
   * Looks at the first batch of each epoch and at every n-th after it. A batch that is looked at costs one backward pass
   * more, the others nothing. Default 10.
   */
  every?: number | undefined;
}

/**
 * A callback for `model.fit` and `model.fitDataset` that shows how hard data and penalties pull on each layer, and whether in
 * the same direction.
 *
 * For each layer with weights that training moves, it writes into the logs of each epoch, and so into `history.history`:
 *
 * - `gradient/data/<layer>`: the norm of the gradient of the data loss, over all weights of the layer together;
 * - `gradient/penalty/<layer>`: the same for the regularization loss; 0 for a layer without penalties;
 * - `gradient/cosine/<layer>`: the cosine between the two, from -1 (they pull against each other, as they do once the model
 *   fits) to 1; 0 where one of them is 0.
 *
 * Each is the mean over the batches that were looked at, weighted by batch size. `<layer>` is named as in the breakdown of
 * `decomposedLoss`. The two callbacks may be in any order. The gradients are those of the training step itself, before the
 * optimizer adapts them, and nothing in the training changes.
 *
 * @returns A callback, for one training at a time, any number of times.
 * @throws Error if `args` is not understood.
 */
export function gradientBalance(args: GradientBalanceArgs = {}): GradientBalanceCallback {
  return new GradientBalanceCallback(args);
}

/** What `gradientBalance` returns: a `tf.Callback`. */
export class GradientBalanceCallback extends RunCallback {
  readonly #every: number;
  readonly #mean = new WeightedMean();
  #watch: BatchWatch<Scalar[]> | undefined;
  #layers: WeightsByLayer | undefined;

  constructor(args: GradientBalanceArgs = {}) {
    super('gradientBalance()');
    checkOptions('gradientBalance', args, {
      every: ['a positive integer', (value) => Number.isInteger(value) && (value as number) > 0],
    });
    this.#every = args.every ?? 10;
  }

  /** @internal */
  protected override beginRun(run: Run): void {
    if (run.isLoop) {
      throw new Error(
        'Expected no `gradientBalance()` in a `trainingLoop`, got one. It looks at the steps of `fit` only: take ' +
          '`variableGrads(loss, {models, apart: true})` in the loop.',
      );
    }
    const model = run.models[0]!;
    this.#watch = new BatchWatch(run, {
      take: (loss, variables) => layerBalance(loss, (this.#layers ??= weightsByLayer(model, variables))),
      discard: dispose,
    });
    run.writers.push(this);
  }

  /** @internal */
  protected override endRun(): void {
    this.#watch?.end();
    this.#watch = undefined;
    this.#mean.dispose();
    this.#layers = undefined;
  }

  /** @internal */
  override async onBatchBegin(batch: number): Promise<void> {
    if (batch % this.#every === 0) this.#watch!.begin();
  }

  /** @internal */
  override async onBatchEnd(batch: number, logs: Logs = {}): Promise<void> {
    if (batch % this.#every !== 0) return;
    const balance = this.#watch!.take(logs);
    this.#mean.add(balance, (logs['size'] ?? 1) as number);
    dispose(balance);
  }

  /** @internal Writes the epoch's means into its log as numbers, after one transfer from the backend. Leaves no tensor. */
  override async onEpochEnd(_epoch: number, logs: Logs = {}): Promise<void> {
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
}

/** The quantities that are compared, and the names in the logs, before `/<layer>`. */
const BALANCE_KEYS = ['gradient/data', 'gradient/penalty', 'gradient/cosine'] as const;

/** The weights that training moves, by the name of the layer that they are in. */
type WeightsByLayer = ReadonlyMap<string, readonly Variable[]>;

function weightsByLayer(model: LayersModel, variables: readonly Variable[]): WeightsByLayer {
  const nameOf = layerNames(model);
  const names = new Map<string, string>();
  for (const place of placesInModel(model)) {
    place.layer.weights.filter(({ name }) => !names.has(name)).forEach(({ name }) => names.set(name, nameOf(place)));
  }
  // One that was frozen after `compile` is among them, and training leaves it as it is.
  return groupBy(variables, ({ name, trainable }) => (trainable ? names.get(name) : undefined));
}

/**
 * How data and penalty pull at the weights of each layer in the step that is on the gradient tape now.
 *
 * @returns For each layer the norm of the data gradient, the norm of the penalty gradient, and the cosine between the two;
 *   kept scalars, which the caller disposes.
 */
function layerBalance({ data, penalties }: LossOnTape, layers: WeightsByLayer): Scalar[] {
  const regularization = sumOf(penalties);
  return unrecorded(() =>
    tidy(() => {
      // One that was frozen within the epoch is among them, and training leaves it as it is.
      const trainable = [...layers.values()].flat().filter((variable) => variable.trainable);
      const [ofData, ofPenalty] = [data, regularization].map((part) => {
        const gradients = gradientsOnTape(part, trainable);
        return new Map(trainable.map((variable, index) => [variable, gradients[index]]));
      });
      const balance = [...layers.values()].flatMap((weights) =>
        compare(
          weights.map((weight) => ofData!.get(weight)),
          weights.map((weight) => ofPenalty!.get(weight)),
        ),
      );
      return balance.map(keep);
    }),
  );
}

type Gradient = Tensor | undefined;

function compare(data: readonly Gradient[], penalty: readonly Gradient[]): [Scalar, Scalar, Scalar] {
  const [ofData, ofPenalty] = [scaled(data), scaled(penalty)];
  const products = ofData.gradients.flatMap((one, index) => {
    const other = ofPenalty.gradients[index];
    return one && other ? [sum<Scalar>(mul(one, other))] : [];
  });
  const cosine = divNoNan<Scalar>(divNoNan(sumOf(products), ofData.norm), ofPenalty.norm);
  return [mul(ofData.largest, ofData.norm), mul(ofPenalty.largest, ofPenalty.norm), cosine];
}

/**
 * Gradients divided by the largest absolute value among them, and the norm of what that leaves: the squares of small and large
 * gradients are out of the range of float32.
 */
function scaled(gradients: readonly Gradient[]): { gradients: Gradient[]; largest: Scalar; norm: Scalar } {
  const found = gradients.filter((gradient) => gradient !== undefined);
  const largest = found.length === 0 ? scalar(0) : max<Scalar>(stack(found.map((one) => max<Scalar>(abs(one)))));
  const all = gradients.map((gradient) => gradient && divNoNan(gradient, largest));
  const squares = all.flatMap((gradient) => (gradient ? [sum<Scalar>(square(gradient))] : []));
  return { gradients: all, largest, norm: sqrt(sumOf(squares)) };
}
