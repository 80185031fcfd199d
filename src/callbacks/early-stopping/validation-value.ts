import type { Callback, LayersModel } from '@tensorflow/tfjs-layers';
import { list } from '../../util/describe.js';
import { validationNames } from '../../host/model.js';

/**
 * Checks, before training begins, that a key will hold what it says: with several outputs the host writes its own validation
 * values under the names of others, so that an accuracy's key may hold an error.
 *
 * @param params - Of the run.
 * @throws Error that says what the key will hold.
 * @see {@link validationNames}
 */
export function checkValidationValue(monitor: string, model: LayersModel, params: Callback['params']): void {
  const { samples, doValidation } = params;
  if (!doValidation || model.outputs.length === 1) return;
  const names = validationNames(model, samples !== null ? 'fit' : 'fitDataset');
  if (!names.has(monitor)) return;
  const training = `training's '${monitor.slice('val_'.length)}'`;
  const isLost = Array.from(names.values()).every((name) => name === undefined);
  const position = Array.from(names.keys()).indexOf(monitor);
  const name = names.get(monitor);
  const sum = `the data loss of ${list(model.outputNames.slice(0, position + 1))}`;
  const [held, remedy] = isLost
    ? [
        'a value that cannot be told, as several share a name',
        `Give each output and metric a name of its own, or monitor ${training}`,
      ]
    : [
        name === undefined ? sum : `validation's \`${name}\``,
        `Monitor 'val_data_loss' or 'val_total_loss' of \`decomposedLoss()\`, or ${training}`,
      ];
  throw new Error(
    `Expected \`monitor\` to be a key that holds what it says, got '${monitor}', under which the host, with several ` +
      `outputs, writes ${held}. ${remedy}.`,
  );
}
