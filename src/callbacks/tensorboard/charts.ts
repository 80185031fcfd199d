import { list } from '../../util/arguments.js';
import type { LogKeys } from '../../logs/log-keys.js';

/** Where the values of one key of the logs are drawn: in the chart `tag`, as the curve `run`. */
export interface Curve {
  run: 'train' | 'validation';
  tag: string;
}

const VALIDATION = 'val_';

/** What the host counts in the logs. */
const COUNTS = ['batch', 'size', 'num_steps'];

/** The name of the chart of the total loss, which has no key of ours in training. */
const totalTag = ({ valTotalLoss }: LogKeys): string => withoutPrefix(valTotalLoss);

const withoutPrefix = (key: string): string => (key.startsWith(VALIDATION) ? key.slice(VALIDATION.length) : key);

/**
 * Finds the curve of each key, so that training and validation of one quantity share a chart.
 *
 * The host's `loss` is the total, its `val_loss` is not, and with several outputs its validation values stand under the
 * labels of others: they are drawn under their true names, and left out where they have no counterpart in training.
 *
 * @param validated - The host's validation keys and what they hold; empty where there is no validation.
 * @returns The curve of a key; `undefined` for what is not drawn.
 */
export function curves(
  keys: LogKeys,
  validated: ReadonlyMap<string, string | undefined>,
): (key: string) => Curve | undefined {
  const curve = (run: Curve['run'], tag: string | undefined): Curve | undefined =>
    tag === undefined ? undefined : { run, tag };
  const known = new Map<string, Curve | undefined>([
    ...COUNTS.map((key) => [key, undefined] as const),
    ...Array.from(validated, ([key, name]) => [key, curve('validation', name)] as const),
    ['loss', curve('train', totalTag(keys))],
    [keys.valTotalLoss, curve('validation', totalTag(keys))],
    [keys.valDataLoss, curve('validation', keys.dataLoss)],
    [keys.valRegularizationLoss, curve('validation', keys.regularizationLoss)],
  ]);
  const others = (key: string) =>
    validated.size > 0 && key.startsWith(VALIDATION) ? curve('validation', withoutPrefix(key)) : curve('train', key);
  return (key) => (known.has(key) ? known.get(key) : others(key));
}

/**
 * Checks, before training begins, that the charts can be drawn.
 *
 * @param announced - The names of a run, `params.metrics`, with those of `decomposedLoss()` if it is there.
 * @param trained - The names of the model's own loss and metrics.
 * @throws Error if the parts of the loss are not among the names, or the total would share a chart with something else.
 */
export function checkNames(keys: LogKeys, announced: readonly string[], trained: readonly string[]): void {
  const parts = [keys.dataLoss, keys.regularizationLoss];
  const missing = parts.find((key) => !announced.includes(key));
  if (missing !== undefined) {
    throw new Error(
      `Expected \`decomposedLoss()\` in \`callbacks\`, which writes \`${missing}\`, got ${list(announced)}. Put it beside ` +
        '`tensorBoard()`, and give both the same `logKeys`.',
    );
  }
  const total = totalTag(keys);
  if ([...parts, ...trained.slice(1)].includes(total)) {
    throw new Error(
      `Expected no metric or loss but the total to be called \`${total}\`, got ${list([...trained, ...parts])}. Give the ` +
        "chart of the total another name with `logKeys: {valTotalLoss: 'val_full_loss'}`, say, here and in `decomposedLoss`.",
    );
  }
}
