import { auditTopology } from '../audit/audit-regularizers.js';
import type { RegularizationAudit } from '../audit/report.js';
import { printable } from '../audit/table.js';
import { LayerFailure, modelWithoutWeights } from '../host/model/saved-topology.js';
import { upgradeTopology } from '../keras/upgrade-topology.js';
import { registerActivityRegularization } from '../regularizers/activity-regularization.js';
import { registerKerasClasses } from '../regularizers/keras-classes.js';
import type { JsonObject } from './json.js';
import { checkTopology } from './layers.js';
import { readTopology } from './model-json.js';
import { normalizedTopology } from './topology.js';
import { UnusableInput, named, reason } from './unusable.js';

/**
 * Audits a saved model by its topology alone.
 *
 * @param file - The path of its model.json.
 * @throws UnusableInput with a plain sentence if there is no such model.
 */
export async function auditSavedModel(file: string): Promise<RegularizationAudit> {
  registerKerasClasses();
  registerActivityRegularization();
  const path = printable(file);
  const topology = asTensorFlowReads(path, normalizedTopology(path, readTopology(file)));
  checkTopology(path, topology);
  const { model, dispose } = await load(path, topology);
  try {
    return auditTopology(model, topology);
  } finally {
    dispose();
  }
}

/** A model of Keras 3 as one that TensorFlow.js reads; what it would only train otherwise than Keras does not matter here. */
function asTensorFlowReads(path: string, topology: JsonObject): JsonObject {
  try {
    return upgradeTopology(topology, { predictOnly: true });
  } catch (error) {
    throw new UnusableInput(`Expected ${path} to be a model that TensorFlow.js can have. ${reason(error)}.`);
  }
}

async function load(path: string, topology: JsonObject): ReturnType<typeof modelWithoutWeights> {
  try {
    return await modelWithoutWeights(topology);
  } catch (error) {
    const what =
      error instanceof LayerFailure
        ? `${error.layer === undefined ? 'a layer without a name' : `layer ${named(error.layer)}`} (${error.className}) in ${path}`
        : `the model in ${path}`;
    const cause = error instanceof LayerFailure ? error.cause : error;
    throw new UnusableInput(
      `Expected ${what} to be one that TensorFlow.js can load, got this from it: ${reason(cause)}.`,
    );
  }
}
