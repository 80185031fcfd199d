import { add, cast, clone, keep, mul, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { disposingOnThrow, isOfThisScope, unrecorded } from '../host/gradients.js';
import { restoringValues, statisticsOf } from '../host/model/weights.js';
import { inPasses } from '../host/penalties/pass-loss.js';
import { tracePenalties } from '../host/penalties/penalty-trace.js';
import { keptOrCopied } from '../host/step/step.js';
import { warnOfDroppedRegularizers } from '../regularizers/dropped-regularizers.js';
import { ANYTHING, FLAG, describe, list, type OptionCheck } from '../util/arguments.js';
import { asFloat, describeResult, isScalar, sumOf } from '../util/scalars.js';
import { namesOfTerms, type LossTensors } from './parts.js';
import { LossTerm, weightInStep } from './loss-term.js';
import { checkedModels, lossesOf, passSums, sumOfPenalties, type ModelLosses } from './regularization-loss.js';

/**
 * A loss of your own: a scalar, or several by name. The types take any tensor, because TensorFlow.js's own functions, such as
 * `tf.losses.meanSquaredError`, give no rank; a tensor that is not a scalar is refused when the loss runs.
 */
export type CustomLoss = () => Tensor | { [part: string]: Tensor };

/** What the functions for custom losses take. */
export interface CustomLossArgs {
  /**
   * The models whose penalties belong to the loss, and whose `lossTerm` layers are parts of it. They need not be compiled, and
   * may be built by the loss itself. Default: none.
   */
  models?: LayersModel | readonly LayersModel[] | undefined;
  /** By what each part counts in the data loss; a function is read at each step. Default 1. */
  weights?: Readonly<Record<string, number | (() => number)>> | undefined;
  /** Whether to warn, once a model, where one declares regularizers that training does not apply. Default `true`. */
  warn?: boolean | undefined;
}

/** A custom loss with its arguments, checked. */
export interface CheckedLoss {
  readonly caller: string;
  readonly loss: CustomLoss;
  readonly models: readonly LayersModel[];
  readonly weights: { [part: string]: number | (() => number) };
  readonly warn: boolean;
}

/** What the options are to be. */
export const CUSTOM_LOSS_CHECKS = {
  models: ANYTHING,
  weights: [
    'an object of numbers by part',
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  ],
  warn: FLAG,
} satisfies { [name in keyof CustomLossArgs]-?: OptionCheck };

/** @throws Error that names the argument; the options are checked before. */
export function checkedLoss(caller: string, loss: CustomLoss, args: CustomLossArgs): CheckedLoss {
  const { models, weights = {}, warn = true } = args;
  if (typeof loss !== 'function') {
    throw new Error(
      `Expected \`loss\` of \`${caller}\` to be a function, got ${describe(loss)}. Pass () => …, which computes the loss.`,
    );
  }
  return { caller, loss, models: checkedModels(caller, models), weights, warn };
}

/**
 * Computes a loss and adds the penalties of its models. To be called where its gradients are taken.
 *
 * @param look - Is shown the two sums while they are on the tape.
 * @param isStep - Whether terms read their weights, or have those of the last step.
 * @returns Its parts, kept but for the total.
 * @throws Error if the loss is none, or counts a penalty of the models itself.
 */
export function computeLoss(
  { caller, loss, models, weights, warn }: CheckedLoss,
  look: (onTape: { data: Scalar; regularization: Scalar }) => void = () => {},
  isStep = true,
): LossTensors {
  const { value, isTraced } = tracePenalties(models, () => inPasses(models, loss));
  const losses = lossesOf(models);
  // Only now are the models built that the loss itself builds.
  if (warn) models.forEach(warnOfDroppedRegularizers);
  const terms = termsOf(losses, isStep);
  const parts = withTerms(caller, checkedParts(caller, value), terms);
  const twice = Object.entries(parts).find(([, part]) => isTraced(part));
  if (twice) {
    throw new Error(
      `Expected \`loss\` of \`${caller}\` to leave the penalties of \`models\` out, got a part, \`${twice[0]}\`, that has one ` +
        'of them, from `calculateLosses` or `regularizationLoss` of a model that it is in: it would count twice. Leave it out ' +
        'of the loss, or leave `models` out.',
    );
  }
  const factors = factorsOf(caller, weights, Object.keys(parts), terms);
  const weighted = Object.entries(parts).map(([name, part]) => {
    if (factors[name] !== 1) return mul<Scalar>(part, factors[name]!);
    return isOfThisScope(part) ? asFloat(part) : cast<Scalar>(part, 'float32');
  });
  const data = sumOf(weighted);
  const regularization = sumOfPenalties(losses);
  const total = models.length === 0 ? data : add<Scalar>(data, regularization);
  look({ data, regularization });
  return unrecorded(() => {
    // An optimizer that returns no cost disposes the total.
    const kept = data === total ? keep(clone(data)) : keptOrCopied(data);
    const keptPart = (part: Scalar): Scalar => (part === data ? kept : keptOrCopied(asFloat(part)));
    return {
      total,
      data: kept,
      regularization: keptOrCopied(regularization),
      parts: Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, keptPart(part)])),
      weights: factors,
    };
  });
}

/** Runs what computes losses; where it throws, no tensor is left, and no weight of its models is moved. */
export const cleanly = <T>({ models }: CheckedLoss, run: () => T): T =>
  restoringValues(statisticsOf(models), () => disposingOnThrow(run));

function checkedParts(caller: string, value: unknown): { [part: string]: Scalar } {
  if (isScalar(value)) return { loss: value };
  const isRecord = value != null && Object.getPrototypeOf(value) === Object.prototype;
  const entries: Array<[string, unknown]> = isRecord ? Object.entries(value) : [];
  const wrong = entries.find(([name, part]) => !isScalar(part) || name === '' || name in Object.prototype);
  if (entries.length > 0 && wrong === undefined) return value as { [part: string]: Scalar };
  const got = wrong ? `\`${wrong[0]}\`: ${describeResult(wrong[1])}` : describeResult(value);
  throw new Error(
    `Expected \`loss\` of \`${caller}\` to return a scalar, or an object of scalars by name, got ${got}. Take the mean over the ` +
      'batch, for example with `tf.mean`, and do not await within the loss.',
  );
}

interface Term {
  name: string;
  value: Scalar;
  weight: number;
}

/** The terms that layers of the models added in the forward passes of the loss. */
function termsOf(models: readonly ModelLosses[], isStep: boolean): Term[] {
  const found = passSums(models, 'term').flatMap(({ layer, sum }) =>
    layer instanceof LossTerm
      ? [{ layer, name: layer.name, value: sum, weight: isStep ? layer.weightFor(sum) : layer.lastWeight }]
      : [],
  );
  const names = namesOfTerms(found);
  return found.map(({ value, weight }, index) => ({ name: names[index]!, value, weight }));
}

function withTerms(
  caller: string,
  parts: { [part: string]: Scalar },
  terms: readonly Term[],
): { [part: string]: Scalar } {
  const twin = terms.find(({ name }) => Object.hasOwn(parts, name));
  if (twin === undefined) return { ...parts, ...Object.fromEntries(terms.map(({ name, value }) => [name, value])) };
  throw new Error(
    `Expected the parts of \`loss\` of \`${caller}\` to have other names than the \`lossTerm\` layers of \`models\`, got ` +
      `\`${twin.name}\` for both. Rename one of them.`,
  );
}

function factorsOf(
  caller: string,
  weights: CheckedLoss['weights'],
  names: readonly string[],
  terms: readonly Term[],
): { [part: string]: number } {
  const factors = Object.fromEntries(
    names.map((name) => [name, terms.find((term) => term.name === name)?.weight ?? 1]),
  );
  for (const [name, weight] of Object.entries(weights)) {
    if (!names.includes(name)) {
      throw new Error(
        `Expected \`weights\` of \`${caller}\` to name parts of the loss (${list(names)}), got \`${name}\`. Use one of those ` +
          'names.',
      );
    }
    const factor = weightInStep(name, () => (typeof weight === 'function' ? weight() : weight));
    if (!Number.isFinite(factor)) {
      throw new Error(
        `Expected the weight \`${name}\` in \`weights\` of \`${caller}\` to be a finite number, got ${describe(factor)}. Pass ` +
          '1, or a function that returns a number.',
      );
    }
    factors[name] = factor;
  }
  return factors;
}
