/** An element of a picture, which becomes text in a file and an element in a page. */
export interface SvgNode {
  tag: string;
  attributes: { readonly [name: string]: string | number };
  children: ReadonlyArray<SvgNode | string>;
}

/** An element; an attribute that is `undefined` is left out. */
export function node(
  tag: string,
  attributes: { readonly [name: string]: string | number | undefined } = {},
  ...children: ReadonlyArray<SvgNode | string>
): SvgNode {
  const given = Object.entries(attributes).filter(
    (entry): entry is [string, string | number] => entry[1] !== undefined,
  );
  return { tag, attributes: Object.fromEntries(given), children };
}

/** What XML does not take at all: control characters and halves of characters. */
const UNFIT = /(?![\t\n\r])[\p{Cc}\p{Cs}\ufffe\uffff]/gu;
const ENTITIES: { [character: string]: string } = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escapeXml = (text: string): string =>
  text.replace(UNFIT, '\ufffd').replace(/[&<>"]/g, (character) => ENTITIES[character]!);

/** The text of a picture, for a file of its own or within HTML. */
export function svgText({ tag, attributes, children }: SvgNode): string {
  const start = `<${tag}${Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${escapeXml(String(value))}"`)
    .join('')}`;
  if (children.length === 0) return `${start}/>`;
  const content = children.map((child) => (typeof child === 'string' ? escapeXml(child) : svgText(child)));
  return `${start}>${content.join('')}</${tag}>`;
}

/** As much of a text of 12 pixels as there is room for. */
export function shorten(text: string, pixels: number): string {
  if (widthOf(text) <= pixels) return text;
  const characters = Array.from(text);
  const kept = characters.findIndex((_, index) => widthOf(`${characters.slice(0, index + 1).join('')}…`) > pixels);
  return `${characters.slice(0, Math.max(1, kept)).join('')}…`;
}

/** A coordinate, to a tenth of a pixel. */
export const px = (value: number): number => Math.round(value * 10) / 10;

/** Text at a place; `className` is one of the style's. */
export const text = (x: number, y: number, content: string, className = 'm', anchor?: 'middle' | 'end'): SvgNode =>
  node('text', { x: px(x), y: px(y), class: className, 'text-anchor': anchor }, content);

/** About how wide a text of 12 pixels is in the widest of the usual fonts. */
export const widthOf = (content: string): number =>
  Array.from(content).reduce(
    (sum, character) => sum + (NARROW.test(character) ? 4.4 : WIDE.test(character) ? 10.5 : 7.5),
    0,
  );
const [NARROW, WIDE] = [/[ijlftrI.,:;'|!()[\]/\\ -]/, /[mwMWGOQ@%…–]|[^\u0020-\u024f]/];

/** The colours that follow the scheme: background, text, softer text, and the grid. */
const SCHEMES = { light: ['#fff', '#0b0b0b', '#52514e', '#e1e0d9'], dark: ['#1a1a19', '#fff', '#c3c2b7', '#3a3a37'] };
const NAMES = ['background', 'text', 'soft-text', 'grid'];

const coloured = (root: string, [background, text, soft, grid]: readonly string[]) =>
  `${root}{color:${text!}}${root} .b{fill:${background!}}${root} .h{stroke:${background!}}` +
  `${root} .t{fill:${text!}}${root} .m{fill:${soft!}}${root} .r{stroke:${soft!}}${root} .g{stroke:${grid!}}`;

/** What is the same in both schemes; the values of an epoch replace the latest ones while one points at it. */
const common = (root: string) =>
  `${root} text{font:12px system-ui,sans-serif}${root} .e{font-size:15px;font-weight:600}${root} .w{font-weight:600}` +
  `${root} .c:hover *{visibility:visible}${root} .cs:hover~.v{visibility:hidden}`;

/** For a picture on its own, which follows the reader's light or dark scheme. */
const OF_READER = `${coloured('.tdl', SCHEMES.light)}@media(prefers-color-scheme:dark){${coloured('.tdl', SCHEMES.dark)}}${common('.tdl')}`;

/** For a picture in a page, which follows the page's `color-scheme`, unless the page sets the colours. */
const OF_PAGE = (() => {
  const own = (colors: readonly string[]) =>
    colors.map((color, index) => `var(--loss-chart-${NAMES[index]!},${color})`);
  const both = SCHEMES.light.map((light, index) => `light-dark(${light},${SCHEMES.dark[index]!})`);
  const fallback = coloured('.tdl-page', own(SCHEMES.light));
  return `${fallback}@supports(color:light-dark(#000,#fff)){${coloured('.tdl-page', own(both))}}${common('.tdl-page')}`;
})();

/** A whole picture on its background; the rules stay within it. */
export function picture(
  scheme: 'reader' | 'page',
  { width, height, words }: { width: number; height: number; words: string },
  ...children: SvgNode[]
): SvgNode {
  return node(
    'svg',
    {
      ...{ xmlns: 'http://www.w3.org/2000/svg', class: scheme === 'reader' ? 'tdl' : 'tdl-page' },
      ...{ role: 'img', 'aria-label': words, width, height, viewBox: `0 0 ${width} ${height}`, color: '#0b0b0b' },
    },
    node('style', {}, scheme === 'reader' ? OF_READER : OF_PAGE),
    node('rect', { width: '100%', height: '100%', class: 'b', fill: '#fff' }),
    ...children,
  );
}
