import { tidy } from '@tensorflow/tfjs-core';
import { regularizers, type LayerVariable, type LayersModel } from '@tensorflow/tfjs-layers';
import type { Regularizer } from '../host/model/regularizers.js';
import { builtModel } from '../host/model/trained-model.js';
import { addPenalty } from '../host/penalties/closures.js';
import { appliedPenalties, layersWithPenalties } from '../host/penalties/penalties.js';
import { inspectPenalty, type PenaltySource } from '../host/penalties/penalty-sources.js';
import { ANYTHING, FLAG, NOT_NEGATIVE, checkOptions, describe } from '../util/arguments.js';
import { groupBy } from '../util/group-by.js';
import { declaredRegularizers } from './declared-regularizers.js';
import { shortName } from './penalty-groups.js';
import { placedWeights, selectWeights, type PlacedWeight, type WeightSelector } from './weight-selection.js';

/** What `addWeightDecay` takes in addition to the model. */
export interface AddWeightDecayArgs {
  /** The coefficient of the sum of absolute values. Default 0. */
  l1?: number | undefined;
  /** The coefficient of the sum of squares, as in `tf.regularizers.l2`: without the half of some papers. Default 0. */
  l2?: number | undefined;
  /**
   * Which weights. An entry that names a layer (its name, path or class) stands for the layer's kernels; one that names
   * a weight (`'bias'`, `'norm/gamma'`), and a predicate, for that weight whatever it is. Default: every `kernel`,
   * `depthwise_kernel`, `pointwise_kernel`, `recurrent_kernel` and `embeddings`.
   */
  include?: WeightSelector | WeightSelector[] | undefined;
  /** Which of these to leave out; an entry that names a layer stands for all its weights. Default: none. */
  exclude?: WeightSelector | WeightSelector[] | undefined;
  /**
   * Whether to penalise also the weights that were built with a regularizer, on top of it. Default `false`. A weight that
   * `addWeightDecay` penalises already is left alone in any case.
   */
  alsoRegularized?: boolean | undefined;
}

/** A weight, as `addWeightDecay` lists it. */
export interface DecayedWeight {
  /** The layer, after the names of the models and wrappers that it is in: `encoder/dense_1`. */
  layer: string;
  /** The weight's name within the layer, for example `kernel`. */
  weight: string;
}

/** What `addWeightDecay` did. */
export interface WeightDecay {
  /** The weights that have a penalty now, in the order of the layers. */
  added: DecayedWeight[];
  /** The chosen weights that were left as they are because they have a regularizer, or a penalty of an earlier call. */
  leftAlone: DecayedWeight[];
  /**
   * Takes the penalties away again. A second call does nothing.
   *
   * @throws Error if something else replaced the penalties since; then nothing changes.
   */
  restore(): void;
}

/**
 * Adds L1 or L2 penalties to the weights of a model that is already built or loaded: `l1 * sum(abs(weight)) +
 * l2 * sum(weight ** 2)` for each, added to the loss that `fit`, `fitDataset`, `trainOnBatch` and `trainStep` minimise,
 * as if the layers had been declared with `kernelRegularizer`.
 *
 * It also works for recurrent layers, whose declared regularizers TensorFlow.js drops. Each weight counts once a training step,
 * also that of a layer or a model that is called several times, where a declared regularizer would count each time. Frozen
 * weights are included, as TensorFlow.js does with declared ones; `exclude` the frozen layers to leave them out. The penalties
 * live on the layers: other models that train these layers add them too. Those of a shared layer are attached to an input of
 * this model instead. None is saved with the model; call this again after loading.
 *
 * This is a penalty in the loss, not the decoupled weight decay of AdamW: an adaptive optimizer scales its gradient.
 *
 * @param model - A built model. Its weights and its configuration stay as they are.
 * @param args - Coefficients and the choice of weights.
 * @throws Error if no coefficient is above 0, if the model is not built, or if an argument is unknown or an entry of
 *   `include` or `exclude` finds nothing; the model is then as it was.
 * @see {@link https://arxiv.org/abs/1711.05101 | Loshchilov and Hutter}, on the difference from decoupled weight decay.
 */
export function addWeightDecay(model: LayersModel, args: AddWeightDecayArgs): WeightDecay {
  const { l1, l2 } = checked(args);
  const trained = builtModel(model);
  const chosen = selectWeights(placedWeights(model), args.include, args.exclude);
  const regularized = regularizersByWeight(trained);
  const isLeftAlone = ({ weight }: PlacedWeight): boolean => {
    const present = regularized.get(weight) ?? [];
    return args.alsoRegularized === true
      ? present.some(({ regularizer }) => decays.has(regularizer))
      : present.length > 0;
  };
  const carriers = [...layersWithPenalties(trained)].sort(([, calls], [, others]) => calls - others);
  const fresh = chosen.filter((placed) => !isLeftAlone(placed));
  const penalties = fresh.map(({ weight, layer, path }) => {
    const own = carriers.find(([carrier, calls]) => calls === 1 && carrier.weights.includes(weight));
    const [carrier, calls] = own ?? carriers[0]!;
    const regularizer = regularizers.l1l2({ l1: l1 / calls, l2: l2 / calls });
    decays.add(regularizer);
    return addPenalty(carrier, () => regularizer.apply(weight.read()), { path, layer });
  });
  return {
    added: fresh.map(named),
    leftAlone: chosen.filter(isLeftAlone).map(named),
    restore() {
      if (penalties.some((penalty) => !penalty.isActive())) {
        throw new Error(
          `Expected the penalties that \`addWeightDecay\` added to \`${model.name}\` to be where it put them, got some ` +
            'that something else replaced since. Undo later changes first: call their `restore()` in reverse order.',
        );
      }
      penalties.splice(0).forEach((penalty) => penalty.remove());
    },
  };
}

/** The regularizers of the penalties that are weight decay. */
const decays = new WeakSet<Regularizer>();

const named = ({ path, weight }: PlacedWeight): DecayedWeight => ({ layer: path, weight: shortName(weight) });

function checked(args: AddWeightDecayArgs): { l1: number; l2: number } {
  checkOptions('addWeightDecay', args, {
    l1: NOT_NEGATIVE,
    l2: NOT_NEGATIVE,
    include: ANYTHING,
    exclude: ANYTHING,
    alsoRegularized: FLAG,
  });
  const { l1 = 0, l2 = 0 } = args;
  if (l1 === 0 && l2 === 0) {
    throw new Error(`Expected \`l1\` or \`l2\` to be above 0, got ${describe(args)}. Pass {l2: 1e-4}, for example.`);
  }
  return { l1, l2 };
}

/** The regularizers on each weight: those that training adds, and those that a layer or a cell declares without effect. */
function regularizersByWeight(trained: LayersModel): Map<LayerVariable, PenaltySource[]> {
  const computed = appliedPenalties(trained).filter(({ closure }) => closure === undefined);
  const found: PenaltySource[] = [...declaredRegularizers(trained)];
  tidy(() => found.push(...computed.flatMap((penalty) => inspectPenalty(penalty).source ?? [])));
  return groupBy(found, ({ weight }) => weight);
}
