import { node, type SvgNode } from './svg.js';

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
