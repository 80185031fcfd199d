/// <reference lib="dom" />
import { visor } from '@tensorflow/tfjs-vis';
import { describe } from '../../util/arguments.js';

/** Where charts are drawn in tfjs-vis's visor: on a surface of that name, on that tab. */
export interface SurfaceInfo {
  /** The surface's name, which stands above it. */
  name: string;
  /** The tab that it is on. Default: tfjs-vis's own. */
  tab?: string | undefined;
  /** Its size, in CSS. Default: tfjs-vis's own. */
  styles?: { [size in 'width' | 'height' | 'maxWidth' | 'maxHeight']?: string | undefined } | undefined;
}

/** A surface that `tfvis.visor().surface(…)` made. */
export interface Surface {
  /** The element that is drawn into. */
  drawArea: HTMLElement;
}

/** What tfjs-vis draws into: an element of the page, a surface that it made, or the name of one. */
export type ChartContainer = HTMLElement | Surface | SurfaceInfo;

/** The class of each chart's `figure`, for the page's own style. */
const CHART = 'tfjs-decomposed-loss-chart';

/** Text on the visor, which is white whatever the page is. */
const VISOR_TEXT = '#111';

/** The charts of one training within a container: a figure each, with a title, in the order in which they are asked for. */
export class Panel {
  readonly #area: HTMLElement;
  readonly #color: string;
  readonly #places = new Map<string, HTMLElement>();

  /**
   * Takes away the charts of an earlier training.
   *
   * @throws Error if the container is none.
   */
  constructor(container: ChartContainer) {
    this.#area = drawArea(container);
    this.#color = 'nodeType' in container ? '' : VISOR_TEXT;
    this.#area.querySelectorAll(`.${CHART}`).forEach((chart) => chart.remove());
  }

  /** The element for the chart with that title. */
  place(title: string): HTMLElement {
    const known = this.#places.get(title);
    if (known) return known;
    const make = (tag: string): HTMLElement => this.#area.ownerDocument.createElement(tag);
    const [figure, caption, image, place] = [make('figure'), make('figcaption'), make('div'), make('div')];
    figure.className = CHART;
    figure.style.margin = '0 0 1rem';
    figure.style.color = this.#color;
    caption.textContent = title;
    caption.style.cssText = 'font-weight: 600; margin-bottom: 0.25rem';
    image.append(place);
    figure.append(caption, image);
    this.#area.append(figure);
    this.#places.set(title, place);
    return place;
  }

  /** Says in words what a chart shows. Vega, which draws for tfjs-vis, sets the role of the element that it draws into. */
  label(title: string, words: string): void {
    const image = this.#places.get(title)!.parentElement!;
    image.setAttribute('role', 'img');
    image.setAttribute('aria-label', words);
  }
}

function drawArea(container: ChartContainer): HTMLElement {
  if (typeof container === 'object' && container !== null) {
    if ('nodeType' in container) return container;
    if ('drawArea' in container) return container.drawArea;
    if (typeof container.name === 'string') {
      return visor().surface(container).drawArea;
    }
  }
  throw new Error(
    `Expected \`container\` to be an element of the page, or a surface of tfjs-vis, got ${describe(container)}. ` +
      "Pass document.getElementById('charts'), or {name: 'Loss', tab: 'Training'}.",
  );
}
