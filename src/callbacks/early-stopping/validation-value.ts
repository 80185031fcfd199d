import type { Run } from '../../host/run.js';
import { list } from '../../util/arguments.js';

/**
 * Checks, before training begins, that a key will hold what it says: with several outputs the host writes its own validation
 * values under the names of others, so that an accuracy's key may hold an error.
 *
 * @throws Error that says what the key will hold.
 * @see `validationNames` in `host/model.ts`.
 */
export function checkValidationValue(monitor: string, { models, validationNames: names }: Run): void {
  const { outputNames } = models[0]!;
  if (outputNames.length === 1 || !names.has(monitor)) return;
  const training = `training's '${monitor.slice('val_'.length)}'`;
  const isLost = Array.from(names.values()).every((name) => name === undefined);
  const position = Array.from(names.keys()).indexOf(monitor);
  const name = names.get(monitor);
  const sum = `the data loss of ${list(outputNames.slice(0, position + 1))}`;
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
