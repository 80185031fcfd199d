import type { Epoch } from './epoch.js';
import { make } from './page.js';

/** Where the slider was moved: after that many epochs, to that coefficient. */
interface Mark {
  after: number;
  label: string;
}

const [LEFT, TOP, BOTTOM] = [34, 22, 22];

/** The live picture: data loss and penalty stacked, their sum being the total; new digits as a dashed line. */
export class Picture {
  readonly #place: HTMLElement;
  #epochs: readonly Epoch[] = [];
  #marks: Mark[] = [];
  #length = 1;

  constructor(place: HTMLElement) {
    this.#place = place;
    new ResizeObserver(() => this.#draw()).observe(place);
  }

  /** Starts over, for a run of that many epochs. */
  begin(length: number): void {
    [this.#epochs, this.#marks, this.#length] = [[], [], length];
    this.#draw();
  }

  show(epochs: readonly Epoch[]): void {
    this.#epochs = epochs;
    this.#draw();
  }

  /** Marks where the slider is moved; of several moves within an epoch the last counts. */
  mark(label: string): void {
    const after = this.#epochs.length;
    this.#marks = [...this.#marks.filter((mark) => mark.after !== after), { after, label }];
    this.#draw();
  }

  #draw(): void {
    const [width, height] = [this.#place.clientWidth, this.#place.clientHeight];
    const values = this.#epochs.map(({ training, validation }) => ({ ...training, unseen: validation?.data }));
    const highest = Math.max(...values.flatMap(({ total, unseen }) => [total, unseen ?? 0]), 0.5);
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find((one) => highest / one <= 4.5) ?? highest / 4;
    const x = (epoch: number) => LEFT + ((width - LEFT - 8) * (epoch - 1)) / Math.max(1, this.#length - 1);
    const y = (value: number) => height - BOTTOM - ((height - TOP - BOTTOM) * value) / highest;
    const line = (of: (one: (typeof values)[number]) => number | undefined) =>
      values.flatMap((one, index) => (of(one) === undefined ? [] : [`${x(index + 1)},${y(of(one)!)}`]));
    const [floor, data, total] = [line(() => 0).reverse(), line((one) => one.data), line((one) => one.total)];
    const unseen = line((one) => one.unseen);

    const ticks = Array.from({ length: Math.floor(highest / step) + 1 }, (_, index) => index * step);
    const svg = element('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': this.#described() });
    svg.append(
      hatch(),
      ...ticks.flatMap((value) => [
        element('path', { class: 'grid', d: `M${LEFT},${y(value)}H${width - 8}` }),
        text(String(Number(value.toFixed(1))), { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }),
      ]),
      text('1', { x: LEFT, y: height - 5 }),
      text('epoch', { x: (LEFT + width) / 2, y: height - 5, 'text-anchor': 'middle' }),
      text(String(this.#length), { x: width - 8, y: height - 5, 'text-anchor': 'end' }),
      element('polygon', { class: 'data-area', points: [...data, ...floor].join(' ') }),
      element('polygon', { class: 'penalty-area', points: [...total, ...[...data].reverse()].join(' ') }),
      element('polygon', { fill: 'url(#hatch)', points: [...total, ...[...data].reverse()].join(' ') }),
      element('polyline', { class: 'data-line', points: data.join(' ') }),
      element('polyline', { class: 'halo', points: unseen.join(' ') }),
      element('polyline', { class: 'total-line', points: total.join(' ') }),
      element('polyline', { class: 'data-line unseen', points: unseen.join(' ') }),
      ...this.#marks.flatMap(({ after, label }, index) => {
        const place = x(after + 0.5);
        const next = this.#marks[index + 1];
        const isCrowded = next !== undefined && x(next.after) - x(after) < 70;
        return [
          element('path', { class: 'mark', d: `M${place},${TOP - 6}V${height - BOTTOM}` }),
          ...(isCrowded
            ? []
            : [text(label, { x: place, y: 12, 'text-anchor': place > width - 60 ? 'end' : 'middle' })]),
        ];
      }),
    );
    this.#place.replaceChildren(svg);
  }

  #described(): string {
    const last = this.#epochs.at(-1)?.training;
    if (!last) return 'The loss by epoch. Nothing has been trained yet.';
    const [data, penalty, total] = [last.data, last.penalty, last.total].map((value) => value.toFixed(3));
    const marks = this.#marks.map(({ after, label }) => ` After epoch ${after}: ${label}.`).join('');
    return `The loss by epoch. In epoch ${this.#epochs.length}, data ${data} plus penalty ${penalty} is ${total}.${marks}`;
  }
}

/** The picture's last epoch as an equation, which is its legend too. */
export function showEquation(place: HTMLElement, epoch: Epoch | undefined): void {
  const number = (value: number | undefined) => make('b', '', value === undefined ? '–' : value.toFixed(3));
  const { training, validation } = epoch ?? {};
  place.replaceChildren(
    make('span', 'key data', 'data ', number(training?.data)),
    ' + ',
    make('span', 'key penalty', 'penalty ', number(training?.penalty)),
    ' = ',
    make('span', 'key total', 'total ', number(training?.total)),
    make('span', 'key unseen', 'data, new digits ', number(validation?.data)),
  );
}

/** Stripes, which tell the penalty from the data loss without relying on colour. */
function hatch(): SVGElement {
  const pattern = element('pattern', { id: 'hatch', width: 6, height: 6, patternUnits: 'userSpaceOnUse' });
  pattern.append(element('path', { class: 'stripe', d: 'M0,6L6,0' }));
  return pattern;
}

function text(content: string, attributes: Record<string, string | number>): SVGElement {
  const label = element('text', attributes);
  label.textContent = content;
  return label;
}

function element(name: string, attributes: Record<string, string | number>): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, String(value));
  return made;
}
