import { Tensor, type Scalar } from '@tensorflow/tfjs-core';
import { isOfOutputs, type DecomposedLoss, type LossParts } from '../loss/parts.js';
import { describe, list } from '../util/arguments.js';
import { readNumbers } from '../util/scalars.js';
import { WeightedMean } from '../util/weighted-mean.js';

/** What a step of a custom training loop gives: numbers, or tensors that nobody has read yet. */
export type Step = DecomposedLoss | LossParts;

/** The steps of one batch by name, as those of the two networks of a GAN; `undefined` for one that the batch does not make. */
export interface NamedSteps {
  [name: string]: Step | undefined;
}

/** What a batch writes into its log. */
export type StepLogs = Map<string, number | Scalar>;

/**
 * The entries of a batch's log: `loss`, `data_loss`, `regularization_loss`, `data_loss/<part>` and the metrics; with several steps
 * in a batch, each after the name of its step, as in `d/data_loss`.
 *
 * @param caller - `step` or `validate`, for the error.
 * @throws Error if a value is no step, or there is none, or two entries have one name.
 */
export function logsOf(caller: string, result: unknown): StepLogs {
  const entries = isStep(result) ? entriesOf(result) : namedEntries(caller, result);
  const logs = new Map(entries);
  if (logs.size === entries.length) return logs;
  const twin = entries.map(([key]) => key).find((key, index, keys) => keys.indexOf(key) !== index)!;
  throw new Error(
    `Expected \`${caller}\` of \`trainingLoop\` to be given one value for each key of the log, got two for \`${twin}\`. Rename ` +
      'the metric, the part or the step.',
  );
}

function namedEntries(caller: string, result: unknown): Array<[string, number | Scalar]> {
  const all: Array<[string, unknown]> =
    typeof result === 'object' && result !== null && !(result instanceof Tensor) ? Object.entries(result) : [];
  const steps = all.filter(([, step]) => step !== undefined);
  const wrong = steps.find(([name, step]) => !isStep(step) || name === '');
  if (steps.length > 0 && wrong === undefined) {
    return steps.flatMap(([name, step]) =>
      entriesOf(step as Step).map(([key, value]): [string, number | Scalar] => [`${name}/${key}`, value]),
    );
  }
  throw new Error(
    `Expected \`${caller}\` of \`trainingLoop\` to be given what \`minimize\`, \`trainStep\` or \`evaluateLoss\` returns, or an ` +
      `object of such by name, got ${wrong ? `\`${wrong[0]}\`: ${describe(wrong[1])}` : describe(result)}. Return it from the ` +
      'function.',
  );
}

function isStep(value: unknown): value is Step {
  const { total, data, regularization, parts } = (value ?? {}) as Partial<Step>;
  const isValue = (one: unknown): boolean => typeof one === 'number' || one instanceof Tensor;
  return [total, data, regularization].every(isValue) && typeof parts === 'object';
}

function entriesOf({ total, data, regularization, parts, metrics }: Step): Array<[string, number | Scalar]> {
  const named = Object.entries(parts) as Array<[string, number | Scalar]>;
  const isWhole = named.length === 1 && (named[0]![0] === 'loss' || isOfOutputs(parts));
  return [
    ['loss', total],
    ['data_loss', data],
    ['regularization_loss', regularization],
    ...(isWhole ? [] : named.map(([name, value]): [string, number | Scalar] => [`data_loss/${name}`, value])),
    ...(Object.entries(metrics ?? {}) as Array<[string, number | Scalar]>),
  ];
}

/** Disposes the tensors of steps that are taken over. */
export function disposeSteps(result: unknown): void {
  const steps = isStep(result) ? [result] : typeof result === 'object' && result !== null ? Object.values(result) : [];
  steps.filter(isStep).forEach((step) => 'dispose' in step && step.dispose());
}

/**
 * Checks the numbers that the end of an epoch is given for its log.
 *
 * @param taken - The keys that the log has by itself.
 * @throws Error if they are none, or one has such a key.
 */
export function checkEpochLogs(logs: unknown, taken: ReadonlySet<string>): void {
  const isRecord = typeof logs === 'object' && logs !== null && !Array.isArray(logs);
  const entries = isRecord ? Object.entries(logs) : [];
  const wrong = entries.flatMap(([key, value]) => (typeof value === 'number' ? [] : [key]));
  if (!isRecord || wrong.length > 0) {
    throw new Error(
      `Expected \`logs\` of \`endEpoch\` to be an object of numbers, got ${isRecord ? `others in ${list(wrong)}` : describe(logs)}. ` +
        'Read tensors first.',
    );
  }
  const twin = entries.find(([key]) => taken.has(key));
  if (twin === undefined) return;
  throw new Error(`Expected \`logs\` of \`endEpoch\` to have names of their own, got \`${twin[0]}\`. Rename it.`);
}

interface Sum {
  sum: number;
  weight: number;
}

/** The means over an epoch of what its batches wrote, each over the batches that wrote it; tensors stay on the device. */
export class LoopMeans {
  readonly #numbers = new Map<string, Sum>();
  readonly #tensors = new Map<string, { keys: string[]; mean: WeightedMean; weight: number }>();

  /** The keys that came up. */
  get keys(): string[] {
    return [...this.#numbers.keys()];
  }

  /** Adds the log of a batch, whose tensors are only read. */
  add(logs: StepLogs, size: number): void {
    const tensors = [...logs].filter((entry): entry is [string, Scalar] => entry[1] instanceof Tensor);
    for (const [key, value] of logs) {
      const known = this.#numbers.get(key) ?? { sum: 0, weight: 0 };
      this.#numbers.set(key, known);
      if (typeof value !== 'number') continue;
      known.sum += value * size;
      known.weight += size;
    }
    if (tensors.length === 0) return;
    const keys = tensors.map(([key]) => key);
    const id = JSON.stringify(keys);
    const group = this.#tensors.get(id) ?? { keys, mean: new WeightedMean(), weight: 0 };
    this.#tensors.set(id, group);
    group.mean.add(
      tensors.map(([, value]) => value),
      size,
    );
    group.weight += size;
  }

  /** The means by key, in the order in which the keys came up, after one transfer; begins anew. */
  async take(): Promise<Map<string, number>> {
    const groups = [...this.#tensors.values()];
    const means = groups.map(({ mean }) => mean.means()!);
    const sums = new Map([...this.#numbers].map(([key, sum]) => [key, { ...sum }]));
    const reading = readNumbers(means);
    means.forEach((mean) => mean.dispose());
    this.dispose();
    const numbers = await reading;
    for (const { keys, weight } of groups) {
      for (const key of keys) {
        const known = sums.get(key)!;
        known.sum += numbers.shift()! * weight;
        known.weight += weight;
      }
    }
    return new Map([...sums].map(([key, { sum, weight }]) => [key, sum / weight]));
  }

  /** Forgets the batches. */
  dispose(): void {
    this.#tensors.forEach(({ mean }) => mean.dispose());
    this.#tensors.clear();
    this.#numbers.clear();
  }
}
