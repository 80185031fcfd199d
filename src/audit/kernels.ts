import { shortName } from '../regularizers/penalty-groups.js';
import { isKernel } from '../regularizers/weight-selection.js';
import type { AuditedModel } from './audited-model.js';
import type { RegularizationFinding } from './finding.js';

/** Kernels that training moves and nothing penalises, in a model where other kernels are penalised. */
export function kernelFindings({ trained, terms, weights, opaque }: AuditedModel): RegularizationFinding[] {
  const penalized = new Set(terms.map(({ weight }) => weight));
  const kernels = weights.filter(isKernel);
  if (!kernels.some(({ weight }) => penalized.has(weight))) return [];
  const moved = new Set(trained.trainableWeights);
  return kernels
    .filter(
      ({ weight, around }) =>
        !penalized.has(weight) && moved.has(weight) && !around.some(({ layer }) => opaque.has(layer)),
    )
    .map(({ path, weight }) => ({
      code: 'kernel-without-regularizer',
      severity: 'information',
      layer: path,
      weight: shortName(weight),
      declared: 'none',
      applied: 'nothing',
      remedy: 'If that is not meant, call `addWeightDecay(model, {l2: …})`, or give the layer a regularizer.',
      penalty: null,
    }));
}
