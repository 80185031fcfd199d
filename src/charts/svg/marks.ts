import { stretches } from './panel.js';
import type { Scale } from './scale.js';
import { escapeXml, px } from './svg.js';

/** One quantity over the epochs. */
export interface Series {
  name: string;
  color: string;
  isDashed: boolean;
  values: readonly number[];
}

/**
 * A line with gaps where a value cannot be drawn, and a cross at the upper edge where it is not finite; a value without
 * neighbours is a dot, or a ring where the line is dashed.
 */
export function line({ name, color, isDashed, values }: Series, epochs: readonly number[], x: Scale, y: Scale): string {
  const place = (index: number) => `${px(x.at(epochs[index]!))} ${px(y.at(values[index]!))}`;
  const paths = stretches(values.map(y.has)).map((stretch) =>
    stretch.length === 1
      ? `<path d="M${place(stretch[0]!)}m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0" class="${isDashed ? 'l' : 'p'}"/>`
      : `<path d="M${stretch.map(place).join('L')}" class="l${isDashed ? ' d' : ''}"/>`,
  );
  const upper = y.at(y.ticks.at(-1) ?? 0);
  const crosses = values.flatMap((value, index) =>
    Number.isFinite(value)
      ? []
      : [`<path d="M${px(x.at(epochs[index]!) - 4)} ${px(upper - 4)}l8 8m0-8l-8 8" class="l"/>`],
  );
  return `<g style="color:${color}"><title>${escapeXml(name)}</title>${paths.join('')}${crosses.join('')}</g>`;
}

/** Areas on top of each other, the first at the bottom; epochs where one of them is not finite are left out. */
export function stack(series: readonly Series[], epochs: readonly number[], x: Scale, y: Scale): string {
  const complete = epochs.map((_, index) => series.every(({ values }) => Number.isFinite(values[index])));
  let below = epochs.map(() => 0);
  return series
    .map(({ name, color, values }) => {
      const above = below.map((sum, index) => sum + values[index]!);
      const [lower, upper] = [below, above];
      below = above;
      const areas = stretches(complete).map((stretch) => {
        // An epoch without neighbours is a bar.
        const isBar = stretch.length === 1;
        const edge = (sums: number[]) =>
          stretch.flatMap((index) =>
            (isBar ? [-12, 12] : [0]).map((offset) => `${px(x.at(epochs[index]!) + offset)} ${px(y.at(sums[index]!))}`),
          );
        return `<path d="M${edge(upper).join('L')}L${edge(lower).reverse().join('L')}Z" class="a"/>`;
      });
      return `<g style="color:${color}"><title>${escapeXml(name)}</title>${areas.join('')}</g>`;
    })
    .join('');
}
