import { Sequential } from '@tensorflow/tfjs-layers';
import { givenLearningRate, hostFactory } from '../host/model/optimizer.js';
import { layerNames, layersBeside, placesInModel } from '../host/model/walk.js';
import { movedWeights, trainableAtCompile } from '../host/model/weights.js';
import { appliedPenalties } from '../host/penalties/penalties.js';
import { LossTerm } from '../loss/loss-term.js';
import { shortName } from '../regularizers/penalty-groups.js';
import { isKernel } from '../regularizers/weight-selection.js';
import { describe } from '../util/arguments.js';
import { aboutTerm, times, type AuditedModel } from './audited-model.js';
import type { RegularizationFinding } from './report.js';

/** What a finding is about that is not about one regularizer. */
const aboutModel = (layer: string): Pick<RegularizationFinding, 'layer' | 'weight' | 'penalty'> => ({
  layer,
  weight: null,
  penalty: null,
});

/** What is not as it looks of a model as a whole. */
export const modelFindings = (audited: AuditedModel): RegularizationFinding[] => [
  ...optimizerFindings(audited),
  ...trainableFindings(audited),
  ...sequentialFindings(audited),
  ...kernelFindings(audited),
  ...lossTermFindings(audited),
];

const CLIPPING = /^_?(global_?)?clip_?(norm|value)$/i;

/** What the model's optimizer shows: one of the host's own that cannot train, or that is asked for what it does not do. */
function optimizerFindings({ model, trained }: AuditedModel): RegularizationFinding[] {
  const { optimizer } = trained;
  const factory = optimizer == null ? undefined : hostFactory(optimizer);
  if (factory === undefined) return [];
  const about = aboutModel(model.name);
  const rate = givenLearningRate(optimizer);
  const { momentum } = optimizer as { momentum?: number };
  const meant = [meantRate(rate), ...(factory === 'momentum' ? [momentum] : [])];
  const asked = Object.entries(optimizer).find(([name, value]) => CLIPPING.test(name) && value != null);
  const found: RegularizationFinding[] = [];
  if (!Number.isFinite(-(rate as number))) {
    found.push({
      ...about,
      code: 'learning-rate-not-a-number',
      severity: 'warning',
      declared: `learning rate: ${describe(rate)}`,
      applied: 'weights that are NaN from the first step on, or an error',
      remedy:
        `\`tf.train.${factory}\` takes the learning rate itself, and no object: compile the model again with ` +
        `\`optimizer: tf.train.${factory}(${meant.join(', ')})\`, and set or load its weights anew if it was trained.`,
    });
  }
  if (asked !== undefined) {
    found.push({
      ...about,
      code: 'clipping-ignored',
      severity: 'warning',
      declared: `${asked[0]}: ${describe(asked[1])}`,
      applied: 'nothing: TensorFlow.js clips no gradients',
      remedy:
        `Take it out: \`delete model.optimizer.${asked[0]}\`. To clip, take the gradients with ` +
        '`lossAndGradients(model, x, y)`, clip them, and hand them to `model.optimizer.applyGradients`.',
    });
  }
  return found;
}

/** The number that was meant, where it is in an object. */
function meantRate(rate: unknown): number {
  const inside = typeof rate === 'object' && rate !== null ? Object.values(rate) : [];
  return inside.find((value): value is number => typeof value === 'number' && Number.isFinite(value)) ?? 0.001;
}

/**
 * Layers whose weights were frozen, or freed, after `compile`.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/container.ts#L540-L547 | Container.trainable},
 * which does not freeze the weights of its layers, so that training goes on to move them.
 */
function trainableFindings({ trained, weights }: AuditedModel): RegularizationFinding[] {
  const collected = trainableAtCompile(trained);
  if (collected === undefined) return [];
  const [atCompile, now, moved] = [new Set(collected), new Set(trained.trainableWeights), movedWeights(trained)];
  const changed = weights.filter(({ weight }) => atCompile.has(weight) !== now.has(weight));
  const nameOf = layerNames(trained);
  const byLayer = new Map(
    changed.map(({ layer, path, weight }) => [
      nameOf({ layer, path }),
      { isTrainable: now.has(weight), isMoved: moved.has(weight) },
    ]),
  );
  return [...byLayer].map(([name, { isTrainable, isMoved }]) => ({
    ...aboutModel(name),
    code: 'trainable-changed',
    severity: isTrainable === isMoved ? 'information' : 'warning',
    declared: `trainable: ${isTrainable}, set after \`compile\``,
    applied: isMoved
      ? 'trained until the next `compile`'
      : isTrainable
        ? 'frozen until the next `compile`'
        : 'frozen, and still in the list of `compile`',
    remedy:
      'Call `model.compile(...)` again, with a new optimizer: one that is used without a list of variables, as in ' +
      '`optimizer.minimize(loss)`, keeps its moments by place, and they would shift to other weights.',
  }));
}

/**
 * Terms that training adds and that the `Sequential` itself does not list, because a `Sequential` within it was flattened
 * in the model that it trains.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L504-L506 | Sequential.add}
 */
function sequentialFindings({ model, trained, terms }: AuditedModel): RegularizationFinding[] {
  if (model === trained) return [];
  const listed = new Set(appliedPenalties(model).map(({ key }) => key));
  const flattened = new Set(
    model.layers.flatMap((layer) =>
      layer instanceof Sequential ? placesInModel(layer, false).map((place) => place.layer) : [],
    ),
  );
  return terms
    .filter(({ applied, penalty, owner }) => applied > 0 && !listed.has(penalty.key) && flattened.has(owner))
    .map((term) => ({
      code: 'nested-sequential-mismatch',
      severity: 'information',
      ...aboutTerm(term),
      applied: `${times(term.applied)}, but \`model.calculateLosses()\` lacks it`,
      remedy:
        'Training is right. Read penalties with `regularizationTerms(model)`; where this model becomes a layer of another, ' +
        'TensorFlow.js drops the term: call `enforceRegularizers` on the other.',
    }));
}

/** Kernels that training moves and nothing penalises, in a model where other kernels are penalised. */
function kernelFindings({ trained, termsOn, weights, opaque }: AuditedModel): RegularizationFinding[] {
  const kernels = weights.filter(isKernel);
  if (!kernels.some(({ weight }) => termsOn.has(weight))) return [];
  const moved = new Set(trained.trainableWeights);
  return kernels
    .filter(
      ({ weight, around }) =>
        !termsOn.has(weight) && moved.has(weight) && !around.some(({ layer }) => opaque.has(layer)),
    )
    .map(({ path, weight }) => ({
      ...aboutModel(path),
      code: 'kernel-without-regularizer',
      severity: 'information',
      weight: shortName(weight),
      declared: 'none',
      applied: 'nothing',
      remedy: 'If that is not meant, call `addWeightDecay(model, {l2: …})`, or give the layer a regularizer.',
    }));
}

/**
 * Terms of the data loss that training does not add: those that were loaded without their functions, which is all that a file can
 * hold, and those that no output depends on, which another model may contain.
 */
function lossTermFindings({ trained, hasValues }: AuditedModel): RegularizationFinding[] {
  const nameOf = layerNames(trained);
  const lost = placesInModel(trained).filter(({ layer }) => layer instanceof LossTerm && layer.isLost);
  const beside = layersBeside(trained).filter((layer) => layer instanceof LossTerm);
  return [
    ...[...new Set(lost.map(nameOf))].map((name) => ({
      ...aboutModel(name),
      code: 'loss-term-without-function' as const,
      severity: hasValues ? ('warning' as const) : ('information' as const),
      declared: 'a `lossTerm`, whose function no file holds',
      applied: 'nothing',
      remedy: 'Build the model anew with `lossTerm`, and set its weights to those of the loaded one.',
    })),
    ...beside.map(({ name }) => ({
      ...aboutModel(name),
      code: 'loss-term-unconnected' as const,
      severity: 'information' as const,
      declared: 'a `lossTerm` on tensors of this model',
      applied: 'nothing: no output of this model depends on it',
      remedy: 'If that is not meant, go on with what the layer returns: it is its first input.',
    })),
  ];
}

/** A model without any penalty: maybe its regularizers were spelled in a way that the host ignores. */
export function noRegularizer({ model, trained, terms, weights }: AuditedModel): RegularizationFinding[] {
  const moved = new Set(trained.trainableWeights);
  const hasKernel = weights.some((placed) => isKernel(placed) && moved.has(placed.weight));
  if (terms.length > 0 || !hasKernel || appliedPenalties(trained).length > 0) return [];
  return [
    {
      ...aboutModel(model.name),
      code: 'no-regularizer',
      severity: 'information',
      declared: 'none',
      applied: 'nothing',
      remedy:
        'If you gave one, see how it is spelled: TensorFlow.js ignores options that it does not know, such as ' +
        '`kernel_regularizer`. It takes `kernelRegularizer: tf.regularizers.l2({l2: 0.01})`; for the built model, call ' +
        '`addWeightDecay(model, {l2: 0.01})`.',
    },
  ];
}
