import { list } from '../../util/arguments.js';

/** One row: values by name, in the order of the columns. */
export type Row = ReadonlyMap<string, number>;

/** How rows become text. */
export interface Format {
  /** How every such text begins. */
  readonly start: string;
  /** Whether a line break within double quotes belongs to a cell. */
  readonly quotesLines: boolean;
  /** Takes up a file, by its first line; `undefined` where it is empty. */
  resume(firstLine: string | undefined): void;
  /** Whether a last line without a line end is a whole row of a file, which has this first line. */
  isRow(line: string, firstLine: string): boolean;
  /**
   * The text of a row, its line break included, and of what must come before it.
   *
   * @param announced - Of a row that lacks values because its epoch was cut short: the names that others will have.
   */
  text(row: Row, announced?: readonly string[]): string;
}

/** What makes a spreadsheet take a cell for a formula; the apostrophe itself too, so that no two names become one. */
const FORMULA = /^[=+\-@\t\r']/;

/** A text as one cell of a CSV file, by RFC 4180; an apostrophe keeps spreadsheets from computing it. */
function textCell(text: string): string {
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) || safe.trim() !== safe ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The texts of a record that `lossLogger` wrote, or a spreadsheet saved again. */
export function parseRecord(record: string): string[] {
  const cells = record.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g);
  return Array.from(cells, ([, quoted, plain]) => (quoted?.replaceAll('""', '"') ?? plain!).replace(/^'/, ''));
}

/** Whether a cell holds a whole number; one that was torn may end in a sign, a dot, or in the middle of a word. */
const isNumber = (cell: string): boolean => cell === 'NaN' || /(\d|Infinity)$/.test(cell.trim());

/** JSON has no other numbers than finite ones: the others become strings, which `Number` and Python's `float` read. */
const jsonValue = (value: number) => JSON.stringify(Number.isFinite(value) ? value : String(value));

/** An object a line, each with its own keys, in their order: an object of JavaScript would put names like `1` first. */
export class JsonLines implements Format {
  readonly start = '{"epoch":';
  readonly quotesLines = false;

  resume(): void {}

  isRow(line: string): boolean {
    try {
      return typeof JSON.parse(line) === 'object';
    } catch {
      return false;
    }
  }

  text(row: Row): string {
    return `{${Array.from(row, ([name, value]) => `${JSON.stringify(name)}:${jsonValue(value)}`).join(',')}}\n`;
  }
}

/** A header of names, then a line a row. */
export class Csv implements Format {
  readonly start = 'epoch,';
  readonly quotesLines = true;
  readonly #where: string;
  readonly #leftOut = new Set<string>();
  #columns: string[] | undefined;
  #isResumed = false;

  constructor(where: string) {
    this.#where = where;
  }

  resume(firstLine: string | undefined): void {
    this.#columns = firstLine === undefined ? undefined : parseRecord(firstLine);
    this.#isResumed = firstLine !== undefined;
  }

  isRow(line: string, firstLine: string): boolean {
    const cells = parseRecord(line);
    return cells.length === parseRecord(firstLine).length && isNumber(cells.at(-1)!);
  }

  text(row: Row, announced?: readonly string[]): string {
    const names = [...new Set([...row.keys(), ...(announced ?? [])])];
    const header = this.#columns ? '' : `${names.map(textCell).join(',')}\n`;
    this.#columns ??= names;
    this.#check(announced ? [...row.keys()] : names, this.#columns, announced !== undefined);
    return `${header}${this.#columns.map((name) => row.get(name) ?? '').join(',')}\n`;
  }

  /** The first row that is appended must have the columns that are there; later ones may lack some, or have more. */
  #check(names: string[], columns: string[], mayLack: boolean): void {
    const added = names.filter((name) => !columns.includes(name));
    if (this.#isResumed) {
      const missing = mayLack ? [] : columns.filter((name) => !names.includes(name));
      if (added.length + missing.length > 0) {
        const difference = [
          ...(missing.length > 0 ? [`this training lacks ${list(missing)}`] : []),
          ...(added.length > 0 ? [`the file lacks ${list(added)}`] : []),
        ];
        throw new Error(
          `Expected ${this.#where} to have the columns of this training, got others: ${difference.join(', and ')}. ` +
            "Choose another file, pass {append: false} to begin it anew, or use {format: 'jsonl'}, whose rows may differ.",
        );
      }
      this.#isResumed = false;
    }
    const late = added.filter((name) => !this.#leftOut.has(name));
    if (late.length === 0) return;
    late.forEach((name) => this.#leftOut.add(name));
    console.warn(
      `${list(late)} came up after the header of ${this.#where} was written, and so are left out. ` +
        "Use {format: 'jsonl'}, whose rows may differ.",
    );
  }
}
