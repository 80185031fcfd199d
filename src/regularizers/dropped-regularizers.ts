import type { LayersModel } from '@tensorflow/tfjs-layers';
import { builtModel } from '../host/model/trained-model.js';
import { movedWeights } from '../host/model/weights.js';
import { shared } from '../host/patch.js';
import { isOfRegularizer } from '../host/penalties/closures.js';
import { appliedPenalties, declaredPenalties } from '../host/penalties/penalties.js';
import { sourceOf, type PenaltySource } from '../host/penalties/penalty-sources.js';
import { penaltyRule, type Penalty, type PenaltyRule } from '../host/penalties/penalty.js';
import { distinct, isIdle, regularizerText } from './declared-regularizers.js';
import { shortName } from './penalty-groups.js';

/** The models that were looked at, with the rule that chose their penalties then. */
const checked = shared('checked', () => new WeakMap<object, PenaltyRule | undefined>());

/** What a warning was given of, by what tells the penalty from others. */
const warned = shared('warned', () => new WeakSet());

/** How many regularizers a warning names. */
const MOST_NAMES = 6;

/**
 * Warns where a model declares regularizers that training does not apply, by name and with the remedy: once for the same
 * regularizers, whoever asks, also after the model is compiled again. A model is looked at when it comes for the first time and
 * when `enforceRegularizers` was called or undone since; otherwise this is a look-up.
 *
 * Silent where the weight is frozen, where the coefficients are 0, and where `enforceRegularizers` is in force, which chose what
 * it leaves out.
 *
 * @param model - A built model. Only read; nothing is computed.
 */
export function warnOfDroppedRegularizers(model: LayersModel): void {
  const trained = builtModel(model);
  const rule = penaltyRule(trained);
  if (checked.has(trained) && checked.get(trained) === rule) return;
  checked.set(trained, rule);
  if (rule !== undefined) return;
  const dropped = droppedRegularizers(trained);
  if (!dropped.some(({ penalty }) => !warned.has(penalty.key as object))) return;
  dropped.forEach(({ penalty }) => warned.add(penalty.key as object));
  console.warn(warning(model, dropped));
}

interface DroppedRegularizer extends PenaltySource {
  penalty: Penalty;
}

/** Of what the host made only: a loss that was added by hand would have to be computed to tell what it is. */
function droppedRegularizers(trained: LayersModel): DroppedRegularizer[] {
  const applied = new Set(appliedPenalties(trained).map(({ key }) => key));
  const moved = movedWeights(trained);
  return distinct(declaredPenalties(trained)).flatMap(({ penalty }) => {
    const { closure, key } = penalty;
    if (applied.has(key) || !isOfRegularizer(closure)) return [];
    const source = sourceOf(penalty);
    return source && moved.has(source.weight) && !isIdle(source.regularizer) ? [{ ...source, penalty }] : [];
  });
}

function warning({ name }: LayersModel, dropped: readonly DroppedRegularizer[]): string {
  const names = dropped.map(
    ({ penalty, weight, regularizer }) => `\`${penalty.path}/${shortName(weight)}\` (${regularizerText(regularizer)})`,
  );
  const rest = names.length - MOST_NAMES;
  const list = [...names.slice(0, MOST_NAMES), ...(rest > 0 ? [`${rest} more`] : [])].join(', ');
  const count = names.length === 1 ? 'a regularizer' : `${names.length} regularizers`;
  return (
    `\`${name}\` declares ${count} that training does not apply: ${list}. TensorFlow.js leaves out those of recurrent ` +
    'cells and of some nested models. Call `enforceRegularizers(model)` of tfjs-decomposed-loss/regularizers before ' +
    'training, which adds them as Keras does; `auditRegularizers(model)` says more, and `warn: false` silences this.'
  );
}
