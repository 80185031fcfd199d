import { dispose, engine, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { asFloat, sumOf } from '../../util/scalars.js';
import { internals } from '../model/model.js';
import { RANK, patch, shared } from '../patch.js';
import { keepForPass } from '../penalties/pass-loss.js';
import { appliedLosses } from '../penalties/penalties.js';
import { checkedPenalty } from '../penalties/penalty-value.js';

/** What the loss of a step is made of, while the gradient tape holds it: total = data + penalties. Only to be read. */
export interface LossOnTape {
  total: Scalar;
  /** The data loss: that of the outputs, and the terms with their weights. */
  data: Scalar;
  /** The data loss of the outputs: class-weighted mean over the batch, summed over the outputs. */
  ofOutputs: Scalar;
  /** What `lossTerm` layers added, once for each call of such a layer. */
  terms: TermPart[];
  /** One float32 scalar a penalty, in the order of `appliedPenalties`, or the sum of several where those are fused. */
  penalties: Scalar[];
}

/** A part of the data loss that a layer adds. */
export interface TermPart {
  /** The layer, of which a nested model may have another one of the same name. */
  layer: object;
  name: string;
  /** Without its weight. */
  value: Scalar;
  weight: number;
}

/** One evaluation of a model's loss under watch. */
interface Pass {
  /** Whether fused penalties are to be computed one by one too. */
  each: boolean;
  /** What each call of the model's `calculateLosses` returned, whoever made it. */
  calls: Scalar[][];
  /** What each sum of fused penalties is made of, kept, by the id of the sum. */
  parts: Map<number, Scalar[]>;
  /** The terms by the id of what they added. */
  terms: Map<number, TermPart>;
}

/** The evaluations that are running, by model: a step of one model runs within those of all that share its optimizer. */
const passes = shared('passes', () => new Map<LayersModel, Pass>());

/** The evaluation of the model whose `calculateLosses` is running; models that are called within it add to its penalties. */
const penalised = shared<{ pass: Pass | undefined }>('penalised', () => ({ pass: undefined }));

/** The evaluation under watch whose penalties are being computed now. */
export const currentPass = (): Pass | undefined => penalised.pass;

/** Tells the pass whose penalties are being computed that a scalar, which `calculateLosses` will return, is a part of the data loss. */
export function noteTerm(added: Scalar, term: TermPart): void {
  currentPass()?.terms.set(added.id, { ...term, value: keepForPass(term.value) });
}

/**
 * Runs the loss of a model's step and tells what it is made of, while the gradient tape still holds all of it.
 *
 * The parts are those that the total was made of, found on the tape: from the total down the left operands of `Add` to the
 * `Mean` of the data loss; the right operands are the penalties. So it does not matter who else calls `calculateLosses` in
 * the step, a metric, a loss function or the optimizer. Nothing is computed or read for it.
 *
 * @param take - Is given the parts of the loss, which are gone when the step is over. Not called for a loss of another form.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/training.ts#L1364-L1369 | the step}
 */
export function observeLoss(model: LayersModel, loss: () => Scalar, take: (parts: LossOnTape) => void): Scalar {
  const stop = watchPenalties(model);
  try {
    return inParts(model, false, loss, take);
  } finally {
    stop();
  }
}

/**
 * As `observeLoss`, of a model whose penalties are watched.
 *
 * @param each - Whether to hand over fused penalties one by one; those have no gradient.
 */
export const inParts = (
  model: LayersModel,
  each: boolean,
  loss: () => Scalar,
  take: (parts: LossOnTape) => void,
): Scalar =>
  inPass(model, each, (pass) => {
    const total = loss();
    const parts = splitTotal(total, pass, each);
    if (parts) take(parts);
    return total;
  });

/** Notes what `calculateLosses` of a model returns in its passes, once that is known to be scalars, until released. */
export const watchPenalties = (model: LayersModel): (() => void) =>
  patch(internals(model), 'calculateLosses', RANK.watch, (inner) => {
    const pathOf = (place: number): string => appliedLosses(model)[place]?.path ?? model.name;
    const outer = currentPass();
    penalised.pass = outer ?? passes.get(model);
    try {
      const penalties = inner().map((value, place) => checkedPenalty(value, () => pathOf(place)));
      passes.get(model)?.calls.push(penalties);
      return penalties;
    } finally {
      penalised.pass = outer;
    }
  });

/** Several observers of one evaluation share its pass. */
function inPass<T>(model: LayersModel, each: boolean, run: (pass: Pass) => T): T {
  const outer = passes.get(model);
  if (outer) {
    outer.each ||= each;
    return run(outer);
  }
  const pass: Pass = { each, calls: [], parts: new Map(), terms: new Map() };
  passes.set(model, pass);
  try {
    return run(pass);
  } finally {
    passes.delete(model);
    dispose([...pass.parts.values()]);
  }
}

/** `undefined` where the total is not the sum of a mean and of what one call of `calculateLosses` returned. */
function splitTotal(total: Scalar, { calls, parts, terms }: Pass, each: boolean): LossOnTape | undefined {
  const tape = engine().state.activeTape ?? [];
  const summands: Scalar[] = [];
  let sum: Tensor = total;
  for (let entry = tape.length - 1; entry >= 0; entry -= 1) {
    const { kernelName, inputs, outputs } = tape[entry]!;
    if (outputs[0]?.id !== sum.id) continue;
    if (kernelName === 'Mean') {
      summands.reverse();
      const returned = calls.find((call) => areReturned(summands, call));
      if (!returned) return undefined;
      const added = returned.filter(({ id }) => terms.has(id));
      // What the host made of an integer to add it is disposed by now.
      const penalties = returned.filter(({ id }) => !terms.has(id)).map(asFloat);
      return {
        total,
        data: sumOf([sum as Scalar, ...added]),
        ofOutputs: sum as Scalar,
        terms: added.map(({ id }) => terms.get(id)!),
        penalties: each ? penalties.flatMap((one) => parts.get(one.id) ?? [one]) : penalties,
      };
    }
    if (kernelName === 'Add') {
      summands.push(inputs['b'] as Scalar);
      sum = inputs['a']!;
    } else if (kernelName === 'Cast') {
      sum = inputs['x']!;
    }
  }
  return undefined;
}

/** Whether some summands are what `calculateLosses` returned. To add an integer, the host casts both operands. */
function areReturned(summands: readonly Scalar[], returned: readonly Scalar[]): boolean {
  const tape = engine().state.activeTape;
  const original = (summand: Scalar): Tensor =>
    tape.find(({ kernelName, outputs }) => kernelName === 'Cast' && outputs[0] === summand)?.inputs['x'] ?? summand;
  return (
    summands.length === returned.length &&
    summands.every((summand, place) => summand === returned[place] || original(summand) === returned[place])
  );
}
