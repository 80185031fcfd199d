import { className } from '../host/regularizers.js';
import type { AuditedModel, AuditedTerm } from './audited-model.js';
import { aboutTerm, type RegularizationFinding } from './finding.js';

/** What `tf.regularizers.l1l2` puts for the coefficient that it is not given. */
const IMPLICIT = 0.01;

/** Coefficients that do nothing, do harm, or were perhaps never written. */
export function coefficientFindings({ terms }: AuditedModel): RegularizationFinding[] {
  return terms.flatMap((term) => [implausible(term), implicit(term)].flat());
}

function implausible(term: AuditedTerm): RegularizationFinding[] {
  if (term.coefficients === undefined) return [];
  const { l1, l2 } = term.coefficients;
  const about = aboutTerm(term);
  const advice = 'Pass a finite number above 0 to `tf.regularizers`.';
  if (![l1, l2].every(Number.isFinite)) {
    const remedy = `The loss becomes NaN or infinite, and with it the weights. ${advice}`;
    return [{ code: 'coefficient-not-finite', severity: 'warning', ...about, remedy }];
  }
  if (l1 < 0 || l2 < 0) {
    const remedy = `The penalty falls as the weights grow. ${advice}`;
    return [{ code: 'coefficient-negative', severity: 'warning', ...about, remedy }];
  }
  if (l1 !== 0 || l2 !== 0) return [];
  const remedy = `The regularizer does nothing. Leave it out. (${advice})`;
  return [{ code: 'coefficient-zero', severity: 'information', ...about, applied: 'nothing', remedy }];
}

/**
 * Both coefficients, one of them the 0.01 that `l1l2` fills in: nothing tells it from a 0.01 that was written. Where both
 * are 0.01, that is what `l1l2()` says it does.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/regularizers.ts#L79-L80 | L1L2}
 */
function implicit(term: AuditedTerm): RegularizationFinding[] {
  if (term.coefficients === undefined || term.penalty.added || className(term.regularizer) !== 'L1L2') return [];
  const { l1, l2 } = term.coefficients;
  if (l1 === 0 || l2 === 0 || (l1 !== IMPLICIT && l2 !== IMPLICIT)) return [];
  const both = l1 === l2;
  const [filled, given] = l1 === IMPLICIT ? (['l1', 'l2'] as const) : (['l2', 'l1'] as const);
  const remedy = both
    ? 'Maybe one 0.01 was never written: `l1l2` fills in 0.01 for what it is not given, where Keras has 0. For one ' +
      'penalty, use `l1({l1})` or `l2({l2})`.'
    : `Maybe ${filled} = 0.01 was never written: \`l1l2({${given}})\` fills it in, where Keras has 0. If so, use ` +
      `\`${given}({${given}: ${term.coefficients[given]}})\` or \`l1l2\` with both.`;
  return [{ code: 'implicit-coefficient', severity: both ? 'information' : 'warning', ...aboutTerm(term), remedy }];
}
