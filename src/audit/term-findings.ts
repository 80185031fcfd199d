import { actingCoefficients, className } from '../host/model/regularizers.js';
import { penaltyRule } from '../host/penalties/penalty.js';
import { isIdle } from '../regularizers/declared-regularizers.js';
import { aboutTerm, times, type AuditedModel, type AuditedTerm } from './audited-model.js';
import type { RegularizationFinding } from './report.js';

/** What is not as it looks of one regularizer on one weight: how often it counts, its coefficients, and its value. */
export function termFindings({ terms, trained, hasValues }: AuditedModel): RegularizationFinding[] {
  const active = terms.filter(({ regularizer }) => !isIdle(regularizer));
  const isChosen = penaltyRule(trained) !== undefined;
  return [
    ...active.flatMap((term) => [dropped(term, isChosen), repeated(term), frozen(term)].flat()),
    ...terms.flatMap((term) => [implausible(term), implicit(term)].flat()),
    ...(hasValues ? [...active.flatMap(atZero), ...terms.filter(disagrees).map(disagreement)] : []),
  ];
}

/** @param isChosen - Whether `enforceRegularizers` chooses the penalties: then a frozen weight that has none is meant. */
function dropped(term: AuditedTerm, isChosen: boolean): RegularizationFinding[] {
  if (term.applied > 0 || (term.frozen && isChosen)) return [];
  const where = term.recurrent
    ? 'TensorFlow.js leaves out recurrent cells'
    : 'TensorFlow.js leaves out the model around it';
  const about = { code: 'regularizer-dropped', ...aboutTerm(term) } as const;
  if (term.frozen) {
    const remedy =
      'Nothing is lost while the weight is frozen. `enforceRegularizers(model, {frozen: true})` adds the penalty as soon as ' +
      'training moves the weight.';
    return [{ ...about, severity: 'information', applied: `nothing: ${where}, and the weight is frozen`, remedy }];
  }
  const remedy =
    'Call `enforceRegularizers(model)` before training: it adds what is declared, as Keras does. ' +
    '(Or declare none and call `addWeightDecay(model, {l2: …})`.)';
  return [{ ...about, severity: 'warning', applied: `nothing: ${where}`, remedy }];
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
    ? 'The weight was freed after `compile`, and training moves it after the next only: call `model.compile(...)` again.'
    : 'It adds a constant to the loss and nothing to the gradients. `enforceRegularizers(model, {frozen: true})` ' +
      'leaves it out, as Keras 3 does.';
  const applied = `${times(term.applied)}, and training does not move the weight`;
  return [{ code: 'frozen-layer-penalized', severity: 'warning', ...aboutTerm(term), applied, remedy }];
}

/** Coefficients that do nothing or do harm. */
function implausible(term: AuditedTerm): RegularizationFinding[] {
  const about = aboutTerm(term);
  const advice = 'Pass a finite number above 0.';
  if (isIdle(term.regularizer)) {
    const remedy = `The regularizer does nothing. Leave it out. (${advice})`;
    return [{ code: 'coefficient-zero', severity: 'information', ...about, applied: 'nothing', remedy }];
  }
  const { l1 = 0, l2 = 0 } = term.coefficients ?? {};
  if (![l1, l2].every(Number.isFinite)) {
    const remedy = `The loss becomes NaN or infinite, and with it the weights. ${advice}`;
    return [{ code: 'coefficient-not-finite', severity: 'warning', ...about, remedy }];
  }
  if (l1 >= 0 && l2 >= 0) return [];
  const remedy = `The penalty falls as the weights grow. ${advice}`;
  return [{ code: 'coefficient-negative', severity: 'warning', ...about, remedy }];
}

/** What `tf.regularizers.l1l2` puts for the coefficient that it is not given. */
const IMPLICIT = 0.01;

/**
 * Both coefficients, one of them the 0.01 that `l1l2` fills in. Nothing tells it from a 0.01 that was written, so this is for
 * information only.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/regularizers.ts#L79-L80 | L1L2}
 */
function implicit(term: AuditedTerm): RegularizationFinding[] {
  if (term.coefficients === undefined || term.penalty.added || className(term.regularizer) !== 'L1L2') return [];
  const { l1, l2 } = term.coefficients;
  if (l1 === 0 || l2 === 0 || (l1 !== IMPLICIT && l2 !== IMPLICIT)) return [];
  const [filled, given] = l1 === IMPLICIT ? (['l1', 'l2'] as const) : (['l2', 'l1'] as const);
  const remedy =
    l1 === l2
      ? 'Maybe one 0.01 was never written: `l1l2` fills in 0.01 for what it is not given, where Keras has 0. For one ' +
        'penalty, use `l1({l1})` or `l2({l2})`.'
      : `Maybe ${filled} = 0.01 was never written: \`l1l2({${given}})\` fills it in, where Keras has 0. If so, use ` +
        `\`${given}({${given}: ${term.coefficients[given]}})\` or \`l1l2\` with both.`;
  return [{ code: 'implicit-coefficient', severity: 'information', ...aboutTerm(term), remedy }];
}

/** L1 where training moves a weight that has zeros: the host's derivative of `abs` is -1 there. */
function atZero(term: AuditedTerm): RegularizationFinding[] {
  const l1 = actingCoefficients(term.regularizer)?.l1 ?? 0;
  if (l1 === 0 || term.applied === 0 || term.frozen || term.penalty.kerasAbs) return [];
  const values = term.weight.read().dataSync<'float32'>();
  const zeros = values.reduce((count, value) => (value === 0 ? count + 1 : count), 0);
  if (zeros === 0) return [];
  const applied = `${times(term.applied)}, and pushes ${zeros} of ${values.length} values up from 0`;
  const remedy =
    'The derivative of |w| at 0 is -1 in TensorFlow.js and 0 in Keras. `enforceRegularizers(model)` makes it 0, so that ' +
    'these values stay until the data moves them.';
  return [{ code: 'l1-at-zero', severity: 'warning', ...aboutTerm(term), applied, remedy }];
}

/** What float32, and the order in which a backend adds, may cost a sum over millions of weights. */
const TOLERANCE = 1e-3;

/** Whether a penalty is not what the coefficients and the weights give in float64. */
function disagrees({ recomputed, value }: AuditedTerm): boolean {
  if (recomputed === undefined || value === undefined || Object.is(recomputed, value)) return false;
  return !(Math.abs(recomputed - value) <= TOLERANCE * Math.abs(recomputed));
}

function disagreement(term: AuditedTerm): RegularizationFinding {
  return {
    code: 'penalty-disagrees',
    severity: 'warning',
    ...aboutTerm(term),
    applied: `${short(term.value!)} a call, where the weights give ${short(term.recomputed!)}`,
    remedy:
      'The coefficients were changed after the regularizer was made (one that was 0 then stays off), its class was ' +
      'changed, or the penalty overflows float32. Build the model with the coefficients that you want.',
  };
}

const short = (value: number): string => String(Number(value.toPrecision(4)));
