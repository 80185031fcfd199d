import { Variable, mul, sub, tidy, type NamedTensorMap, type Optimizer } from '@tensorflow/tfjs-core';
import { LayersModel, type LayerVariable } from '@tensorflow/tfjs-layers';
import { givenLearningRate, scaledLearningRate, variablesByName } from '../host/model/optimizer.js';
import { builtModel } from '../host/model/trained-model.js';
import { RANK, patch, shared } from '../host/patch.js';
import { checkArguments, describe, list } from '../util/arguments.js';

/** A variable, a weight of a layer, or all weights of a model. */
export type DecayedVariables = Variable | LayerVariable | LayersModel;

/** What `withWeightDecay` takes in addition to the optimizer. */
export interface WithWeightDecayArgs {
  /** The share of a weight that a step takes away, times the learning rate: Keras's `weight_decay`. 0 ends the decay. */
  rate: number;
  /** Which variables. Default: all that get a gradient, biases included, as in Keras. */
  variables?: DecayedVariables | readonly DecayedVariables[] | undefined;
  /**
   * Which of these to leave out, by name: a text that occurs in the variable's name (`'bias'`, `'norm/gamma'`), or a pattern
   * that matches it (`/kernel$/`), as in Keras's `exclude_from_weight_decay(var_names=...)`. Default: none.
   */
  exclude?: ReadonlyArray<string | RegExp> | undefined;
}

/** What is in force on an optimizer. */
const decays = shared('decays', () => new WeakMap<Optimizer, () => void>());

const NAMES = ['rate', 'variables', 'exclude'];

/**
 * Gives any optimizer the decoupled weight decay of Keras's AdamW and SGDW.
 *
 * ```js
 * model.compile({loss, optimizer: withWeightDecay(tf.train.adam(1e-3), {rate: 0.004, exclude: ['bias']})});
 * ```
 *
 * At each update, before the optimizer's own, `w -= w * rate * learningRate`, with the learning rate of that moment. It acts in
 * the optimizer's `applyGradients`, and so in `fit`, `fitDataset`, `trainOnBatch`, `trainStep`, `accumulateGradients` (once,
 * where it updates), `optimizer.minimize` and your own loops. Only variables that have a gradient in that update decay: frozen
 * weights never do, and a shared one decays once. A weight with a regularizer decays too; the decay is not part of any loss,
 * and a `regularizationSchedule` does not scale it.
 *
 * With `tf.train.sgd`, a decay of `rate` moves weights that have a gradient anyway as a penalty `rate / 2 * sum(w ** 2)`,
 * counted once per step, would, up to float32 rounding. With momentum, or an optimizer that adapts to the gradients, the two
 * differ, and only the penalty shows in the loss.
 *
 * Calling it again on the same optimizer replaces the decay in force. What the optimizer saves stays as it is, so call this
 * again after loading.
 *
 * @param optimizer - Any `tf.train` optimizer, or one of your own with a number in `learningRate`.
 * @returns The same optimizer.
 * @throws Error if `optimizer` is not an optimizer or its learning rate is not a number, `rate` is not a finite number, 0 or
 *   more, or an entry of `variables` or `exclude` is not understood; nothing is changed then. An entry of `exclude` that is in
 *   the name of no variable throws at the first update, before it changes anything.
 * @see {@link https://arxiv.org/abs/1711.05101 | Loshchilov and Hutter}
 * @see {@link https://github.com/keras-team/keras/blob/v3.15.1/keras/src/optimizers/base_optimizer.py | Optimizer.apply}
 */
export function withWeightDecay<O extends Optimizer>(optimizer: O, args: WithWeightDecayArgs): O {
  checkOptimizer(optimizer);
  checkArguments('withWeightDecay', args, NAMES);
  const { rate } = args;
  const exclude = checkedExclude(args.exclude);
  if (!Number.isFinite(rate) || rate < 0) {
    throw new Error(
      `Expected \`rate\` of \`withWeightDecay\` to be a finite number, 0 or more, got ${describe(rate)}. Pass 0.004, for example.`,
    );
  }
  const chosen = args.variables === undefined ? undefined : namesOf(args.variables);
  if (chosen) checkFound(exclude, chosen);
  decays.get(optimizer)?.();
  decays.delete(optimizer);
  if (rate === 0) return optimizer;
  let isChecked = chosen !== undefined;
  const release = patch(optimizer as Optimizer, 'applyGradients', RANK.update, (inner, gradients) => {
    if (!isChecked) checkFound(exclude, Object.keys(variablesByName()));
    isChecked = true;
    const names = namesWithGradient(gradients as Gradients).filter(
      (name) => (chosen?.has(name) ?? true) && !exclude.some((entry) => isIn(name, entry)),
    );
    decay(optimizer, rate, names);
    inner(gradients);
  });
  decays.set(optimizer, release);
  return optimizer;
}

/** `w -= w * rate * learningRate` for each of these that is not frozen. */
function decay(optimizer: Optimizer, rate: number, names: Iterable<string>): void {
  const variables = variablesByName();
  tidy(() => {
    const share = scaledLearningRate(optimizer, rate);
    for (const name of new Set(names)) {
      const variable = variables[name];
      if (variable?.trainable === true) tidy(() => variable.assign(sub(variable, mul(variable, share))));
    }
  });
}

/** What the host's optimizers take, with gaps for variables that have no gradient. */
type Gradients = NamedTensorMap | ReadonlyArray<{ name: string; tensor: unknown }>;

function namesWithGradient(gradients: Gradients): string[] {
  const entries = Array.isArray(gradients)
    ? (gradients as Array<{ name: string; tensor: unknown }>).map(({ name, tensor }) => [name, tensor] as const)
    : Object.entries<unknown>(gradients);
  return entries.filter(([, tensor]) => tensor != null).map(([name]) => name);
}

/**
 * Whether an entry of `exclude` is in the name of a variable, with or without the number that the host appends to a name that
 * is taken.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/common.ts#L90-L109 | getUniqueTensorName}
 */
const isIn = (name: string, entry: string | RegExp): boolean =>
  typeof entry === 'string'
    ? name.includes(entry)
    : [name, name.replace(/_\d+$/, '')].some((one) => one.search(entry) !== -1);

function checkOptimizer(optimizer: unknown): asserts optimizer is Optimizer {
  const { minimize, applyGradients } = (optimizer ?? {}) as Partial<Optimizer>;
  if (typeof minimize !== 'function' || typeof applyGradients !== 'function') {
    throw new Error(
      `Expected \`optimizer\` of \`withWeightDecay\` to be an optimizer, got ${describe(optimizer)}. ` +
        'Pass `tf.train.adam(0.001)`, for example.',
    );
  }
  const rate = givenLearningRate(optimizer as Optimizer);
  if (Number.isFinite(rate)) return;
  throw new Error(
    `Expected \`optimizer\` of \`withWeightDecay\` to have a finite number as its learning rate, got ${describe(rate)}. ` +
      'Pass the number itself to `tf.train`, as in `tf.train.adam(0.001)`.',
  );
}

function checkedExclude(exclude: unknown = []): ReadonlyArray<string | RegExp> {
  const isEntry = (entry: unknown) => (typeof entry === 'string' && entry !== '') || entry instanceof RegExp;
  if (Array.isArray(exclude) && exclude.every(isEntry)) return exclude as Array<string | RegExp>;
  const wrong = Array.isArray(exclude) ? describe(exclude.find((entry) => !isEntry(entry))) : describe(exclude);
  throw new Error(
    `Expected \`exclude\` of \`withWeightDecay\` to be an array of texts and regular expressions, got ${wrong}. ` +
      "Pass ['bias'], for example.",
  );
}

/** The names that an optimizer knows the variables by. */
function namesOf(variables: DecayedVariables | readonly DecayedVariables[]): Set<string> {
  const all = [variables].flat() as readonly unknown[];
  const names = all.flatMap((one) => {
    if (one instanceof LayersModel) return builtModel(one).weights.map(({ name }) => name);
    const weight = one as LayerVariable | null | undefined;
    const variable: unknown = typeof weight?.read === 'function' ? weight.read() : one;
    if (variable instanceof Variable) return [variable.name];
    throw new Error(
      `Expected \`variables\` of \`withWeightDecay\` to be variables, weights of layers or models, got ${describe(one)}. ` +
        'Pass `model.layers[0].weights`, for example.',
    );
  });
  if (names.length > 0) return new Set(names);
  throw new Error('Expected `variables` of `withWeightDecay` to name a variable, got none. Leave it out for all.');
}

function checkFound(exclude: ReadonlyArray<string | RegExp>, names: Iterable<string>): void {
  const all = [...names];
  const lost = exclude.find((entry) => !all.some((name) => isIn(name, entry)));
  if (lost === undefined) return;
  throw new Error(
    `Expected each entry of \`exclude\` of \`withWeightDecay\` to be in the name of a variable, got ` +
      `${lost instanceof RegExp ? String(lost) : describe(lost)}, which is in none. There are ${inventory(all)}.`,
  );
}

/** How many names an error lists. */
const MOST_NAMES = 20;

const inventory = (names: readonly string[]): string =>
  list(names.slice(0, MOST_NAMES)) + (names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : '');
