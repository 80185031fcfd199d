import type { AuditedModel, AuditedTerm } from './audited-model.js';
import { aboutTerm, times, type RegularizationFinding } from './finding.js';

/** Regularizers whose penalty training adds less or more often than once, or adds for weights that it does not move. */
export function countFindings({ terms }: AuditedModel): RegularizationFinding[] {
  const active = terms.filter(({ coefficients }) => coefficients?.l1 !== 0 || coefficients.l2 !== 0);
  return active.flatMap((term) => [dropped(term), repeated(term), frozen(term)].flat());
}

/** A weight that rests and has no penalty is as it should be: Keras 3 adds none. */
function dropped(term: AuditedTerm): RegularizationFinding[] {
  if (term.applied > 0 || term.frozen) return [];
  const where = term.recurrent
    ? 'TensorFlow.js does not ask recurrent cells'
    : 'TensorFlow.js does not ask the model around it';
  const remedy =
    'Call `enforceRegularizers(model)` before training: it adds what is declared, as Keras does. ' +
    '(Or declare none and call `addWeightDecay(model, {l2: …})`.)';
  return [
    { code: 'regularizer-dropped', severity: 'warning', ...aboutTerm(term), applied: `nothing: ${where}`, remedy },
  ];
}

function repeated(term: AuditedTerm): RegularizationFinding[] {
  if (term.applied < 2) return [];
  const remedy =
    'Call `enforceRegularizers(model)`, which adds it once, as Keras does, ' +
    'or divide the coefficient by the number of calls.';
  const applied = `${times(term.applied)}: once a call`;
  return [{ code: 'penalty-counted-repeatedly', severity: 'warning', ...aboutTerm(term), applied, remedy }];
}

function frozen(term: AuditedTerm): RegularizationFinding[] {
  if (term.applied === 0 || !term.frozen) return [];
  const remedy = term.movable
    ? 'The weight was freed after `compile` and rests until the next: call `model.compile(...)` again.'
    : 'It adds a constant to the loss and nothing to the gradients. `enforceRegularizers(model, {frozen: true})` ' +
      'leaves it out, as Keras 3 does.';
  const applied = `${times(term.applied)}, and the weight rests`;
  return [{ code: 'frozen-layer-penalized', severity: 'warning', ...aboutTerm(term), applied, remedy }];
}
