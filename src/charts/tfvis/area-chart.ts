/// <reference lib="dom" />
import type { Series } from './loss-history.js';
import { highest, largest, stackedAreas, ticks, type Frame } from '../stacked-areas.js';

/** Tableau's colours but the grey, told apart on white and on black; those like the lines' blue and orange come last. */
const COLORS = ['#76b7b2', '#b07aa1', '#edc948', '#e15759', '#59a14f', '#9c755f', '#4e79a7', '#f28e2b'];

/**
 * Draws a stacked area chart, which tfjs-vis has not, with a legend that gives the latest values. Text and axes have the
 * colour of the page's text.
 *
 * @param place - The element to draw into; what was in it goes.
 * @param series - One value an epoch each.
 * @param size - In pixels; `first` is the number of the first epoch.
 */
export function drawAreaChart(
  place: HTMLElement,
  series: readonly Series[],
  size: { width: number; height: number; first: number },
): void {
  const shown = largest(series, COLORS.length);
  const steps = ticks(highest(shown), 4);
  const max = steps.at(-1)!;
  const frame: Frame = { left: 52, right: size.width - 8, top: 8, bottom: size.height - 34 };
  const svg = element(place, 'svg', {
    viewBox: `0 0 ${size.width} ${size.height}`,
    width: size.width,
    height: size.height,
  });
  svg.setAttribute('style', 'display: block; max-width: 100%; height: auto; font: 11px sans-serif; fill: currentColor');
  for (const step of steps) {
    const y = frame.bottom - ((frame.bottom - frame.top) * step) / max;
    svg.append(
      element(place, 'line', { x1: frame.left, x2: frame.right, y1: y, y2: y, stroke: 'currentColor', opacity: 0.15 }),
      text(place, String(step), { x: frame.left - 6, y: y + 4, 'text-anchor': 'end' }),
    );
  }
  stackedAreas(shown, frame, max).forEach(({ path, name }, index) => {
    const area = element(place, 'path', { d: path, fill: COLORS[index]!, 'fill-opacity': 0.85 });
    const title = element(place, 'title', {});
    title.textContent = name;
    area.append(title);
    svg.append(area);
  });
  const { first } = size;
  const last = first + (shown[0]?.values.length ?? 1) - 1;
  const middle = (frame.left + frame.right) / 2;
  svg.append(
    text(place, String(first), { x: frame.left, y: frame.bottom + 14, 'text-anchor': 'middle' }),
    ...(last > first
      ? [text(place, String(last), { x: frame.right, y: frame.bottom + 14, 'text-anchor': 'end' })]
      : []),
    text(place, 'epoch', { x: middle, y: frame.bottom + 28, 'text-anchor': 'middle' }),
  );
  place.replaceChildren(svg, legend(place, shown));
}

function legend({ ownerDocument }: HTMLElement, series: readonly Series[]): HTMLElement {
  const list = ownerDocument.createElement('ul');
  list.style.cssText =
    'display: flex; flex-wrap: wrap; gap: 0.1rem 1rem; margin: 0.25rem 0 0; padding: 0; list-style: none; font: 12px sans-serif';
  series.forEach(({ name, values }, index) => {
    const entry = ownerDocument.createElement('li');
    const swatch = ownerDocument.createElement('span');
    swatch.style.cssText = `display: inline-block; width: 0.75em; height: 0.75em; margin-right: 0.4em; background: ${COLORS[index]!}`;
    entry.append(swatch, `${name} ${values.at(-1)!.toPrecision(3)}`);
    list.append(entry);
  });
  return list;
}

function text(place: HTMLElement, content: string, attributes: Attributes): SVGElement {
  const label = element(place, 'text', attributes);
  label.textContent = content;
  return label;
}

interface Attributes {
  [name: string]: string | number;
}

function element({ ownerDocument }: HTMLElement, name: string, attributes: Attributes): SVGElement {
  const made = ownerDocument.createElementNS('http://www.w3.org/2000/svg', name);
  Object.entries(attributes).forEach(([attribute, value]) => made.setAttribute(attribute, String(value)));
  return made;
}
