import { auditRegularizers } from '../audit/audit-regularizers.js';
import type { RegularizationAudit } from '../audit/report.js';
import { loadModel } from './load-model.js';
import { readModelJson } from './model-json.js';
import { UnusableInput, reason } from './unusable.js';
import { readWeights } from './weights.js';

/**
 * Audits a saved model.
 *
 * @param path - Of its model.json.
 * @throws UnusableInput with a plain sentence if there is no such model.
 */
export async function auditSavedModel(path: string): Promise<RegularizationAudit> {
  const json = readModelJson(path);
  const weights = readWeights(path, json.weightsManifest);
  const model = await loadModel(path, json, weights);
  try {
    return auditRegularizers(model, { topology: json.modelTopology });
  } catch (error) {
    throw new UnusableInput(`Expected ${path} to be a layers model that can be audited: ${reason(error)}`);
  } finally {
    model.dispose();
  }
}
