import type { RegularizationAudit } from 'tfjs-decomposed-loss/regularizers';

/** The parts of the loss of one epoch, on the training or the validation digits. */
export interface Parts {
  total: number;
  data: number;
  penalty: number;
  /** The share of digits that were read well. */
  accuracy: number;
}

/** An element of the page by its id. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`Expected the page to have a ${type.name} with the id ${id}.`);
}

function make(tag: string, className: string, ...content: Array<string | Node>): HTMLElement {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...content);
  return element;
}

/** `total = data + penalty`, with a bar; `scale` is the total that fills it. */
export function showSum(place: HTMLElement, title: string, parts: Parts | undefined, scale: number): void {
  const number = (value: number | undefined) => (value === undefined ? '–' : value.toFixed(4));
  const share = (value: number | undefined) => `${((100 * (value ?? 0)) / scale).toFixed(2)}%`;
  const segment = (className: string, value: number | undefined) => {
    const element = make('span', className);
    element.style.width = share(value);
    return element;
  };
  const bar = make('div', 'bar', segment('data', parts?.data), segment('penalty', parts?.penalty));
  bar.setAttribute('aria-hidden', 'true');
  const reads = parts ? ` reads ${(100 * parts.accuracy).toFixed(0)} % well` : '';
  place.replaceChildren(
    make('h3', '', title, make('small', '', reads)),
    make(
      'p',
      'equation',
      make('span', 'total', make('b', '', number(parts?.total)), 'total'),
      make('i', '', '='),
      make('span', 'data', make('b', '', number(parts?.data)), 'data'),
      make('i', '', '+'),
      make('span', 'penalty', make('b', '', number(parts?.penalty)), 'penalty'),
    ),
    bar,
  );
}

/** One row for training and one for validation, the latest epoch first. */
export function addRows(body: HTMLElement, epoch: number, rows: Array<[string, Parts | undefined]>): void {
  const made = rows.map(([name, parts]) => {
    const values = parts
      ? [parts.total, parts.data, parts.penalty].map((value) => value.toPrecision(6))
      : ['–', '–', '–'];
    const number = parts ? String(epoch + 1) : `${epoch + 1}, stopped`;
    const row = make('tr', '', ...[number, name, ...values].map((value) => make('td', '', value)));
    row.dataset['digits'] = name;
    return row;
  });
  body.prepend(...made);
}

/** The audit: a sentence, then a box for each finding. */
export function showAudit(place: HTMLElement, audit: RegularizationAudit): void {
  const { regularizers, findings, warnings } = audit;
  const summary =
    findings.length === 0
      ? `Yes: training adds the penalty of all ${regularizers} regularizers.`
      : `Of ${regularizers} regularizers, ${warnings} ${warnings === 1 ? 'does' : 'do'} not act as declared.`;
  const remedies = [...new Set(findings.map(({ remedy }) => remedy))];
  place.replaceChildren(
    make('p', findings.length === 0 ? 'verdict good' : 'verdict bad', summary),
    ...findings.map(({ code, layer, weight, declared, applied, severity }) =>
      make(
        'div',
        `finding ${severity}`,
        make('code', 'code', code),
        make('b', '', [layer, weight].filter((name) => name !== null).join('/')),
        make('span', '', `declared ${declared}, training applies ${applied}`),
      ),
    ),
    ...remedies.map((remedy) => make('p', 'remedy', ...withCode(remedy))),
  );
}

/** Text with elements for what stands between backticks. */
const withCode = (text: string): Array<string | Node> =>
  text.split('`').map((part, index) => (index % 2 === 1 ? make('code', '', part) : part));
