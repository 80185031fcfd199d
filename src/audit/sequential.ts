import { Sequential } from '@tensorflow/tfjs-layers';
import { appliedPenalties } from '../host/penalties.js';
import { placesInModel } from '../host/walk.js';
import type { AuditedModel } from './audited-model.js';
import { aboutTerm, times, type RegularizationFinding } from './finding.js';

/**
 * Terms that training adds and that the `Sequential` itself does not list, because a `Sequential` within it was flattened
 * in the model that it trains.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L504-L506 | Sequential.add}
 */
export function sequentialFindings({ model, trained, terms }: AuditedModel): RegularizationFinding[] {
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
