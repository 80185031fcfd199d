import type { Chart, Series } from '../chart.js';
import { inAreaMarker, marker, stroke, type Box } from './marks.js';
import { fourDigits } from './scale.js';
import { node, px, shorten, text, widthOf, type SvgNode } from './svg.js';

const [ROW, SWATCH, PATCH, GAP, LONGEST] = [18, 26, 14, 14, 260];

/** The longest label of a mark, in pixels. */
export const MARK = 160;

/** A legend, and where in it the values of a row are written. */
export interface Legend {
  svg: SvgNode[];
  bottom: number;
  /** The number of a row and its values, as text over the legend. */
  readout: (row: number) => SvgNode;
}

/** A place for a text that depends on the row. */
interface Slot {
  x: number;
  y: number;
  content: (row: number) => string;
}

/**
 * The samples and names of a chart, each with its value, in as many lines as it needs: first what the row is and which lines
 * are validation, then a part after another, training before validation.
 *
 * @param readable - The rows whose values are written, so that there is room for the longest.
 */
export function legend(
  { series, kind, unit, rows, note, marks }: Chart,
  readable: readonly number[],
  box: Box,
): Legend {
  const svg: SvgNode[] = [];
  const slots: Slot[] = [];
  let [x, y] = [box.left, box.top];
  const wrap = (width: number) => {
    if (x > box.left && x + width > box.right) [x, y] = [box.left, y + ROW];
  };
  const place = (width: number) => {
    wrap(width);
    const left = x;
    x += width + GAP;
    return left;
  };
  const slot = (left: number, content: Slot['content']) => slots.push({ x: left, y: y + 12, content });
  const widest = (content: Slot['content']) => Math.max(0, ...readable.map((row) => widthOf(content(row))));

  const rowName = (row: number) =>
    [
      `${unit} ${rows[row]!}`,
      ...marks.filter(({ after }) => after === row).map((mark) => shorten(mark.text, MARK)),
    ].join(', ');
  slot(place(widest(rowName)), rowName);
  const isValidated = series.some(({ isValidation }) => isValidation);
  for (const isDashed of isValidated ? [false, true] : []) {
    const name = isDashed ? 'validation' : 'training';
    const left = place(SWATCH + 6 + widthOf(name));
    svg.push(sample(left, y, isDashed), text(left + SWATCH + 6, y + 12, name));
  }
  const entries = series.map((one, index) => {
    // The validation of a part has no name of its own where it follows the training.
    const isTwin = series[index - 1]?.name === one.name;
    const full = isTwin ? '' : one.isValidation ? `${one.name}, validation` : one.name;
    const value = (row: number) => fourDigits(one.values[row]);
    const [start, room] = [(kind === 'stack' ? PATCH : SWATCH) + 6, widest(value)];
    const name = shorten(full, Math.min(LONGEST, box.right - box.left - start - 6 - room));
    const named = start + (name === '' ? 0 : widthOf(name) + 6);
    return { one, isTwin, full, name, value, start, named, width: named + room };
  });
  entries.forEach(({ one, full, name, value, start, named, width }, index) => {
    const twin = entries[index + 1];
    // Training and validation are in one line if there is any that has room.
    const both = twin?.isTwin === true ? width + GAP + twin.width : width;
    if (both <= box.right - box.left) wrap(both);
    const left = place(width);
    const parts = [
      node('g', { color: one.look.color }, ...seriesSample(kind, one, left, y)),
      ...(name === '' ? [] : [text(left + start, y + 12, name)]),
    ];
    svg.push(...(name === full ? parts : [node('g', {}, node('title', {}, full), ...parts)]));
    slot(left + named, value);
  });
  if (note !== '') svg.push(text(place(widthOf(note)), y + 12, note));
  const readout = (row: number) =>
    node(
      'text',
      { class: 't' },
      ...slots.map(({ x: left, y: base, content }) => node('tspan', { x: px(left), y: px(base) }, content(row))),
    );
  return { svg, bottom: y + ROW, readout };
}

const sample = (x: number, y: number, isDashed: boolean) => stroke(`M${px(x)} ${px(y + 8)}h${SWATCH}`, 2, isDashed);

function seriesSample(kind: Chart['kind'], { look, width, isValidation }: Series, x: number, y: number): SvgNode[] {
  const middle = y + 8;
  if (kind === 'stack') {
    const area = { x: px(x), y: px(middle - 7), width: PATCH, height: PATCH, rx: 2, fill: 'currentColor' };
    return [node('rect', area), inAreaMarker(look, x + PATCH / 2, middle)];
  }
  const line = isValidation ? `h7m${SWATCH - 14} 0h7` : `h${SWATCH}`;
  return [stroke(`M${px(x)} ${px(middle)}${line}`, width, false), marker(look, isValidation, x + SWATCH / 2, middle)];
}
