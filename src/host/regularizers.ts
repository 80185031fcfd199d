import { serialization, tidy, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import { initializers, layers, regularizers } from '@tensorflow/tfjs-layers';
import { subjectOf } from './added-penalties.js';
import type { Layer } from './model.js';
import { RANK, patch, shared } from './patch.js';
import type { Penalty } from './penalties.js';

/** A regularizer, the host's or a custom class; the host requires no more of it. */
export interface Regularizer {
  apply(weight: Tensor): Scalar;
  getConfig?(): { l1?: number; l2?: number };
  /** The name of its class in a saved model. */
  getClassName?(): string;
}

/** The name that the host saves a regularizer under, which a minifier leaves alone. */
export const className = (regularizer: Regularizer): string =>
  regularizer.getClassName?.() ?? regularizer.constructor.name;

/** The class of `tf.regularizers.l1`, `l2` and `l1l2`, which the host does not export. */
export const L1L2 = regularizers.l1l2().constructor as {
  new (args?: { l1?: number; l2?: number }): Regularizer & serialization.Serializable;
  readonly prototype: Regularizer;
  fromConfig: serialization.FromConfigMethod<serialization.Serializable>;
};

/**
 * The class that the host makes of a class name in a saved model.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/serialization.ts#L114-L141 | SerializationMap}
 */
export const registeredClass = (name: string): object | undefined =>
  serialization.SerializationMap.getMap().classNameMap[name]?.[0];

/** What a layer holds of a regularizer that it was given, by the name of the argument: `kernelRegularizer`. */
export const heldRegularizer = (layer: Layer, argument: string): unknown =>
  (layer as unknown as { [member: string]: unknown })[argument];

/**
 * What every regularizer of the host is derived from, which the host does not export; it accepts no others in a layer.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/regularizers.ts#L132-L147 | getRegularizer}
 */
export const RegularizerBase = Object.getPrototypeOf(L1L2) as {
  new (): Regularizer & serialization.Serializable;
  fromConfig: serialization.FromConfigMethod<serialization.Serializable>;
};

/**
 * The coefficients of one of the host's own regularizers, also under another name: a derived class with the same
 * penalty. `undefined` for any other class.
 */
export function coefficients(regularizer: Regularizer): { l1: number; l2: number } | undefined {
  if (!(regularizer instanceof L1L2) || regularizer.apply !== L1L2.prototype.apply) return undefined;
  const { l1 = 0, l2 = 0 } = regularizer.getConfig!();
  return { l1, l2 };
}

/**
 * As `coefficients`, those that act: one that was 0 when the regularizer was made stays so, whatever is assigned.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/regularizers.ts#L74-L77 | L1L2}
 */
export function actingCoefficients(regularizer: Regularizer): { l1: number; l2: number } | undefined {
  const known = coefficients(regularizer);
  const { hasL1, hasL2 } = regularizer as unknown as { hasL1: boolean; hasL2: boolean };
  return known && { l1: hasL1 ? known.l1 : 0, l2: hasL2 ? known.l2 : 0 };
}

/** What a penalty was declared as: a regularizer on a weight. */
export interface PenaltySource {
  regularizer: Regularizer;
  weight: Layer['weights'][number];
}

/**
 * Computes a penalty, without its factor, and finds the regularizer and the weight that it comes from: the host closes over both, so it watches
 * the `apply` of every regularizer that the layer may use meanwhile.
 *
 * @returns The value, which the caller disposes, and its source; `null` for one on activations or a loss that was added by
 *   hand.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/topology.ts#L1293-L1295 | Layer.addWeight}
 */
export function inspectPenalty({ layer, declared }: Penalty): { value: Scalar; source: PenaltySource | null } {
  const applied: Array<{ regularizer: Regularizer; argument: Tensor; result: Scalar }> = [];
  const releases = applyOwners(layer).map((owner) =>
    patch(
      owner,
      'apply',
      RANK.watch,
      (apply) =>
        function (this: Regularizer, argument) {
          const result = apply.call(this, argument);
          applied.push({ regularizer: this, argument, result });
          return result;
        },
    ),
  );
  try {
    const computed = declared();
    const origin = applied.find(({ result }) => result === computed);
    const weight = layer.weights.find((candidate) => candidate.read() === origin?.argument);
    const source = origin && weight ? { regularizer: origin.regularizer, weight } : null;
    return { value: computed, source };
  } finally {
    releases.forEach((release) => release());
  }
}

const sources = shared('sources', () => new WeakMap<() => Scalar, PenaltySource | null>());

/**
 * The regularizer and the weight that a penalty comes from; `null` where there are none, or only its layer knows. Nothing is
 * computed for it but a loss that was added by hand, and that once in its life.
 */
export function sourceOf(penalty: Penalty): PenaltySource | null {
  const { closure, kind, layer } = penalty;
  if (closure === undefined || kind === 'activity') return null;
  if (isOfRegularizer(closure)) {
    const found: Array<PenaltySource | null> = [];
    tidy(() => {
      const [one] = withStub(applyOwners(layer), (ask) => [ask(closure)]);
      const weight = layer.weights.find((candidate) => candidate.read() === one?.weight);
      found.push(one && weight ? { regularizer: one.regularizer, weight } : null);
    });
    return found[0]!;
  }
  const known = sources.get(closure);
  if (known !== undefined) return known;
  const found: Array<PenaltySource | null> = [];
  tidy(() => void found.push(inspectPenalty(penalty).source));
  sources.set(closure, found[0]!);
  return found[0]!;
}

/** A regularizer, and the tensor that it is to be applied to. */
export interface Application {
  regularizer: Regularizer;
  weight: Tensor;
}

/**
 * What penalties are, before they are computed: for one that only applies one of the host's own regularizers the application,
 * which is still to be made, for any other its value, without the factor.
 */
export const unappliedPenalties = (penalties: readonly Penalty[]): Array<Application | Scalar> =>
  withStub([L1L2.prototype], (ask) =>
    penalties.map(({ closure, kind, declared }) => {
      if (closure === undefined || kind === 'activity' || !isOfRegularizer(closure)) return declared();
      const results: Scalar[] = [];
      const application = ask(() => {
        results.push(declared());
        return results[0]!;
      });
      return application ?? results[0]!;
    }),
  );

/** What `apply` returns while it is only noted. */
const UNAPPLIED = {} as Scalar;

/** Asks which regularizer a penalty applies to what; `undefined` where it computed something else. */
type Ask = (penalty: () => Scalar) => Application | undefined;

/**
 * While `run` asks for penalties, the `apply` of some classes only notes what it is called with. To be asked of penalties that
 * return what `apply` returns.
 *
 * @param owners - Where `apply` is defined for those classes.
 */
function withStub<T>(owners: readonly Regularizer[], run: (ask: Ask) => T): T {
  let isAsking = false;
  let noted: Application | undefined;
  const releases = owners.map((owner) =>
    patch(
      owner,
      'apply',
      RANK.watch,
      (apply) =>
        function (this: Regularizer, weight) {
          // A derived class that calls `super.apply` computes with the result.
          if (!isAsking || this.apply !== owner.apply) return apply.call(this, weight);
          noted = { regularizer: this, weight };
          return UNAPPLIED;
        },
    ),
  );
  try {
    return run((penalty) => {
      noted = undefined;
      isAsking = true;
      try {
        return penalty() === UNAPPLIED ? noted : undefined;
      } finally {
        isAsking = false;
      }
    });
  } finally {
    releases.forEach((release) => release());
  }
}

/**
 * Whether a penalty only applies a regularizer to a weight, and returns what that gives: those that `addPenalty` made, and those
 * that the host makes, all from one line of code, by which they are known. A loss that was added by hand may have the same
 * text, and another regularizer or weight at each step: so what they are is to be asked anew each time.
 */
export const isOfRegularizer = (closure: () => Scalar): boolean =>
  subjectOf(closure) !== undefined || String(closure) === (hostCode ??= findHostCode());

let hostCode: string | undefined;

/** Makes a weight under a name of its own, and of zeros: the user's automatic names are counted, and random values are drawn. */
function findHostCode(): string {
  const name = 'tfjs_decomposed_loss_probe';
  const layer = layers.activation({ name, activation: 'linear' }) as unknown as WeightMaker;
  layer.addWeight(name, [], 'float32', initializers.zeros(), regularizers.l2()).dispose();
  return String(layer.losses[0]);
}

/** A layer with the method by which it makes its weights, which is protected in the host's types. */
interface WeightMaker extends Pick<Layer, 'losses'> {
  addWeight(
    name: string,
    shape: readonly number[],
    dtype: 'float32',
    initializer: ReturnType<typeof initializers.zeros>,
    regularizer: Regularizer,
  ): Layer['weights'][number];
}

/** Where `apply` is defined for the regularizers that a layer may use: their classes, or the objects themselves. */
function applyOwners(layer: Layer): Regularizer[] {
  const candidates = Object.values(layer as object).filter(
    (member): member is Regularizer =>
      typeof member === 'object' && member !== null && 'apply' in member && !(member instanceof layers.Layer),
  );
  return [...new Set([L1L2.prototype, ...candidates.map((candidate) => ownerOfApply(candidate))])];
}

const ownerOfApply = (object: Regularizer): Regularizer =>
  Object.hasOwn(object, 'apply') ? object : ownerOfApply(Object.getPrototypeOf(object) as Regularizer);
