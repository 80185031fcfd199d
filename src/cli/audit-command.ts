import { auditTopology } from '../audit/audit-regularizers.js';
import type { RegularizationAudit } from '../audit/report.js';
import { LayerFailure, modelWithoutWeights } from '../host/saved-topology.js';
import { registerActivityRegularization } from '../regularizers/activity-regularization.js';
import { registerKerasClasses } from '../regularizers/keras-classes.js';
import { checkTopology } from './layers.js';
import { readTopology } from './model-json.js';
import { normalizedTopology } from './topology.js';
import { UnusableInput, named, reason } from './unusable.js';

/**
 * Audits a saved model by its topology alone.
 *
 * @param path - Of its model.json.
 * @throws UnusableInput with a plain sentence if there is no such model.
 */
export async function auditSavedModel(path: string): Promise<RegularizationAudit> {
  registerKerasClasses();
  registerActivityRegularization();
  const topology = normalizedTopology(path, readTopology(path));
  checkTopology(path, topology);
  try {
    const { model, dispose } = await modelWithoutWeights(topology);
    try {
      return auditTopology(model, topology);
    } finally {
      dispose();
    }
  } catch (error) {
    if (error instanceof LayerFailure) throw brokenLayer(path, error);
    throw new UnusableInput(`Expected ${path} to be a layers model that TensorFlow.js can load: ${reason(error)}.`);
  }
}

const brokenLayer = (path: string, { layer, className, cause }: LayerFailure): UnusableInput =>
  new UnusableInput(
    `Expected ${layer === undefined ? 'a layer without a name' : `layer ${named(layer)}`} (${className}) in ${path} to be one that TensorFlow.js can load: ${reason(cause)}.`,
  );
