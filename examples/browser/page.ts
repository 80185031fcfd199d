import type { RegularizationAudit } from 'tfjs-decomposed-loss/regularizers';
import type { Epoch, Parts } from './epoch.js';
import { shown, suggested } from './story.js';

/** An element of the page by its id. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`Expected the page to have a ${type.name} with the id ${id}.`);
}

/** A new element. */
export function make(tag: string, className: string, ...content: Array<string | Node>): HTMLElement {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...content);
  return element;
}

const number = (value: number | undefined): string => (value === undefined ? '–' : value.toFixed(3));

/** The two numbers that TensorFlow.js logs, and what they suggest. */
export function showTold(place: HTMLElement, epoch: Epoch | undefined): void {
  const entry = (name: string, value: number | undefined) =>
    make('span', 'told', make('code', '', name), make('b', '', number(value)));
  place.replaceChildren(
    make('p', 'numbers', entry('loss', epoch?.training.total), entry('val_loss', epoch?.validation?.data)),
    make('p', 'suggested', epoch ? suggested(epoch) : ''),
  );
}

/** The same epoch as `data + penalty = total`, with bars on one scale. */
export function showParts(place: HTMLElement, epoch: Epoch | undefined): void {
  const scale = Math.max(epoch?.training.total ?? 0, epoch?.validation?.total ?? 0);
  place.replaceChildren(
    ...sum('Training digits', epoch?.training, scale),
    ...sum('New digits', epoch?.validation, scale),
    make('p', 'shown', epoch ? shown(epoch) : ''),
  );
}

function sum(title: string, parts: Parts | undefined, scale: number): HTMLElement[] {
  const segment = (className: string, value: number | undefined) => {
    const element = make('span', className);
    element.style.width = `${((100 * (value ?? 0)) / (scale || 1)).toFixed(2)}%`;
    return element;
  };
  const bar = make('div', 'bar', segment('data', parts?.data), segment('penalty', parts?.penalty));
  bar.setAttribute('aria-hidden', 'true');
  const read = parts ? `${(100 * parts.accuracy).toFixed(0)} % read correctly` : '';
  const term = (name: string, value: number | undefined) =>
    make('span', name, make('small', '', `${name} `), make('b', '', number(value)));
  return [
    make('h3', '', title, make('small', '', ` ${read}`)),
    make(
      'p',
      'equation',
      term('data', parts?.data),
      '+',
      term('penalty', parts?.penalty),
      '=',
      term('total', parts?.total),
    ),
    bar,
  ];
}

/** One row for training and one for validation, the latest epoch first. */
export function addRows(body: HTMLElement, epoch: number, { training, validation }: Epoch): void {
  const rows: Array<[string, Parts | undefined]> = [
    ['training', training],
    ['new', validation],
  ];
  const made = rows.map(([name, parts]) => {
    const values = parts
      ? [parts.total, parts.data, parts.penalty].map((value) => value.toPrecision(6))
      : ['–', '–', '–'];
    const count = parts ? String(epoch) : `${epoch}, stopped`;
    return make('tr', name, ...[count, name, ...values].map((value) => make('td', '', value)));
  });
  body.prepend(...made);
}

/** Shows the audit: a sentence in `line`, and the findings, if any, in `card`. */
export function showAudit(line: HTMLElement, card: HTMLElement, audit: RegularizationAudit): void {
  const { regularizers, findings, warnings } = audit;
  const acting = regularizers - warnings;
  line.textContent =
    findings.length === 0
      ? `Audit: training applies all ${regularizers} regularizers.`
      : `Audit: training applies only ${acting} of ${regularizers} regularizers.`;
  card.hidden = findings.length === 0;
  card.replaceChildren(
    ...findings.map(({ code, layer, weight, declared, applied, severity }) =>
      make(
        'div',
        `finding ${severity}`,
        make('code', 'code', code),
        make('b', '', [layer, weight].filter((name) => name !== null).join('/')),
        make('span', '', `declared ${declared}, training applies ${applied}`),
      ),
    ),
    ...[...new Set(findings.map(({ remedy }) => remedy))].map((remedy) => make('p', 'remedy', ...withCode(remedy))),
  );
}

/** Text with `code` elements for what is between backticks. */
const withCode = (text: string): Array<string | Node> =>
  text.split('`').map((part, index) => (index % 2 === 1 ? make('code', '', part) : part));
