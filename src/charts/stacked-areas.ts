import type { Series } from './tfvis/loss-history.js';

/** Where a chart's lines run, in pixels: y grows downwards. */
export interface Frame {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** An area of a stacked chart. */
export interface Area {
  name: string;
  /** The outline, as the `d` of an SVG path. */
  path: string;
}

/**
 * Lays areas on one another, the first at the bottom. A value that is negative or no number counts as 0.
 *
 * @param series - All of the same length, one value an epoch.
 * @param max - The value at the frame's top.
 */
export function stackedAreas(series: readonly Series[], frame: Frame, max: number): Area[] {
  const length = series[0]?.values.length ?? 0;
  let floor = Array.from({ length }, () => 0);
  return series.map(({ name, values }) => {
    const ceiling = floor.map((below, index) => below + drawable(values[index]!));
    const path = `M${outline(ceiling, frame, max).join('L')}L${outline(floor, frame, max).reverse().join('L')}Z`;
    floor = ceiling;
    return { name, path };
  });
}

/** The largest sum over the series of one epoch's values. */
export function highest(series: readonly Series[]): number {
  const length = series[0]?.values.length ?? 0;
  const sums = Array.from({ length }, (_, index) =>
    series.reduce((sum, { values }) => sum + drawable(values[index]!), 0),
  );
  return Math.max(0, ...sums);
}

/** The largest series, and the sum of the others under one name where there are more than `limit`. */
export function largest(series: readonly Series[], limit: number): Series[] {
  if (series.length <= limit) return [...series];
  const total = ({ values }: Series): number => values.reduce((sum, value) => sum + drawable(value), 0);
  const kept = new Set([...series].sort((a, b) => total(b) - total(a)).slice(0, limit - 1));
  const others = series.filter((one) => !kept.has(one));
  const values = others[0]!.values.map((_, index) =>
    others.reduce((sum, one) => sum + drawable(one.values[index]!), 0),
  );
  return [...series.filter((one) => kept.has(one)), { name: `${others.length} others`, values }];
}

/** Round numbers from 0 to `max` or just above it: about `count` steps of 1, 2 or 5 times a power of ten. */
export function ticks(max: number, count: number): number[] {
  if (!(max > 0)) return [0, 1];
  const power = 10 ** Math.floor(Math.log10(max / count));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => max / one <= count)!;
  return Array.from({ length: Math.ceil(max / step - 1e-9) + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

/** An epoch's place from left to right; a single one fills the frame. */
function outline(values: readonly number[], { left, right, top, bottom }: Frame, max: number): string[] {
  const both = values.length === 1 ? [values[0]!, values[0]!] : values;
  return both.map((value, index) => {
    const x = left + ((right - left) * index) / (both.length - 1);
    const y = bottom - ((bottom - top) * value) / max;
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
}

const drawable = (value: number): number => (Number.isFinite(value) && value > 0 ? value : 0);
