import type { LayersModel } from '@tensorflow/tfjs-layers';
import { checkArguments, describe } from '../util/arguments.js';
import { argumentFindings } from './arguments.js';
import { auditedModel, type AuditedModel } from './audited-model.js';
import { coefficientFindings } from './coefficients.js';
import { countFindings } from './counts.js';
import { kernelFindings } from './kernels.js';
import { RegularizationAudit } from './report.js';
import { sequentialFindings } from './sequential.js';
import { topologyFindings } from './topology.js';
import { valueFindings } from './values.js';

/** What `auditRegularizers` takes beside the model. */
export interface AuditRegularizersArgs {
  /**
   * The `modelTopology` that the model was loaded from. Some arguments leave no trace in the layer that ignores them,
   * `kernelRegularizer` of a `depthwiseConv2d`, say; the saved form still shows them.
   */
  topology?: object | undefined;
}

/**
 * Where the regularizers of a model do not do what they look as if they did: dropped, counted several times, with
 * coefficients that nobody wrote, ignored, and so on.
 *
 * What training applies is read from the penalties that a training step would add now, so an audit after
 * `enforceRegularizers` or `addWeightDecay` shows what they mended.
 *
 * @param model - A built model. Only read.
 * @returns The findings, none for a clean model; `print()` shows them as a table.
 * @throws Error if `model` is not a built `tf.LayersModel`, or an argument is not understood.
 */
export function auditRegularizers(model: LayersModel, args: AuditRegularizersArgs = {}): RegularizationAudit {
  checkArguments('auditRegularizers', args, ['topology']);
  const { topology } = args;
  if (topology !== undefined && (typeof topology !== 'object' || topology === null)) {
    throw new Error(
      `Expected \`topology\` of \`auditRegularizers\` to be the \`modelTopology\` of a saved model, got ${describe(topology)}. ` +
        'Pass the parsed JSON, or leave it out.',
    );
  }
  return report(auditedModel(model, true), topology);
}

/**
 * As `auditRegularizers`, for a model that has the structure of a saved one and neither its weights nor its optimizer:
 * penalties have no value, and what only a value or `compile` can tell is not reported.
 */
export const auditTopology = (model: LayersModel, topology: object): RegularizationAudit =>
  report(auditedModel(model, false), topology);

function report(audited: AuditedModel, topology: object | undefined): RegularizationAudit {
  const findings = [
    ...countFindings(audited),
    ...coefficientFindings(audited),
    ...argumentFindings(audited),
    ...topologyFindings(audited, topology),
    ...valueFindings(audited),
    ...sequentialFindings(audited),
    ...kernelFindings(audited),
  ];
  const bySeverity = (severity: string) => findings.filter((finding) => finding.severity === severity);
  return new RegularizationAudit(audited.model.name, audited.terms.length, [
    ...bySeverity('warning'),
    ...bySeverity('information'),
  ]);
}
