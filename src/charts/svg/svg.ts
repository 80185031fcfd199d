/** What XML does not take at all: control characters and halves of characters. */
const UNFIT = /(?![\t\n\r])[\p{Cc}\p{Cs}\ufffe\uffff]/gu;
const ENTITIES: { [character: string]: string } = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** A text as it may stand in an element or attribute. */
export const escapeXml = (text: string): string =>
  text.replace(UNFIT, '\ufffd').replace(/[&<>"]/g, (character) => ENTITIES[character]!);

/** At most so many characters of a text. */
export function shorten(text: string, longest: number): string {
  const characters = Array.from(text);
  return characters.length > longest ? `${characters.slice(0, longest - 1).join('')}…` : text;
}

/** A coordinate, to a tenth of a pixel. */
export const px = (value: number): string => String(Math.round(value * 10) / 10);

/** Text of the class `className`, at a place; `anchor` is `start`, `middle` or `end`. */
export const text = (x: number, y: number, content: string, className = 'm', anchor = 'start'): string =>
  `<text x="${px(x)}" y="${px(y)}" class="${className}" text-anchor="${anchor}">${escapeXml(content)}</text>`;

/** About how wide a text is, in the chart's size. */
export const widthOf = (content: string): number => 6.6 * Array.from(content).length;

const INKS = ['2a78d6', '1baf7a', 'eda100', '008300', '4a3aa7', 'e34948', 'e87ba4', 'eb6834'];
const DARK_INKS = ['3987e5', '199e70', 'c98500', '4aa84a', '9085e9', 'e66767', 'd55181', 'e0703c'];

const colors = (background: string, ink: string, muted: string, grid: string, inks: string[]) =>
  `--b:#${background};--t:#${ink};--m:#${muted};--g:#${grid};${inks.map((color, index) => `--${index}:#${color}`).join(';')}`;

/** How many layers have a colour of their own. */
export const COLORS = INKS.length;

/** The colours follow the reader's light or dark scheme; the rules stay within the picture where a page contains it. */
export const STYLE =
  `<style>.tdl{${colors('fff', '0b0b0b', '52514e', 'e1e0d9', INKS)};font:12px system-ui,sans-serif}` +
  `@media(prefers-color-scheme:dark){.tdl{${colors('1a1a19', 'fff', 'c3c2b7', '3a3a37', DARK_INKS)}}}` +
  '.tdl .b{fill:var(--b)}.tdl .t{fill:var(--t);font-size:15px;font-weight:600}.tdl .h{fill:var(--t);font-weight:600}' +
  '.tdl .m{fill:var(--m)}.tdl .g{stroke:var(--g);fill:none}.tdl .l{fill:none;stroke:currentColor;stroke-width:2;' +
  'stroke-linejoin:round;stroke-linecap:round}.tdl .d{stroke-dasharray:5 4;stroke-linecap:butt}.tdl .p{fill:currentColor}' +
  '.tdl .a{fill:currentColor;stroke:var(--b);stroke-width:1}</style>';
