import type { LayersModel } from '@tensorflow/tfjs-layers';
import { checkOptions } from '../util/arguments.js';
import { auditedModel, type AuditedModel } from './audited-model.js';
import { argumentFindings, topologyFindings } from './declaration-findings.js';
import { modelFindings, noRegularizer } from './model-findings.js';
import { RegularizationAudit } from './report.js';
import { termFindings } from './term-findings.js';

/** What `auditRegularizers` takes in addition to the model. */
export interface AuditRegularizersArgs {
  /**
   * The `modelTopology` that the model was loaded from. Some arguments leave no trace in the layer that ignores them,
   * for example the `kernelRegularizer` of a `depthwiseConv2d`; what Keras saved still shows them.
   */
  topology?: object | undefined;
}

/**
 * Where a model does not train as it looks: regularizers that are dropped, counted several times, ignored or spelled in a way
 * that TensorFlow.js does not know, and an optimizer that cannot train or is asked for what it does not do.
 *
 * What training applies is read from the penalties that a training step would add now, so an audit after
 * `enforceRegularizers` or `addWeightDecay` shows what they changed.
 *
 * @param model - A built model. Only read.
 * @returns The findings, none for a clean model; `print()` shows them as a table.
 * @throws Error if `model` is not a built `tf.LayersModel`, or an argument is not understood.
 */
export function auditRegularizers(model: LayersModel, args: AuditRegularizersArgs = {}): RegularizationAudit {
  checkOptions('auditRegularizers', args, {
    topology: ['the `modelTopology` of a saved model', (value) => typeof value === 'object' && value !== null],
  });
  return report(auditedModel(model, true), args.topology);
}

/**
 * As `auditRegularizers`, for a model that has the structure of a saved one and neither its weights nor its optimizer:
 * penalties have no value, and what only a value or `compile` can tell is not reported.
 */
export const auditTopology = (model: LayersModel, topology: object): RegularizationAudit =>
  report(auditedModel(model, false), topology);

function report(audited: AuditedModel, topology: object | undefined): RegularizationAudit {
  const declarations = [...argumentFindings(audited), ...topologyFindings(audited, topology)];
  const findings = [
    ...termFindings(audited),
    ...declarations,
    ...modelFindings(audited),
    ...(declarations.length === 0 ? noRegularizer(audited) : []),
  ];
  const bySeverity = (severity: string) => findings.filter((finding) => finding.severity === severity);
  return new RegularizationAudit(audited.model.name, audited.terms.length, [
    ...bySeverity('warning'),
    ...bySeverity('information'),
  ]);
}
