import { abs, dispose, divNoNan, keep, max, mul, scalar, sqrt, square, stack, sum, tidy } from '@tensorflow/tfjs-core';
import type { Scalar, Tensor, Variable } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { gradientsOnTape, unrecorded } from '../../host/gradients.js';
import { compiledModel, refuseActivityRegularizers } from '../../host/model/trained-model.js';
import { layersOfWeights } from '../../host/model/weights.js';
import type { Run } from '../../host/run/run.js';
import type { LossOnTape } from '../../host/step/loss-on-tape.js';
import { BatchWatch } from '../../logs/batch-watch.js';
import type { Logs } from '../../logs/log-keys.js';
import { readNumbers, sumOf } from '../../util/scalars.js';
import { WeightedMean } from '../../util/weighted-mean.js';

/** The quantities that are compared, and the names in the logs, before `/<layer>`. */
const BALANCE_KEYS = ['gradient/data', 'gradient/penalty', 'gradient/cosine'] as const;

/** Places in the list of weights, by the name of the layer that they are in. */
type WeightsByLayer = ReadonlyMap<string, readonly number[]>;

/** One run in which every n-th step's gradients are taken apart. */
export class BalanceRun {
  readonly #model: LayersModel;
  readonly #every: number;
  readonly #mean = new WeightedMean();
  readonly #watch: BatchWatch<Scalar[]>;
  #layers: WeightsByLayer | undefined;

  constructor(run: Run, every: number) {
    const model = run.models[0]!;
    refuseActivityRegularizers(compiledModel(model));
    this.#model = model;
    this.#every = every;
    this.#watch = new BatchWatch(run, {
      take: (loss, variables) => layerBalance(loss, variables, this.#layersOf(variables)),
      discard: dispose,
    });
  }

  beginBatch(batch: number): void {
    if (batch % this.#every === 0) this.#watch.begin();
  }

  endBatch(batch: number, logs: Logs): void {
    if (batch % this.#every !== 0) return;
    const balance = this.#watch.take(logs);
    this.#mean.add(balance, (logs['size'] ?? 1) as number);
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
    this.#watch.end();
    this.#mean.dispose();
  }

  #layersOf(variables: readonly Variable[]): WeightsByLayer {
    return (this.#layers ??= weightsByLayer(this.#model, variables));
  }
}

function weightsByLayer(model: LayersModel, variables: readonly Variable[]): WeightsByLayer {
  const names = layersOfWeights(model);
  const groups = new Map<string, number[]>();
  variables.forEach(({ name, trainable }, index) => {
    // One that was frozen after `compile` is among them, and training leaves it as it is.
    if (!trainable) return;
    const layer = names.get(name)!;
    groups.set(layer, [...(groups.get(layer) ?? []), index]);
  });
  return groups;
}

/**
 * How data and penalty pull at the weights of each layer in the step that is on the gradient tape now.
 *
 * @returns For each layer the norm of the data gradient, the norm of the penalty gradient, and the cosine between the two;
 *   kept scalars, which the caller disposes.
 */
function layerBalance(
  { data, penalties }: LossOnTape,
  variables: readonly Variable[],
  layers: WeightsByLayer,
): Scalar[] {
  const regularization = sumOf(penalties);
  return unrecorded(() =>
    tidy(() => {
      const trainable = variables.filter((variable) => variable.trainable);
      const [ofData, ofPenalty] = [data, regularization].map((part) => {
        const gradients = gradientsOnTape(part, trainable);
        return variables.map((variable) => gradients[trainable.indexOf(variable)]);
      });
      const balance = [...layers.values()].flatMap((weights) =>
        compare(
          weights.map((weight) => ofData![weight]),
          weights.map((weight) => ofPenalty![weight]),
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
