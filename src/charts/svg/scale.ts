/** How values become pixels. */
export interface Scale {
  /** The pixel of a value; only of one that can be drawn. */
  at: (value: number) => number;
  /** Whether a value can be drawn. */
  has: (value: number | undefined) => boolean;
  ticks: number[];
}

/** From a value or pixel to another. */
export type Span = [from: number, to: number];

const isFinite = (value: number | undefined): value is number => Number.isFinite(value);
const isPositive = (value: number | undefined): value is number => isFinite(value) && value > 0;

/** The least of 1, 2, 5, 10, 20, … steps that gives at most about `count` ticks over a span. */
function niceStep(span: number, count: number): number {
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((factor) => power * factor >= rough * 0.999)!;
}

/** Even steps from `low` to `high`, both included where they are multiples of the step. */
function evenTicks(low: number, high: number, step: number): number[] {
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, index) => (first + index) * step);
}

/** `low`, `high` and `step` are counted in units, whose differences stay among the numbers that there are. */
const linear = ([low, high]: Span, [from, to]: Span, step: number, unit = 1): Scale => ({
  at: (value) => from + ((value / unit - low) / (high - low)) * (to - from),
  has: isFinite,
  ticks: [...new Set(evenTicks(low, high, step).map((tick) => tick * unit))].filter(isFinite),
});

/** Whole epochs, from the first to the last; a single one is in the middle. */
export function epochScale([first, last]: Span, pixels: Span, count: number): Scale {
  const span: Span = last > first ? [first, last] : [first - 0.5, first + 0.5];
  return linear(span, pixels, Math.max(1, niceStep(span[1] - span[0], count)));
}

/** Even distances, from 0 or the tick below `low` to the tick above `high`. */
function linearScale([low, high]: Span, pixels: Span, count: number): Scale {
  const size = Math.max(Math.abs(low), Math.abs(high));
  const unit = size > 1e300 ? 1e300 : size > 0 && size < 1e-300 ? 1e-300 : 1;
  const [least, most] = [Math.min(0, low / unit), Math.max(0, high / unit)];
  const step = niceStep(most - least || 1, count);
  return linear([Math.floor(least / step) * step, Math.ceil(most / step || 1) * step], pixels, step, unit);
}

/** Even ratios, for what is greater than 0; from a tick to another. */
function logScale([low, high]: Span, [from, to]: Span, count: number): Scale {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const factors = last - first > 3 ? [1] : [1, 2, 5];
  const powers = evenTicks(first, last + 1, Math.ceil((last - first + 1) / count));
  const all = powers.flatMap((power) => factors.map((factor) => factor * 10 ** power)).filter(isPositive);
  const start = all.filter((tick) => tick <= low * 1.001).at(-1) ?? low;
  const end = all.find((tick) => tick > start && tick >= high * 0.999) ?? Math.max(high, start * 1.001);
  const span = Math.log10(end) - Math.log10(start);
  return {
    at: (value) => from + ((Math.log10(value) - Math.log10(start)) / span) * (to - from),
    has: isPositive,
    ticks: all.filter((tick) => tick >= start && tick <= end),
  };
}

/** The axis for some values; without ticks where none of them can be drawn. */
export function valueScale(values: ReadonlyArray<number | undefined>, isLog: boolean, [from, to]: Span): Scale {
  const drawable = values.filter(isLog ? isPositive : isFinite);
  if (drawable.length === 0) return { at: () => to, has: () => false, ticks: [] };
  const [low, high] = drawable.reduce<Span>(
    ([a, b], value) => [Math.min(a, value), Math.max(b, value)],
    [Infinity, -Infinity],
  );
  return (isLog ? logScale : linearScale)([low, high], [from, to], Math.max(2, Math.abs(from - to) / 36));
}

/**
 * Whether an axis that begins at 0 flattens one of the curves: at least half of its values are within a twentieth of the
 * height, though the greatest of them is twice the least or more. Only where every curve can be drawn on a logarithmic
 * scale, or is 0 throughout.
 */
export function isFlattened(curves: ReadonlyArray<ReadonlyArray<number | undefined>>): boolean {
  const finite = curves
    .map((curve) => curve.filter(isFinite).sort((a, b) => a - b))
    .filter((curve) => curve.some((value) => value !== 0));
  if (!finite.every((curve) => curve[0]! > 0)) return false;
  const height = finite.reduce((most, curve) => Math.max(most, curve.at(-1)!), 0);
  return finite.some((curve) => {
    const half = Math.ceil(curve.length / 2);
    return curve
      .slice(0, curve.length - half + 1)
      .some(
        (least, index) => curve[index + half - 1]! / 2 >= least && (curve[index + half - 1]! - least) / height < 0.05,
      );
  });
}

/** A tick's number, short. */
export function tickLabel(value: number): string {
  const short = Number(value.toPrecision(3));
  const size = Math.abs(short);
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? short.toExponential().replace('e+', 'e') : String(short);
}

/** A value with four digits. */
export function fourDigits(value: number | undefined): string {
  if (value === undefined) return '–';
  const size = Math.abs(value);
  if (size === 0 || !Number.isFinite(size)) return String(value);
  if (size < 1e-4 || size >= 1e6) return value.toExponential(3).replace('e+', 'e');
  return size < 1000 ? value.toPrecision(4) : String(Math.round(value));
}
