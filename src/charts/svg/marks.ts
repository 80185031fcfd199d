import type { Look, Series } from '../chart.js';
import type { Scale } from './scale.js';
import { node, px, type SvgNode } from './svg.js';

/** A place in the picture. */
export interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const DASHES = '7 5';

/** The marker of a part, filled in training and hollow in validation. */
export function marker({ shape }: Look, isHollow: boolean, x: number, y: number): SvgNode {
  const d = `M${px(x)} ${px(y)}${shape}`;
  return isHollow
    ? node('path', { d, class: 'b', fill: '#fff', stroke: 'currentColor', 'stroke-width': 1.5 })
    : node('path', { d, class: 'h', fill: 'currentColor', stroke: '#fff' });
}

/** The look of a line, from a path's `d`. */
export const stroke = (d: string, width: number, isDashed: boolean): SvgNode =>
  node('path', {
    ...{ d, fill: 'none', stroke: 'currentColor', 'stroke-width': width, 'stroke-linejoin': 'round' },
    'stroke-dasharray': isDashed ? DASHES : undefined,
  });

/**
 * Lines with gaps where a value cannot be drawn, and a cross at the upper edge where it is not finite. They stay legible on
 * one another: wide ones are below, a dashed one parts what it runs over, and the markers of each are at rows of its own.
 */
export function lines(series: readonly Series[], rows: readonly number[], x: Scale, y: Scale, box: Box): SvgNode[] {
  const drawn = series.map((one, order) => ({ one, order, paths: linePaths(one, rows, x, y) }));
  const solid = drawn.filter(({ one }) => !one.isValidation);
  const dashed = drawn.filter(({ one }) => one.isValidation);
  const gap = ({ one, paths }: (typeof drawn)[number]) =>
    node('path', { d: paths.join(''), class: 'h', fill: 'none', stroke: '#fff', 'stroke-width': one.width + 1 });
  const line = ({ one, paths }: (typeof drawn)[number]) =>
    labelled(one, paths.length > 0 ? [stroke(paths.join(''), one.width, one.isValidation)] : []);
  const points = ({ one, order }: (typeof drawn)[number]) =>
    labelled(one, [
      ...markedRows(one, order, series.length, y).map((row) =>
        marker(one.look, one.isValidation, x.at(rows[row]!), y.at(one.values[row]!)),
      ),
      ...crosses(one, rows, x, box),
    ]);
  return [
    ...solid.map(line),
    ...dashed.filter(({ paths }) => paths.length > 0).map(gap),
    ...dashed.map(line),
    ...drawn.map(points),
  ];
}

/** A part of the picture in the colour of its series, with the name for whoever looks into the file. */
function labelled({ name, look, isValidation }: Series, children: SvgNode[]): SvgNode {
  const title = node('title', {}, isValidation ? `${name}, validation` : name);
  return node('g', { color: look.color }, title, ...children);
}

/** The stretches of two neighbours or more. */
function linePaths({ values }: Series, rows: readonly number[], x: Scale, y: Scale): string[] {
  return stretches(values.map(y.has))
    .filter(({ length }) => length > 1)
    .map((stretch) => `M${stretch.map((row) => `${px(x.at(rows[row]!))} ${px(y.at(values[row]!))}`).join('L')}`);
}

/** Up to five rows, other ones for each series as far as there are enough, and each value without neighbours. */
function markedRows({ values }: Series, order: number, count: number, { has }: Scale): number[] {
  const step = Math.max(Math.ceil(values.length / 5), Math.min(values.length, count));
  const first = Math.floor((order * step) / count);
  return values.flatMap((value, row) => {
    const isAlone = !has(values[row - 1]) && !has(values[row + 1]);
    return has(value) && (isAlone || row % step === first) ? [row] : [];
  });
}

const crosses = ({ values }: Series, rows: readonly number[], x: Scale, { top }: Box): SvgNode[] =>
  values.flatMap((value, row) =>
    value === undefined || Number.isFinite(value)
      ? []
      : [stroke(`M${px(x.at(rows[row]!) - 4)} ${px(top - 4)}l8 8m0-8l-8 8`, 2, false)],
  );

/** The sums of a stack from the bottom up, a negative value as 0; not finite where one of the values is not. */
export function stackedSums(series: readonly Series[], rows: number): number[][] {
  let below = Array.from({ length: rows }, () => 0);
  return series.map(({ values }) => {
    below = below.map((sum, row) => sum + Math.max(0, values[row] ?? 0));
    return below;
  });
}

/** Areas on one another, the first at the bottom; rows where one of them is not finite are left out. */
export function areas(series: readonly Series[], rows: readonly number[], x: Scale, y: Scale): SvgNode[] {
  const sums = stackedSums(series, rows.length);
  const complete = stretches(sums.at(-1)!.map(y.has));
  return series.map((one, index) => {
    const [lower, upper] = [sums[index - 1] ?? rows.map(() => 0), sums[index]!];
    const paths = complete.map((stretch) => {
      // A row without neighbours is a bar.
      const offsets = stretch.length === 1 ? [-12, 12] : [0];
      const edge = (values: number[]) =>
        stretch.flatMap((row) => offsets.map((offset) => `${px(x.at(rows[row]!) + offset)} ${px(y.at(values[row]!))}`));
      return `M${edge(upper).join('L')}L${edge(lower).reverse().join('L')}Z`;
    });
    const inner = complete.flat().filter((row) => rows.length < 3 || (row > 0 && row < rows.length - 1));
    const thick = inner
      .map((row) => ({ row, size: y.at(lower[row]!) - y.at(upper[row]!) }))
      .reduce((best, place) => (place.size > best.size ? place : best), { row: 0, size: 0 });
    const middle = y.at(upper[thick.row]!) + thick.size / 2;
    return labelled(one, [
      node('path', { d: paths.join(''), class: 'h', fill: 'currentColor', stroke: '#fff', 'stroke-linejoin': 'round' }),
      ...(thick.size >= 14 ? [inAreaMarker(one.look, x.at(rows[thick.row]!), middle)] : []),
    ]);
  });
}

/** The marker of a part on its own area, in the background's colour. */
export const inAreaMarker = ({ shape }: Look, x: number, y: number): SvgNode =>
  node('path', { d: `M${px(x)} ${px(y)}${shape}`, class: 'b', fill: '#fff' });

/** The stretches of neighbours that can all be drawn. */
function stretches(drawable: readonly boolean[]): number[][] {
  const all: number[][] = [];
  drawable.forEach((isDrawable, index) => {
    if (!isDrawable) return;
    if (drawable[index - 1]) all.at(-1)!.push(index);
    else all.push([index]);
  });
  return all;
}
