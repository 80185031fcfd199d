/** How values become pixels. */
export interface Scale {
  /** The pixel of a value; only of one that can be drawn. */
  at: (value: number) => number;
  /** Whether a value can be drawn. */
  has: (value: number) => boolean;
  ticks: number[];
}

/** From a value or pixel to another. */
export type Span = [from: number, to: number];

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

const linear = ([low, high]: Span, [from, to]: Span, step: number): Scale => ({
  at: (value) => from + ((value - low) / (high - low)) * (to - from),
  has: Number.isFinite,
  ticks: evenTicks(low, high, step),
});

/** Whole epochs, from the first to the last; a single one stands in the middle. */
export function epochScale([first, last]: Span, pixels: Span, count: number): Scale {
  const span: Span = last > first ? [first, last] : [first - 0.5, first + 0.5];
  return linear(span, pixels, Math.max(1, niceStep(span[1] - span[0], count)));
}

/** Even distances, from 0 or the tick below `low` to the tick above `high`. */
export function linearScale([low, high]: Span, pixels: Span, count: number): Scale {
  const [least, most] = [Math.min(0, low), Math.max(0, high)];
  const step = niceStep(most - least || 1, count);
  return linear([Math.floor(least / step) * step, Math.ceil(most / step || 1) * step], pixels, step);
}

/** Even ratios, for what is greater than 0; from a tick to another. */
export function logScale([low, high]: Span, [from, to]: Span, count: number): Scale {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const factors = last - first > 3 ? [1] : [1, 2, 5];
  const powers = evenTicks(first, last + 1, Math.ceil((last - first + 1) / count));
  const all = powers.flatMap((power) => factors.map((factor) => factor * 10 ** power));
  const start = all.filter((tick) => tick <= low * 1.001).at(-1) ?? low;
  const end = all.find((tick) => tick > start && tick >= high * 0.999) ?? high;
  return {
    at: (value) => from + (Math.log10(value / start) / Math.log10(end / start)) * (to - from),
    has: (value) => Number.isFinite(value) && value > 0,
    ticks: all.filter((tick) => tick >= start && tick <= end),
  };
}

/** A tick's number, short. */
export function tickLabel(value: number): string {
  const short = Number(value.toPrecision(3));
  const size = Math.abs(short);
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? short.toExponential().replace('e+', 'e') : String(short);
}
