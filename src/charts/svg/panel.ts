import { tickLabel, type Scale } from './scale.js';
import { escapeXml, px, shorten, text, widthOf } from './svg.js';

/** A place in the picture. */
export interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** An entry of a legend: a colour by its CSS value, drawn as a line, dashed or not, or as a patch. */
export interface Key {
  name: string;
  color: string;
  mark: 'solid' | 'dashed' | 'patch';
}

const [ROW, SWATCH, LONGEST] = [18, 22, 36];

/** A legend in as many rows as it needs. */
export function legend(keys: readonly Key[], { left, right, top }: Box): { svg: string; height: number } {
  let [x, y] = [left, top];
  const parts = keys.map(({ name, color, mark }) => {
    const shown = shorten(name, LONGEST);
    const width = SWATCH + 6 + widthOf(shown) + 14;
    if (x > left && x + width > right) [x, y] = [left, y + ROW];
    const middle = y + 8;
    const sample =
      mark === 'patch'
        ? `<rect x="${px(x)}" y="${px(middle - 5)}" width="${SWATCH - 8}" height="10" rx="2" class="p" style="color:${color}"/>`
        : `<path d="M${px(x)} ${px(middle)}h${SWATCH}" class="l${mark === 'dashed' ? ' d' : ''}" style="color:${color}"/>`;
    const label = text(x + (mark === 'patch' ? SWATCH - 2 : SWATCH + 6), y + 12, shown);
    x += mark === 'patch' ? width - 8 : width;
    return shown === name ? sample + label : `<g><title>${escapeXml(name)}</title>${sample}${label}</g>`;
  });
  return { svg: parts.join(''), height: y + ROW - top };
}

/** Grid, ticks and their labels. */
export function axes(x: Scale, y: Scale, { left, right, top, bottom }: Box): string {
  const rows = y.ticks.map(
    (tick) =>
      `<path d="M${px(left)} ${px(y.at(tick))}H${px(right)}" class="g"/>${text(left - 8, y.at(tick) + 4, tickLabel(tick), 'm', 'end')}`,
  );
  const columns = x.ticks.map((tick) => text(x.at(tick), bottom + 18, String(tick), 'm', 'middle'));
  columns.push(text(left - 8, bottom + 18, 'epoch', 'm', 'end'));
  const empty = text((left + right) / 2, (top + bottom) / 2, 'No value can be drawn.', 'm', 'middle');
  return [...rows, ...columns, y.ticks.length === 0 ? empty : ''].join('');
}

/** The stretches of neighbours that can all be drawn. */
export function stretches(drawable: readonly boolean[]): number[][] {
  const all: number[][] = [];
  drawable.forEach((isDrawable, index) => {
    if (!isDrawable) return;
    if (drawable[index - 1]) all.at(-1)!.push(index);
    else all.push([index]);
  });
  return all;
}
