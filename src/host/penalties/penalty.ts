import { mul, tidy, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Layer } from '../model/model.js';
import { shared } from '../patch.js';

/** A scalar that was computed of a penalty; `source` is the same for all that come from one penalty. */
export interface PenaltyNote {
  source: unknown;
  scalar: Scalar;
}

/** The notes of those who trace penalties now. */
const traces = shared<PenaltyNote[][]>('penalty-traces', () => []);

/** Tells those who trace penalties that a scalar was computed of some, whichever model they were computed for. */
export function notePenalties(sources: readonly unknown[], scalar: Scalar): void {
  for (const notes of traces) for (const source of sources) notes.push({ source, scalar });
}

/** Runs something, and collects what was computed of penalties meanwhile. */
export function collectNotes<T>(run: () => T): { value: T; notes: readonly PenaltyNote[] } {
  const notes: PenaltyNote[] = [];
  traces.push(notes);
  try {
    return { value: run(), notes };
  } finally {
    traces.splice(traces.lastIndexOf(notes), 1);
  }
}

/** One call of one penalty: on a weight, on activations, or a loss that was added by hand. */
export interface Penalty {
  /** A `term` belongs to the data loss; it is here because the host adds it in the same way. */
  kind: 'penalty' | 'activity' | 'term';
  /** Names of the nested models, wrappers and the layer, joined by `/`. */
  path: string;
  /** The layer or cell whose weight or activations are penalised. */
  layer: Layer;
  /** Whether the layer is the cell or a direction of a recurrent one. */
  recurrent: boolean;
  /** Whether a wrapper, or a model with several outputs, may call the layer several times for one call of the model. */
  isRepeated: boolean;
  /** Whether it was added to a built model. */
  added: boolean;
  /** The host's own function; none where a layer computes its penalties by a method of its own. */
  closure: (() => Scalar) | undefined;
  /** Equal for the calls of one penalty only; a layer that is called k times has k calls with the same key. */
  key: unknown;
  /** Whether the derivative of `abs` at 0 is Keras's 0 for it, and not the host's -1. */
  kerasAbs: boolean;
  /** What it is multiplied by, read when it is computed: 1 where nothing changes that. */
  factor(): number;
  /** The penalty as it is declared, at the current weights, without the factor: a scalar of the active scope. */
  declared(): Scalar;
  /** The penalty at the current weights, coefficient and factor included: a scalar of the active scope. */
  value(): Scalar;
}

/** Whether something that the host adds belongs to the penalties, and not to the data loss. */
export const isPenalty = ({ kind }: Penalty): boolean => kind !== 'term';

/** What notes of what was computed of a penalty have as their source: its function, also where several layers have that. */
export const sourceOfNotes = ({ closure, key }: Pick<Penalty, 'closure' | 'key'>): unknown => closure ?? key;

/** How a model adds its penalties up, where that is changed. */
export function penaltySumOf(model: LayersModel): PenaltySum | undefined {
  const sum = inForce(model, 'sum');
  return (
    sum &&
    ((penalties, each) => {
      const added = sum(penalties, each);
      notePenalties(penalties.map(sourceOfNotes), added.sum);
      return added;
    })
  );
}

/** What is to be said of a penalty before its factor is known. */
export type DeclaredPenalty = Omit<Penalty, 'factor' | 'value'>;

/**
 * Chooses the penalties of a model instead of the host: made anew each time, and asked for each penalty that the layers declare,
 * in their order. Terms are not its concern.
 */
export type PenaltyRule = () => (declared: Penalty) => Penalty | undefined;

/** Adds penalties up: one scalar that carries the gradients of all; `parts`, kept, are the penalties by themselves. */
export type PenaltySum = (penalties: readonly Penalty[], each: boolean) => { sum: Scalar; parts: Scalar[] };

/** What a model adds as its penalties, instead of what the host adds. The last rule and sum act, and all factors. */
export interface PenaltyChange {
  rule?: PenaltyRule;
  sum?: PenaltySum;
  /** What each penalty is multiplied by, read when it is computed. */
  factor?: () => number;
}

/** What is in force, by the model that adds the penalties. */
export const changes = shared('changes', () => new WeakMap<LayersModel, Set<PenaltyChange>>());

/** The last change of a kind that is in force. */
const inForce = <K extends 'rule' | 'sum'>(model: LayersModel, kind: K): PenaltyChange[K] =>
  [...(changes.get(model) ?? [])].filter((change) => change[kind] !== undefined).at(-1)?.[kind];

/** The rule that chooses the penalties of a model; `undefined` where the host's own choice is in force. */
export const penaltyRule = (model: LayersModel): PenaltyRule | undefined => inForce(model, 'rule');

const factorOf = (model: LayersModel): number =>
  [...(changes.get(model) ?? [])].reduce((product, { factor }) => product * (factor?.() ?? 1), 1);

/** A penalty with the factor of a model that adds it, times those of the models within that. */
export const scaled = (model: LayersModel, penalty: Penalty): Penalty =>
  withFactor(penalty, () => penalty.factor() * factorOf(model));

export function withFactor(penalty: DeclaredPenalty, factor: () => number): Penalty {
  const value = (): Scalar => {
    const now = factor();
    return now === 1 ? penalty.declared() : tidy(() => mul(penalty.declared(), now));
  };
  return { ...penalty, factor, value };
}
