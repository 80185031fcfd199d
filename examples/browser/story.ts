import type { Epoch } from './epoch.js';

/** The L2 coefficients between which the show moves the slider. */
export const LOW = 0.001;
export const HIGH = 0.01;

/** After how many of its epochs the show raises L2. */
export const raiseAfter = (epochs: number): number => Math.max(1, Math.round(0.4 * epochs));

/** One sentence for each phase of the page. */
export const PHASES = {
  recorded: 'This run was recorded. Press “Show me” to train it here; L2 goes up on the way.',
  other: 'This is a different model, so the previous results are gone. Press “Show me” to train it.',
  learn: `L2 is low, at ${LOW}. The network learns 1,000 digits: its data loss falls.`,
  raise: `L2 goes up to ${HIGH}. The penalty jumps at once, but the data loss does not.`,
  moved: 'You moved L2. The penalty jumps at once, and then the weights follow.',
  shrink: 'The weights shrink, and the penalty with them. The total falls, but not because the network reads better.',
};

/** What TensorFlow.js's numbers suggest: its `loss` includes the penalty, its `val_loss` does not. */
export function suggested({ training, validation }: Epoch): string {
  const ratio = (validation?.data ?? NaN) / training.total;
  return Number.isNaN(ratio) ? '' : `So it reads new digits ${compared(ratio)}?`;
}

/** What the data losses show. */
export function shown({ training, validation }: Epoch): string {
  const ratio = (validation?.data ?? NaN) / training.data;
  return Number.isNaN(ratio) ? '' : `${capitalized(compared(ratio))} on digits it has not seen`;
}

/** The last sentence of a training. */
export function moral(epoch: Epoch): string {
  if (!epoch.validation) return '';
  const [loss, valLoss] = [epoch.training.total, epoch.validation.data].map((value) => value.toFixed(2));
  const truth = compared(epoch.validation.data / epoch.training.data);
  return (
    `TensorFlow.js adds the penalty to loss (${loss}) but not to val_loss (${valLoss}), so you cannot compare them. ` +
    `You can compare the data losses: the network does ${truth} on digits it has not seen.`
  );
}

function compared(ratio: number): string {
  if (ratio < 0.95) return 'even better';
  if (ratio <= 1.1) return 'just as well';
  if (ratio < 1.25) return 'almost as well';
  return `${ratio < 10 ? ratio.toFixed(1) : Math.round(ratio)} times worse`;
}

const capitalized = (text: string): string => text[0]!.toUpperCase() + text.slice(1);
