import { add, clone, dispose, keep, tidy, variableGrads as hostVariableGrads } from '@tensorflow/tfjs-core';
import type { NamedTensorMap, Scalar, Variable } from '@tensorflow/tfjs-core';
import { gradientsOnTape, handOver, unrecorded } from '../host/gradients.js';
import { variablesByName } from '../host/model/optimizer.js';
import {
  CUSTOM_LOSS_CHECKS,
  checkedLoss,
  cleanly,
  computeLoss,
  type CustomLoss,
  type CustomLossArgs,
} from '../loss/custom-loss.js';
import { lossParts, type LossParts, type LossTensors } from '../loss/parts.js';
import { checkedVariables, explained, refuseWithinLoss, type Trainable } from '../loss/minimize.js';
import { ANYTHING, FLAG, checkOptions } from '../util/arguments.js';

/** What `variableGrads` takes in addition to the loss. */
export interface VariableGradsArgs extends CustomLossArgs {
  /** What to differentiate by. Default, as in `tf.variableGrads`: every trainable variable there is. */
  variables?: Trainable | readonly Trainable[] | undefined;
  /**
   * Whether to return the separate gradients of the data loss and of the penalties too, at the price of a backward pass over
   * the penalties alone. `grads` are then their sums, the same as without `apart` up to float32 rounding. The data loss has to
   * depend on one of the variables. Default `false`.
   */
  apart?: boolean | undefined;
}

/** A loss in its parts, and its gradients. */
export interface VariableGrads {
  /** The loss at the current weights. */
  loss: LossParts;
  /** The gradient by each variable, by its name, in the order and with the omissions of `tf.variableGrads`. */
  grads: NamedTensorMap;
  /** With `apart`: the gradient of the data loss alone; a variable that it does not depend on is missing. */
  data?: NamedTensorMap;
  /** With `apart`: the gradient of the penalties alone; a variable without a penalty is missing. */
  penalty?: NamedTensorMap;
  /** Disposes all tensors; a second call does nothing. */
  dispose(): void;
}

/**
 * The gradients of your own loss, like `tf.variableGrads`, with the penalties of models added to it: for loops that look at
 * gradients, or edit them, before `optimizer.applyGradients(grads)`.
 *
 * @param loss - As for `minimize`.
 * @returns Tensors that belong to the active tidy, as with `tf.variableGrads`, otherwise to the caller.
 * @throws Error as `minimize`; no tensor is left then.
 */
export function variableGrads(loss: CustomLoss, args: VariableGradsArgs & { apart: true }): Required<VariableGrads>;
export function variableGrads(loss: CustomLoss, args?: VariableGradsArgs): VariableGrads;
export function variableGrads(loss: CustomLoss, args: VariableGradsArgs = {}): VariableGrads {
  checkOptions('variableGrads', args, { ...CUSTOM_LOSS_CHECKS, variables: ANYTHING, apart: FLAG });
  refuseWithinLoss('variableGrads');
  const checked = checkedLoss('variableGrads', loss, args);
  const variables = checkedVariables('variableGrads', args.variables);
  const found: LossTensors[] = [];
  const penalty: NamedTensorMap = {};
  const evaluate = (): Scalar => {
    let ofData: Scalar | undefined;
    const tensors = computeLoss(checked, ({ data, regularization }) => {
      if (!args.apart) return;
      ofData = data;
      Object.assign(penalty, penaltyGradients(regularization, variables));
    });
    found.push({ ...tensors, total: keep(tensors.total) });
    return ofData ?? tensors.total;
  };
  try {
    const { grads } = cleanly(checked, () => explained(checked, () => hostVariableGrads(evaluate, variables)));
    const [tensors] = found as [LossTensors];
    const loss = lossParts(tensors);
    const disposeOf = (tensors: NamedTensorMap[]) => (): void => {
      loss.dispose();
      dispose(tensors);
    };
    if (!args.apart) return { loss, grads, dispose: disposeOf([grads]) };
    handOver(Object.values(penalty));
    const sums = sumByVariable(grads, penalty, variables);
    return { loss, grads: sums, data: grads, penalty, dispose: disposeOf([grads, penalty, sums]) };
  } catch (error) {
    dispose(penalty);
    found.forEach(({ total, data, regularization, parts }) => dispose([total, data, regularization, parts]));
    throw error;
  }
}

/** Kept. A variable that has no penalty has no gradient. */
function penaltyGradients(regularization: Scalar, variables: readonly Variable[] | undefined): NamedTensorMap {
  const trainable = (variables ?? Object.values(variablesByName())).filter((variable) => variable.trainable);
  return unrecorded(() =>
    tidy(() => {
      const gradients = gradientsOnTape(regularization, trainable);
      const found = trainable.flatMap(({ name }, index) => {
        const gradient = gradients[index];
        return gradient ? [[name, keep(gradient)] as const] : [];
      });
      return Object.fromEntries(found);
    }),
  );
}

/** In the order of the variables, frozen ones last, as the host has them. */
function sumByVariable(
  data: NamedTensorMap,
  penalty: NamedTensorMap,
  variables: readonly Variable[] | undefined,
): NamedTensorMap {
  const names = (variables ?? Object.values(variablesByName())).map(({ name }) => name);
  const known = names.filter((name) => data[name] ?? penalty[name]);
  const sums = known.map((name) => {
    const [first, second] = [data[name], penalty[name]];
    return [name, first && second ? add(first, second) : clone((first ?? second)!)] as const;
  });
  const frozen = Object.entries(data).filter(([, gradient]) => gradient === null);
  return Object.fromEntries([...sums, ...frozen]);
}
