import { resolveLogKeys, type LogKeyArgs } from '../logs/log-keys.js';
import { ANYTHING, checkOptions, type OptionCheck } from '../util/arguments.js';
import { SCALE, type ScaleName } from './chart.js';
import { lossChart, partsChart } from './charts-of.js';
import { lossTable, type LossSource } from './loss-table.js';
import type { Box } from './svg/marks.js';
import { heightOf, inWords, panel } from './svg/panel.js';
import { picture, svgText, text } from './svg/svg.js';

/** What {@link plotLosses} takes. */
export interface PlotLossesArgs {
  /** The heading. Default none: the axes say what is drawn. */
  title?: string | undefined;
  /** In pixels, at least 240. Default 720. */
  width?: number | undefined;
  /** In pixels, at least 200. Default: what the legends take, and 360, or 604 with a breakdown. */
  height?: number | undefined;
  /**
   * The axis of the losses. `'auto'` is `'log'` where a linear axis would flatten a curve: half of its values or more would
   * be within a twentieth of the height, though they differ by a factor of 2. The breakdown's is linear, since its parts
   * add up. Default `'auto'`.
   */
  scale?: ScaleName | undefined;
  /** The names that `decomposedLoss` was given, if any. */
  logKeys?: LogKeyArgs | undefined;
}

const MARGIN = 16;

/**
 * Draws what a training's loss was made of: total, data and regularization loss over the epochs and the parts of the data
 * loss, training solid and validation dashed, and below, where `decomposedLoss` had a `breakdown`, the regularization
 * loss by layer or weight, stacked. The legend has the values of the last epoch, or of the one that the pointer is at.
 *
 * A pure function that needs no DOM, for reports, notebooks and CI. The picture follows the reader's light or dark scheme.
 * Epochs are counted from 1, as the progress bar does. Where a value is not finite the line has a gap and a cross; on a
 * logarithmic scale it has gaps where a value is not positive.
 *
 * @param history - What `fit` or `fitDataset` returned, or its `history`; an array of logs, one for each epoch or batch; or
 *   the text that `lossLogger` wrote, as CSV or JSON lines.
 * @param args - Title, size and scale.
 * @returns The text of an SVG picture, for a file of its own or within HTML.
 * @throws Error if an argument is not understood, or if there is no epoch or no `data_loss`.
 */
export function plotLosses(history: LossSource, args: PlotLossesArgs = {}): string {
  checkOptions('plotLosses', args, {
    title: ANYTHING,
    width: pixelsFrom(240),
    height: pixelsFrom(200),
    scale: SCALE,
    logKeys: ANYTHING,
  });
  const { title = '', width = 720, scale = 'auto' } = args;
  const keys = resolveLogKeys('plotLosses', args.logKeys);
  const table = lossTable(history, keys);
  const [losses, parts] = [lossChart(table, keys), partsChart(table, keys)];
  const top = MARGIN + (title === '' ? 0 : 28);
  const box: Box = { left: MARGIN, right: width - MARGIN, top, bottom: 0 };
  const upper = heightOf(losses, box, 280);
  const lower = parts ? MARGIN + heightOf(parts, box, 180) : 0;
  const { height = top + upper + lower + MARGIN } = args;
  const split = top + Math.round(((height - top - MARGIN) * upper) / (upper + lower));
  const drawn = [
    ...(title === '' ? [] : [text(MARGIN, MARGIN + 14, title, 't e')]),
    panel(losses, scale, { ...box, bottom: split }),
    ...(parts ? [panel(parts, scale, { ...box, top: split + MARGIN, bottom: height - MARGIN })] : []),
  ];
  const words = [title, inWords(losses), ...(parts ? [inWords(parts)] : [])].filter((part) => part !== '').join('. ');
  return `${svgText(picture('reader', { width, height, words }, ...drawn))}\n`;
}

const pixelsFrom = (least: number): OptionCheck => [
  `a number of pixels from ${least}`,
  (value) => Number.isFinite(value) && (value as number) >= least,
];
