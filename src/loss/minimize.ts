import { Tensor, Variable, add, dispose, keep, type Optimizer, type Scalar } from '@tensorflow/tfjs-core';
import { LayersModel, type LayerVariable } from '@tensorflow/tfjs-layers';
import { isInLoss, onTape } from '../host/gradients.js';
import { trainedModel } from '../host/model/model.js';
import { ANYTHING, FLAG, checkOptions, describe } from '../util/arguments.js';
import {
  CUSTOM_LOSS_CHECKS,
  checkedLoss,
  cleanly,
  computeLoss,
  type CheckedLoss,
  type CustomLoss,
  type CustomLossArgs,
} from './custom-loss.js';
import { lossParts, readLoss, type DecomposedLoss, type LossParts, type LossTensors } from './parts.js';

/** Weights that an optimizer moves: variables, also as the tensors that `getWeights()` gives, layers' variables, or whole models. */
export type Trainable = Tensor | LayerVariable | LayersModel;

/** What `minimize` takes in addition to the optimizer and the loss. */
export interface MinimizeArgs extends CustomLossArgs {
  /** What to move. Default, as in `optimizer.minimize`: every trainable variable there is. */
  variables?: Trainable | readonly Trainable[] | undefined;
  /** Whether to return tensors, from which nothing is read until `read()`. Default `false`: numbers. */
  returnTensors?: boolean | undefined;
}

/**
 * One optimizer step on a loss of your own, like `optimizer.minimize`, with the penalties of models added to it.
 *
 * ```js
 * const { total, data, regularization, parts } = await minimize(optimizer, () => ({ reconstruction, kl }), {
 *   models: vae,
 *   weights: { kl: () => beta },
 * });
 * ```
 *
 * The optimizer's own `minimize` does the work, so the weights move exactly as with the penalty written out by hand. The update
 * is made before this returns; the numbers come in one transfer. There is nothing to dispose, also where the result is ignored.
 *
 * @param loss - Called once or as often as the optimizer needs; returns a scalar, which is the part `loss`, or an object of
 *   scalars by name. A penalty of `models` must not be in it; to compute one for a log is fine.
 * @returns The loss in its parts at the weights before the step. With `returnTensors`, `LossParts` at once.
 * @throws Error, at once, if an argument or what the loss returns is not understood, or if it is called within a loss. No weight
 *   of `models` is moved then, and no tensor left.
 */
export function minimize(
  optimizer: Optimizer,
  loss: CustomLoss,
  args: MinimizeArgs & { returnTensors: true },
): LossParts;
export function minimize(
  optimizer: Optimizer,
  loss: CustomLoss,
  args?: MinimizeArgs & { returnTensors?: false | undefined },
): Promise<DecomposedLoss>;
export function minimize(
  optimizer: Optimizer,
  loss: CustomLoss,
  args: MinimizeArgs,
): LossParts | Promise<DecomposedLoss>;
export function minimize(
  optimizer: Optimizer,
  loss: CustomLoss,
  args: MinimizeArgs = {},
): LossParts | Promise<DecomposedLoss> {
  checkOptimizer('minimize', optimizer);
  checkOptions('minimize', args, { ...CUSTOM_LOSS_CHECKS, variables: ANYTHING, returnTensors: FLAG });
  refuseWithinLoss('minimize');
  const checked = checkedLoss('minimize', loss, args);
  const variables = checkedVariables('minimize', args.variables);
  const { tensors } = differentiated(checked, (loss) => ({ cost: optimizer.minimize(loss, true, variables) }));
  return returned(tensors, args.returnTensors);
}

/**
 * Runs something that takes gradients of a loss.
 *
 * @param run - Is given the loss, penalties included, and returns, as `cost`, the value of it that counts. Where there is none,
 *   that is the one that was computed last.
 * @returns The parts of that value, kept, and what `run` returned.
 * @throws Error where it throws; no tensor is left then, and forward passes have moved no weight of its models.
 */
export function differentiated<T extends { cost: Scalar | null }>(
  checked: CheckedLoss,
  run: (loss: () => Scalar) => T,
): { tensors: LossTensors; result: T } {
  const evaluated: LossTensors[] = [];
  const evaluate = (): Scalar => {
    const tensors = computeLoss(checked);
    evaluated.push(tensors);
    return tensors.total;
  };
  try {
    const result = cleanly(checked, () => explained(checked, () => run(evaluate)));
    // An optimizer may evaluate the loss several times; what counts is the value that it returns.
    const found = evaluated.find(({ total }) => total === result.cost) ?? evaluated.at(-1)!;
    evaluated.filter((one) => one !== found).forEach(disposeParts);
    const total = result.cost ?? add<Scalar>(found.data, found.regularization);
    return { tensors: { ...found, total: keep(total) }, result };
  } catch (error) {
    evaluated.forEach(disposeParts);
    throw error;
  }
}

/** The total is the optimizer's to dispose. */
const disposeParts = ({ data, regularization, parts }: LossTensors): void => dispose([data, regularization, parts]);

/** What `evaluateLoss` takes in addition to the loss. */
export interface EvaluateLossArgs extends CustomLossArgs {
  /** Whether to return tensors, from which nothing is read until `read()`. Default `false`: numbers. */
  returnTensors?: boolean | undefined;
}

/**
 * A loss of your own in its parts, without a step: for validation in custom training loops.
 *
 * @param loss - As for {@link minimize}.
 * @returns The loss at the current weights. With `returnTensors`, `LossParts` at once.
 * @throws Error, at once, as {@link minimize}.
 */
export function evaluateLoss(loss: CustomLoss, args: EvaluateLossArgs & { returnTensors: true }): LossParts;
export function evaluateLoss(
  loss: CustomLoss,
  args?: EvaluateLossArgs & { returnTensors?: false | undefined },
): Promise<DecomposedLoss>;
export function evaluateLoss(loss: CustomLoss, args: EvaluateLossArgs): LossParts | Promise<DecomposedLoss>;
export function evaluateLoss(loss: CustomLoss, args: EvaluateLossArgs = {}): LossParts | Promise<DecomposedLoss> {
  checkOptions('evaluateLoss', args, { ...CUSTOM_LOSS_CHECKS, returnTensors: FLAG });
  refuseWithinLoss('evaluateLoss');
  const checked = checkedLoss('evaluateLoss', loss, args);
  const evaluate = (): LossTensors => {
    const tensors = computeLoss(checked, undefined, false);
    keep(tensors.total);
    return tensors;
  };
  // Only on the tape is there a trace of penalties that the loss adds itself, and of what passes through layers.
  const tensors = cleanly(checked, () => onTape(evaluate));
  return returned(tensors, args.returnTensors);
}

const returned = (tensors: LossTensors, returnTensors: boolean | undefined): LossParts | Promise<DecomposedLoss> =>
  returnTensors ? lossParts(tensors) : readLoss(tensors);

/** @throws Error that names the argument. */
export function checkOptimizer(caller: string, optimizer: Optimizer): void {
  if (typeof optimizer?.minimize === 'function') return;
  throw new Error(
    `Expected \`optimizer\` of \`${caller}\` to be a tf.Optimizer, got ${describe(optimizer)}. Pass tf.train.adam().`,
  );
}

/** @throws Error where a loss is running: what is computed there belongs to its gradients. */
export function refuseWithinLoss(caller: string): void {
  if (!isInLoss()) return;
  throw new Error(
    `Expected \`${caller}\` to be called outside of a loss, got a call within one. Call it after the step.`,
  );
}

/**
 * The variables that an argument names, each once.
 *
 * @throws Error if something else is among them, or a model that is not built.
 */
export function checkedVariables(
  caller: string,
  variables: Trainable | readonly Trainable[] | undefined,
): Variable[] | undefined {
  if (variables === undefined) return undefined;
  const all = [variables].flat() as readonly Trainable[];
  const found = [...new Set(all.flatMap((one) => variablesOf(caller, one)))];
  if (found.length > 0) return found;
  throw new Error(
    `Expected \`variables\` of \`${caller}\` to name at least one, got none. Pass a model, or leave it out.`,
  );
}

function variablesOf(caller: string, one: Trainable): Variable[] {
  if (one instanceof Variable) return [one as Variable];
  if (one instanceof LayersModel) {
    const weights = one.trainableWeights;
    // The layers of a Sequential that knows its inputs have their weights before it is built.
    if (weights.length > 0 || trainedModel(one)) return weights.map((weight): Variable => weight.read() as Variable);
    throw new Error(
      `Expected \`variables\` of \`${caller}\` to be built models, got \`${one.name}\`, which is not built. Call ` +
        '`model.build()` first.',
    );
  }
  const read: unknown = !(one instanceof Tensor) && typeof one?.read === 'function' ? one.read() : undefined;
  if (read instanceof Variable) return [read as Variable];
  throw new Error(
    `Expected \`variables\` of \`${caller}\` to be variables, layers' variables or models, got ${describe(one)}. Pass ` +
      '`model`, or `model.getWeights()`.',
  );
}

const UNCONNECTED = /Cannot find a connection|at least one of the input variables to be trainable/;

/** Runs an optimizer's step and says, in our words, that the loss depends on nothing that it moves. */
export function explained<T>({ caller }: CheckedLoss, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!UNCONNECTED.test(String(error))) throw error;
    throw new Error(
      `Expected \`loss\` of \`${caller}\` to depend on a variable that is trained, got a loss that depends on none. Compute it ` +
        'from the models within the function, and look at `variables` and at what is frozen.',
      { cause: error },
    );
  }
}
