import type { History } from '@tensorflow/tfjs-layers';
import { checkArguments, describe, list } from '../util/arguments.js';
import { line, stack, type Series } from './svg/marks.js';
import { axes, legend, type Box, type Key } from './svg/panel.js';
import { epochScale, linearScale, logScale, type Scale } from './svg/scale.js';
import { COLORS, STYLE, escapeXml, text } from './svg/svg.js';
import { resolveLogKeys, type LogKeyArgs, type LogKeys } from '../logs/log-keys.js';

/** What {@link plotLosses} takes. */
export interface PlotLossesArgs {
  /** The heading. Default `'Loss in parts'`; `''` for none. */
  title?: string | undefined;
  /** In pixels, at least 240. Default 720. */
  width?: number | undefined;
  /** In pixels, at least 200. Default 380, or 640 with a breakdown. */
  height?: number | undefined;
  /** The axis of the losses; the breakdown's always is linear, since its layers add up. Default `'linear'`. */
  scale?: 'linear' | 'log' | undefined;
  /** The names that {@link decomposedLoss} was given, if any. */
  logKeys?: LogKeyArgs | undefined;
}

const MARGIN = 16;
const AXIS = 56;

/**
 * Draws what a training's loss was made of: total, data and regularization loss over the epochs, training solid and
 * validation dashed, and below, where {@link decomposedLoss} had a `breakdown`, the regularization loss by layer, stacked.
 *
 * A pure function that needs no DOM, for reports, notebooks and CI. The picture follows the reader's light or dark scheme.
 * Epochs are counted from 1, as the progress bar does. Where a value is not finite the line has a gap and a cross; on a
 * logarithmic scale it has gaps where a value is not positive.
 *
 * @param history - What `fit` or `fitDataset` returned, or its `history`.
 * @param args - Title, size and scale.
 * @returns The text of an SVG picture, which can stand in a file of its own or within HTML.
 * @throws Error if an argument is not understood, or if there is no epoch or no `data_loss`.
 */
export function plotLosses(
  history: History | { readonly [key: string]: readonly unknown[] },
  args: PlotLossesArgs = {},
): string {
  checkArguments('plotLosses', args, ['title', 'width', 'height', 'scale', 'logKeys']);
  const { title = 'Loss in parts', scale = 'linear' } = args;
  if (scale !== 'linear' && scale !== 'log') {
    throw new Error(
      `Expected \`scale\` of \`plotLosses\` to be 'linear' or 'log', got ${describe(scale)}. Pass one of those.`,
    );
  }
  const keys = resolveLogKeys('plotLosses', args.logKeys);
  const { values, epochs } = read(history, keys);
  const losses = lossSeries(values, keys);
  const layers = layerSeries(values, `${keys.regularizationLoss}/`, epochs.length);
  const width = size('width', args.width, 720, 240);
  const height = size('height', args.height, layers.length > 0 ? 640 : 380, 200);
  const top = MARGIN + (title === '' ? 0 : 28);
  const split = layers.length > 0 ? Math.round(top + (height - top) * 0.58) : height;

  const upper: Box = { left: MARGIN, right: width - MARGIN, top, bottom: split - MARGIN };
  const isValidated = losses.some(({ isDashed }) => isDashed);
  const runs: Key[] = [
    { name: 'training', color: 'var(--m)', mark: 'solid' },
    { name: 'validation', color: 'var(--m)', mark: 'dashed' },
  ];
  const quantities = losses.filter(({ isDashed }) => !isDashed).map(asKey('solid'));
  const parts = [
    panel(upper, [...quantities, ...(isValidated ? runs : [])], epochs, (box) => {
      const all = losses.flatMap((one) => one.values);
      const y = lossScale(all, scale, box);
      return { y, draw: (x) => losses.map((one) => line(one, epochs, x, y)).join('') };
    }),
  ];
  if (layers.length > 0) {
    const lower: Box = { ...upper, top: split + 22, bottom: height - MARGIN };
    parts.push(
      text(MARGIN, split + 10, 'Regularization loss in parts', 'h'),
      panel(lower, layers.map(asKey('patch')), epochs, (box) => {
        const sums = epochs.map((_, index) => layers.reduce((sum, one) => sum + one.values[index]!, 0));
        const y = lossScale(sums, 'linear', box);
        return { y, draw: (x) => stack(layers, epochs, x, y) };
      }),
    );
  }
  const heading = title === '' ? '' : text(MARGIN, MARGIN + 14, title, 't');
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="tdl" role="img" aria-label="${escapeXml(title || 'Loss in parts')}" ` +
    `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${STYLE}` +
    `<rect width="100%" height="100%" class="b"/>${heading}${parts.join('')}</svg>\n`
  );
}

/** A legend, and below it what `content` draws on its own scale. */
function panel(
  box: Box,
  keys: readonly Key[],
  epochs: readonly number[],
  content: (plot: Box) => { y: Scale; draw: (x: Scale) => string },
): string {
  const { svg, height } = legend(keys, box);
  const plot: Box = {
    left: box.left + AXIS - 8,
    right: box.right - 4,
    top: box.top + height + 10,
    bottom: box.bottom - 20,
  };
  const { y, draw } = content(plot);
  const width = plot.right - plot.left;
  const x = epochScale([epochs[0]!, epochs.at(-1)!], [plot.left, plot.right], Math.max(2, Math.floor(width / 70)));
  return svg + axes(x, y, plot) + draw(x);
}

function lossScale(values: readonly number[], scale: 'linear' | 'log', { top, bottom }: Box): Scale {
  const drawable = values.filter((value) => Number.isFinite(value) && (scale === 'linear' || value > 0));
  const [low, high] = drawable.reduce(
    ([a, b], value) => [Math.min(a, value), Math.max(b, value)],
    [Infinity, -Infinity],
  );
  if (drawable.length === 0) return { at: () => top, has: () => false, ticks: [] };
  return (scale === 'log' ? logScale : linearScale)([low, high], [bottom, top], Math.max(2, (bottom - top) / 36));
}

const asKey =
  (mark: Key['mark']) =>
  ({ name, color }: Series): Key => ({ name, color, mark });

interface Values {
  readonly [key: string]: readonly number[];
}

function read(history: unknown, { dataLoss }: LogKeys): { values: Values; epochs: number[] } {
  const { history: inner, epoch } = (history ?? {}) as Partial<History>;
  const values = (inner !== undefined && !Array.isArray(inner) ? inner : history) as Values;
  if (typeof values !== 'object' || values === null || !Array.isArray(values[dataLoss])) {
    throw new Error(
      `Expected \`history\` to be what \`fit\` returned, with ${list([dataLoss])}, got ${describe(values)}. Train with ` +
        '`decomposedLoss()` in `callbacks`, and give its `logKeys` here too.',
    );
  }
  const count = values[dataLoss].length;
  if (count === 0) {
    throw new Error('Expected `history` to hold at least one epoch, got none. Train for an epoch, then plot.');
  }
  const first =
    Array.isArray(epoch) && epoch.length === count ? epoch : Array.from({ length: count }, (_, index) => index);
  return { values, epochs: first.map((index) => index + 1) };
}

function lossSeries(values: Values, keys: LogKeys): Series[] {
  const all: Array<[name: string, color: string, training: string, validation: string]> = [
    ['total loss', 'var(--t)', 'loss', keys.valTotalLoss],
    ['data loss', 'var(--0)', keys.dataLoss, keys.valDataLoss],
    ['regularization loss', 'var(--7)', keys.regularizationLoss, keys.valRegularizationLoss],
  ];
  const series = all.flatMap(([name, color, training, validation]) => [
    { name, color, isDashed: false, values: values[training] },
    { name: `${name}, validation`, color, isDashed: true, values: values[validation] },
  ]);
  return series.filter((one): one is Series => Array.isArray(one.values));
}

/**
 * The layers with the greatest parts, and the others in one, so that each has a colour. A penalty that was added between
 * epochs has values from then on only, and was 0 before.
 */
function layerSeries(values: Values, prefix: string, count: number): Series[] {
  const sinceFirst = (known: readonly number[]) => Array.from({ length: count }, (_, i) => known.at(i - count) ?? 0);
  const layers = Object.keys(values)
    .filter((key) => key.startsWith(prefix))
    .map((key) => ({ name: key.slice(prefix.length), values: sinceFirst(values[key]!) }));
  const mean = ({ values }: { values: readonly number[] }) => values.reduce((sum, value) => sum + (value || 0), 0);
  const great = layers.length > COLORS ? [...layers].sort((a, b) => mean(b) - mean(a)).slice(0, COLORS - 1) : layers;
  const others = layers.filter((layer) => !great.includes(layer));
  const rest = {
    name: `${others.length} others`,
    values: others[0]?.values.map((_, index) => others.reduce((sum, one) => sum + one.values[index]!, 0)) ?? [],
  };
  return [...layers.filter((layer) => great.includes(layer)), ...(others.length > 0 ? [rest] : [])].map(
    (layer, index) => ({
      ...layer,
      color: `var(--${index})`,
      isDashed: false,
    }),
  );
}

function size(name: string, value: number | undefined, otherwise: number, least: number): number {
  if (value === undefined) return otherwise;
  if (!Number.isFinite(value) || value < least) {
    throw new Error(
      `Expected \`${name}\` of \`plotLosses\` to be a number of pixels from ${least}, got ${describe(value)}. Pass a greater one.`,
    );
  }
  return value;
}
