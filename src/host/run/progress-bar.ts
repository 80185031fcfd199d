import { util } from '@tensorflow/tfjs-core';
import type { CallbackList } from '@tensorflow/tfjs-layers';

interface Values {
  [name: string]: number;
}

/** tfjs-node's progress bar, made anew for each run, by what this file needs of it. */
interface ProgressBar {
  terminalWidth: number | undefined;
  currentEpochBegin: number;
  /** From the begin of the epoch to the end of its last batch, where the host knows which one that is. */
  epochDurationMillis: number | null;
  /** The same by the number of samples, or with a dataset of batches. */
  usPerStep: number | null;
  batchesInLatestEpoch: number;
  progressBar: { width: number; tick(tokens: { placeholderForLossesAndMetrics: string }): void };
  formatLogsAsMetricsContent(logs: Values, longest?: number): string;
  epochBegin(): void;
  epochEnd(epoch: number, logs: Values): void | Promise<void>;
}

/** The part of Node's `process` that matters here; there is no such thing in a browser, nor a progress bar. */
interface Streams {
  stdout: { isTTY?: boolean };
  stderr: { isTTY?: boolean; columns?: number };
}

/** How wide `eta=12345.6` and the spaces around the bar, a short bar, and most values, such as `1.23e-5`, are. */
const [ETA, SHORT_BAR, VALUE] = [13, 4, 7];

/**
 * Makes the progress bar of a run fit its terminal: where the host would cut the values, sorted by name, somewhere in the
 * middle, it shows those that fit, the given ones before others, and shortens the bar for them. Where stdout is no
 * terminal, it prints one line an epoch instead of two, with all that is in the two.
 *
 * The host makes the bar for the run, so nothing has to be restored.
 *
 * @param callbacks - Of a run. Without a progress bar, as in browsers and with `verbose: 0`, nothing happens.
 * @param first - The names to show before others.
 * @param isShown - Whether a name is shown at the end of an epoch.
 * @param onEpochEnd - Called when the bar has written what it writes of an epoch.
 * @returns Whether there is a bar.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-node/src/callbacks.ts#L34-L151 | ProgbarLogger}
 */
export function fitProgressBar(
  callbacks: CallbackList['callbacks'],
  epochs: unknown,
  first: readonly string[],
  isShown: (name: string) => boolean,
  onEpochEnd: () => void,
): boolean {
  const bar = callbacks.find((callback) => 'formatLogsAsMetricsContent' in callback) as unknown as
    ProgressBar | undefined;
  if (bar === undefined) return false;
  const { stdout, stderr } = (globalThis as unknown as { process: Streams }).process;
  fitValues(bar, first);
  if (!stdout.isTTY) printOneLine(bar, epochs, stderr);
  const { epochEnd } = bar;
  bar.epochEnd = async (epoch, logs) => {
    await epochEnd.call(bar, epoch, Object.fromEntries(Object.entries(logs).filter(([name]) => isShown(name))));
    onEpochEnd();
  };
  return true;
}

function fitValues(bar: ProgressBar, first: readonly string[]): void {
  const format = bar.formatLogsAsMetricsContent;
  bar.formatLogsAsMetricsContent = (logs, longest = Infinity) => {
    const names = Object.keys(logs).filter((name) => name !== 'batch' && name !== 'size');
    const texts = new Map(names.map((name) => [name, format.call(bar, { [name]: logs[name]! })]));
    // Room for most values keeps the bar still, where they are written shorter now and then.
    const width = (name: string) => Math.max(texts.get(name)!.length, name.length + VALUE + 2);
    const all = names.reduce((sum, name) => sum + width(name), 0);
    // Where there is no terminal, the width is not a number.
    if (!(all > longest)) return format.call(bar, logs, longest);
    const columns = 2 * (longest + 12);
    let room = columns - ETA - SHORT_BAR;
    const known = first.filter((name) => names.includes(name));
    const others = names.filter((name) => !known.includes(name)).sort();
    const shown = [...known, ...others].filter((name, index) => {
      if (index > 0 && width(name) > room) return false;
      room -= width(name);
      return true;
    });
    bar.progressBar.width = Math.max(0, SHORT_BAR + room);
    return shown
      .map((name) => texts.get(name)!)
      .join('')
      .trimEnd();
  };
}

function printOneLine(bar: ProgressBar, epochs: unknown, stderr: Streams['stderr']): void {
  bar.epochBegin = () => {
    bar.currentEpochBegin = util.now();
    bar.epochDurationMillis = null;
    bar.usPerStep = null;
    bar.batchesInLatestEpoch = 0;
    bar.terminalWidth = stderr.columns;
  };
  bar.epochEnd = (epoch, logs) => {
    // The bar ends with a line break, also where nobody sees the bar.
    if (stderr.isTTY) bar.progressBar.tick({ placeholderForLossesAndMetrics: '' });
    // With a dataset of unknown length the host finds both out now, validation included.
    const duration = bar.epochDurationMillis ?? util.now() - bar.currentEpochBegin;
    const perStep = bar.usPerStep ?? (duration / bar.batchesInLatestEpoch) * 1e3;
    const time = `${duration.toFixed(0)}ms ${perStep.toFixed(0)}us/step`;
    console.log(`Epoch ${epoch + 1} / ${String(epochs)} - ${time} - ${bar.formatLogsAsMetricsContent(logs).trimEnd()}`);
  };
}
