import { list } from '../../util/arguments.js';
import { parseRecord, textCell } from './csv.js';

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
  /** The text of a row, its line break included, and of what must stand before it. */
  text(row: Row): string;
}

/** JSON has no other numbers than finite ones: the others become strings, which `Number` and Python's `float` read. */
const jsonValue = (value: number) => JSON.stringify(Number.isFinite(value) ? value : String(value));

/** An object a line, each with its own keys, in their order: an object of JavaScript would put names like `1` first. */
export class JsonLines implements Format {
  readonly start = '{"epoch":';
  readonly quotesLines = false;

  resume(): void {}

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

  text(row: Row): string {
    const names = [...row.keys()];
    const header = this.#columns ? '' : `${names.map(textCell).join(',')}\n`;
    this.#columns ??= names;
    this.#check(names, this.#columns);
    return `${header}${this.#columns.map((name) => row.get(name) ?? '').join(',')}\n`;
  }

  /** The first row that is appended must have the columns that are there; later ones may lack some, or have more. */
  #check(names: string[], columns: string[]): void {
    const added = names.filter((name) => !columns.includes(name));
    if (this.#isResumed) {
      const missing = columns.filter((name) => !names.includes(name));
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
    const unheard = added.filter((name) => !this.#leftOut.has(name));
    if (unheard.length === 0) return;
    unheard.forEach((name) => this.#leftOut.add(name));
    console.warn(
      `${list(unheard)} came up after the header of ${this.#where} was written, and so are left out. ` +
        "Use {format: 'jsonl'}, whose rows may differ.",
    );
  }
}
