/** Whether a quantity is better when it is smaller or when it is greater. */
export type Direction = 'min' | 'max';

/** TensorFlow.js's metrics that are better when they are greater, by the names that they have in the logs. */
const GREATER_IS_BETTER = [
  'acc',
  'accuracy',
  'binaryAccuracy',
  'categoricalAccuracy',
  'sparseCategoricalAccuracy',
  'precision',
  'recall',
  'r2Score',
];

/**
 * The direction that a key's name tells: `max` for an accuracy, precision, recall or R² in training or validation, of the
 * only output or of one among several, `min` for all else. Names are compared whole, so that no loss is taken for an accuracy
 * for the letters in it.
 *
 * @param outputNames - Of the model: the host writes `<output>_<metric>` where there are several outputs, and
 *   `<metric>_<n>` where several have one name.
 */
export function directionOf(key: string, outputNames: readonly string[]): Direction {
  const name = key.replace(/^val_/, '');
  const names = [name, ...outputNames.filter((output) => name.startsWith(`${output}_`)).map(behind(name))];
  return names.some((one) => GREATER_IS_BETTER.includes(one.replace(/_\d+$/, ''))) ? 'max' : 'min';
}

const behind = (name: string) => (output: string) => name.slice(output.length + 1);
