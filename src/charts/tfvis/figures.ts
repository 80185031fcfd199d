/// <reference lib="dom" />
import { describe } from '../../util/arguments.js';
import type { SvgNode } from '../svg/svg.js';

/** Where charts are drawn in tfjs-vis's visor: on a surface of that name, on that tab. */
export interface SurfaceInfo {
  /** The surface's name, which is shown above it. */
  name: string;
  /** The tab that it is on. Default: tfjs-vis's own. */
  tab?: string | undefined;
  /** Its size, in CSS. Default: tfjs-vis's own. */
  styles?: Partial<Record<'width' | 'height' | 'maxWidth' | 'maxHeight', string>> | undefined;
}

/** A surface that `tfvis.visor().surface(…)` made. */
export interface Surface {
  /** The element that is drawn into. */
  drawArea: HTMLElement;
}

/** What charts are drawn into: an element of the page, a surface of tfjs-vis, or the name of one. */
export type ChartContainer = HTMLElement | Surface | SurfaceInfo;

/** The class of each chart's `figure`, for the page's own style. */
const CHART = 'tfjs-decomposed-loss-chart';

/** @throws Error if the container is none. */
export function checkContainer(container: ChartContainer): void {
  const isObject = typeof container === 'object' && container !== null;
  if (isObject && ('nodeType' in container || 'drawArea' in container || typeof container.name === 'string')) return;
  throw new Error(
    `Expected \`container\` to be an element of the page, or a surface of tfjs-vis, got ${describe(container)}. ` +
      "Pass document.getElementById('charts'), or {name: 'Loss', tab: 'Training'}.",
  );
}

/** The charts of one training within a container: a figure each, with a title, in the order in which they first come. */
export class Figures {
  readonly #area: HTMLElement;
  readonly #isOnVisor: boolean;
  readonly #places = new Map<string, { figure: HTMLElement; place: HTMLElement }>();

  private constructor(area: HTMLElement, isOnVisor: boolean) {
    this.#area = area;
    this.#isOnVisor = isOnVisor;
    area.querySelectorAll(`.${CHART}`).forEach((chart) => chart.remove());
  }

  /** Takes away the charts of an earlier training. */
  static async within(container: ChartContainer): Promise<Figures> {
    if ('nodeType' in container) return new Figures(container, false);
    return new Figures('drawArea' in container ? container.drawArea : await surface(container), true);
  }

  /** Draws a chart in place of the last one with that title. */
  draw(title: string, make: (width: number) => SvgNode): void {
    const { figure, place } = this.#places.get(title) ?? this.#add(title);
    place.replaceChildren(element(make(place.clientWidth || figure.clientWidth || 400), place.ownerDocument));
  }

  #add(title: string): { figure: HTMLElement; place: HTMLElement } {
    const [figure, caption, place] = ['figure', 'figcaption', 'div'].map((tag) =>
      this.#area.ownerDocument.createElement(tag),
    ) as [HTMLElement, HTMLElement, HTMLElement];
    figure.className = CHART;
    figure.style.margin = '0 0 1rem';
    // The visor is white whatever the page is.
    if (this.#isOnVisor) Object.assign(figure.style, { color: '#111', colorScheme: 'light' });
    caption.textContent = title;
    caption.style.fontWeight = '600';
    figure.append(caption, place);
    this.#area.append(figure);
    this.#places.set(title, { figure, place });
    return { figure, place };
  }
}

async function surface(info: SurfaceInfo): Promise<HTMLElement> {
  const tfvis = await import('@tensorflow/tfjs-vis').catch((cause: unknown) => {
    throw new Error(
      `Expected \`@tensorflow/tfjs-vis\` to be installed for the surface '${info.name}', got: ${String(cause)}. ` +
        'Run `npm install @tensorflow/tfjs-vis`, or pass an element of the page as `container`.',
      { cause },
    );
  });
  return tfvis.visor().surface(info).drawArea;
}

function element({ tag, attributes, children }: SvgNode, owner: Document): SVGElement {
  const made = owner.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name !== 'xmlns') made.setAttribute(name, String(value));
  }
  made.append(...children.map((child) => (typeof child === 'string' ? child : element(child, owner))));
  return made;
}
