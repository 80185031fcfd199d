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
