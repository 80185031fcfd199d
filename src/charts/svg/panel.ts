import type { Chart, ScaleName } from '../chart.js';
import { MARK, legend, type Legend } from './legend.js';
import { areas, lines, stackedSums, type Box } from './marks.js';
import { epochScale, fourDigits, isFlattened, tickLabel, valueScale, type Scale } from './scale.js';
import { node, px, shorten, text, widthOf, type SvgNode } from './svg.js';

/** The room for the titles of the axes and the labels above and below a plot, in pixels. */
const [ABOVE, BELOW] = [26, 22];

/** The least distance between rows that one can point at, in pixels. */
const POINTABLE = 8;

/**
 * One chart within a box: its legend, axes and curves. Who points at a row reads its values in the legend, so that nothing
 * is covered.
 */
export function panel(chart: Chart, scale: ScaleName, box: Box): SvgNode {
  const { kind, series, rows } = chart;
  const curves = series.map(({ values }) => values);
  const isLog = kind === 'lines' && (scale === 'log' || (scale === 'auto' && isFlattened(curves)));
  const readable = readableRows(chart, box);
  const key = legend(chart, readable, box);
  const rough: Box = { left: box.left, right: box.right - 6, top: key.bottom + ABOVE, bottom: box.bottom - BELOW };
  const stack = kind === 'stack' ? stackedSums(series, rows.length).at(-1)! : [];
  const y = valueScale(kind === 'stack' ? stack : curves.flat(), isLog, [rough.bottom, rough.top]);
  const widest = Math.max(widthOf(chart.unit) + 6, ...y.ticks.map((tick) => widthOf(tickLabel(tick))));
  const plot: Box = { ...rough, left: rough.left + widest + 8 };
  const width = plot.right - plot.left;
  const x = epochScale([rows[0]!, rows.at(-1)!], [plot.left, plot.right], Math.max(2, Math.floor(width / 70)));
  const quantity = isLog ? `${chart.quantity}, logarithmic scale` : chart.quantity;
  return node(
    'g',
    {},
    ...key.svg,
    text(box.left, plot.top - 12, quantity, 'm'),
    ...axes(chart.unit, x, y, plot),
    ...marked(chart, x, plot, box.left + widthOf(quantity)),
    node('g', { class: 'cs' }, ...columns(rows, readable, key, x, plot)),
    node(
      'g',
      { 'pointer-events': 'none' },
      ...(y.ticks.length === 0 ? [] : kind === 'stack' ? areas(series, rows, x, y) : lines(series, rows, x, y, plot)),
    ),
    node('g', { class: 'v' }, key.readout(rows.length - 1)),
  );
}

/** The height of a chart whose plot is to have `plot` pixels; the legend takes more of it where there is less width. */
export const heightOf = (chart: Chart, box: Box, plot: number): number =>
  legend(chart, readableRows(chart, box), box).bottom - box.top + ABOVE + plot + BELOW;

/** What a chart shows, for those who do not see it: the values of the last row that has them. */
export function inWords({ title, unit, rows, series }: Chart): string {
  const latest = series.map(({ name, isValidation, values }) => {
    const value = [...values].reverse().find(Number.isFinite) ?? values.at(-1);
    return `${isValidation ? `${name}, validation` : name} ${value === undefined ? 'none' : fourDigits(value)}`;
  });
  return `${title}, at ${unit} ${rows.at(-1)!}: ${latest.join('; ')}`;
}

/** Grid, ticks and their labels. */
function axes(unit: string, x: Scale, y: Scale, { left, right, top, bottom }: Box): SvgNode[] {
  const grid = y.ticks.flatMap((tick) => [
    node('path', { d: `M${px(left)} ${px(y.at(tick))}H${px(right)}`, class: 'g', stroke: '#e1e0d9' }),
    text(left - 8, y.at(tick) + 4, tickLabel(tick), 'm', 'end'),
  ]);
  const columns = x.ticks.map((tick) => text(x.at(tick), bottom + 18, String(tick), 'm', 'middle'));
  const empty = text((left + right) / 2, (top + bottom) / 2, 'No value can be drawn.', 'm', 'middle');
  return [
    ...grid,
    ...columns,
    text(left - 14, bottom + 18, unit, 'm', 'end'),
    ...(y.ticks.length === 0 ? [empty] : []),
  ];
}

/** Lines where something happened between two rows, and what it was as far as there is room above; the latest first. */
function marked({ marks, rows }: Chart, x: Scale, { left, right, top, bottom }: Box, taken: number): SvgNode[] {
  let free = right;
  return [...marks].reverse().flatMap(({ after, text: said }) => {
    const at = Math.min(right, Math.max(left, x.at((rows[after - 1] ?? rows[0]! - 0.5) + 0.5)));
    const rule = node('path', {
      d: `M${px(at)} ${px(top - 6)}V${px(bottom)}`,
      class: 'r',
      stroke: '#52514e',
      'stroke-dasharray': '2 2',
    });
    const label = shorten(said, MARK);
    const start = Math.min(at - 3, free - widthOf(label));
    if (start < taken + 10) return [rule];
    free = start - 10;
    return [rule, text(start, top - 12, label, 't')];
  });
}

/** Evenly spread rows, as many as one can point at, the last one among them. */
function readableRows({ rows: { length } }: Chart, { left, right }: Box): number[] {
  const step = Math.max(1, Math.ceil((length * POINTABLE) / (right - left)));
  return Array.from({ length: Math.ceil(length / step) }, (_, index) => length - 1 - index * step).reverse();
}

/** For each row that one can point at a column over the plot, with a line below the curves and the values in the legend. */
function columns(
  rows: readonly number[],
  readable: readonly number[],
  { readout }: Legend,
  x: Scale,
  { left, right, top, bottom }: Box,
): SvgNode[] {
  const places = readable.map((row) => x.at(rows[row]!));
  return readable.map((row, index) => {
    const at = places[index]!;
    const from = index === 0 ? left : (places[index - 1]! + at) / 2;
    const to = index === readable.length - 1 ? right + 6 : (at + places[index + 1]!) / 2;
    const area = { x: px(from), y: px(top), width: px(to - from), height: px(bottom - top + 20) };
    const rule = node('path', { d: `M${px(at)} ${px(top)}V${px(bottom)}`, class: 'r', stroke: '#52514e' });
    return node(
      'g',
      { class: 'c' },
      node('rect', { ...area, fill: 'none', 'pointer-events': 'all' }),
      node('g', { visibility: 'hidden', 'pointer-events': 'none' }, rule, readout(row)),
    );
  });
}
