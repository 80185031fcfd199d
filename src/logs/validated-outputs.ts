import { clone, dispose, keep, type Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { evaluatedLosses } from '../host/evaluated-values.js';
import { watchEvaluations, type EvaluationWatch } from '../host/evaluation.js';

/**
 * Watches the validations of a run for the data loss, and then, of several outputs, the loss of each, which the caller disposes. The
 * host computes all of them, but its logs have them under the names of others, without the last ones, or the one under the name
 * of the other.
 *
 * @param model - The model that is trained; it is watched until the watch ends.
 */
export const watchValidatedOutputs = (model: LayersModel): EvaluationWatch<Scalar[]> =>
  watchEvaluations<Scalar[]>(model, {
    begin: () => [],
    onEnd: (taken, values) => void taken.push(...evaluatedLosses(model, values).map((loss) => keep(clone(loss)))),
    discard: dispose,
  });
