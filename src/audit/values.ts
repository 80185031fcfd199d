import type { AuditedModel, AuditedTerm } from './audited-model.js';
import { aboutTerm, type RegularizationFinding } from './finding.js';

/** What float32, and the order in which a backend adds, may cost a sum over millions of weights. */
const TOLERANCE = 1e-3;

/** Penalties that are not what the coefficients and the weights give in float64. */
export function valueFindings({ terms }: AuditedModel): RegularizationFinding[] {
  return terms.filter(disagrees).map((term) => ({
    code: 'penalty-disagrees',
    severity: 'warning',
    ...aboutTerm(term),
    applied: `${short(term.value!)} a call, where the weights give ${short(term.recomputed!)}`,
    remedy:
      'The coefficients were changed after the regularizer was made (one that was 0 then stays off), its class was ' +
      'changed, or the penalty overflows float32. Build the model with the coefficients that you want.',
  }));
}

function disagrees({ recomputed, value }: AuditedTerm): boolean {
  if (value === undefined || recomputed === undefined || Object.is(recomputed, value)) return false;
  return !(Math.abs(recomputed - value) <= TOLERANCE * Math.abs(recomputed));
}

const short = (value: number): string => String(Number(value.toPrecision(4)));
