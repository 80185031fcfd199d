import { parseRecord } from '../callbacks/loss-logger/formats.js';
import { describe } from '../util/arguments.js';

/** What a log is before it is checked. */
export interface UnknownLogs {
  readonly [key: string]: unknown;
}

/**
 * The rows of the text that `lossLogger` wrote, as CSV or as JSON lines. A last line that is not complete, because the file
 * is being written or a crash cut it off, is left out.
 *
 * @throws Error if it is another text.
 */
export function readLog(text: string): UnknownLogs[] {
  const content = text.replace(/^\ufeff/, '');
  const lines = records(content, !content.startsWith('{'));
  const isEnded = content.endsWith('\n');
  const rows = content.startsWith('epoch,') ? csvRows(lines, isEnded) : jsonRows(lines, isEnded);
  if (rows !== undefined) return rows;
  throw new Error(
    "Expected `history` to be the text that `lossLogger` wrote, which begins with 'epoch,' or '{', got " +
      `${describe(content.slice(0, 40))}. Pass the content of the file: \`readFileSync(path, 'utf8')\`.`,
  );
}

function csvRows([header, ...lines]: readonly string[], isEnded: boolean): UnknownLogs[] {
  const names = parseRecord(header!);
  return lines.flatMap((line, index) => {
    const cells = parseRecord(line);
    if (cells.length < names.length && index === lines.length - 1 && !isEnded) return [];
    const values = cells.map((cell) => (cell === '' ? undefined : Number(cell)));
    const wrong = values.findIndex((value, place) => Number.isNaN(value) && cells[place] !== 'NaN');
    if (cells.length !== names.length || wrong >= 0) {
      const got = wrong >= 0 ? `${describe(cells[wrong])} for \`${names[wrong]}\`` : `${cells.length} cells`;
      throw new Error(
        `Expected row ${index + 1} of the log to have ${names.length} numbers, got ${got}. Pass the text as \`lossLogger\` wrote it.`,
      );
    }
    return [Object.fromEntries(names.map((name, place) => [name, values[place]]))];
  });
}

function jsonRows(lines: readonly string[], isEnded: boolean): UnknownLogs[] | undefined {
  if (lines[0]?.startsWith('{') !== true) return undefined;
  return lines.flatMap((line, index) => {
    try {
      return [JSON.parse(line) as UnknownLogs];
    } catch (error) {
      if (index === lines.length - 1 && !isEnded) return [];
      throw new Error(
        `Expected row ${index + 1} of the log to be an object of JSON, got ${describe(line.slice(0, 40))}. Pass the text as ` +
          '`lossLogger` wrote it.',
        { cause: error },
      );
    }
  });
}

/** The lines that are not empty; in CSV a line break within double quotes belongs to a cell. */
function records(text: string, quotesLines: boolean): string[] {
  const all: string[] = [];
  let isOpen = false;
  for (const line of text.split('\n')) {
    if (isOpen) all.push(`${all.pop()!}\n${line}`);
    else all.push(line);
    if (quotesLines && line.split('"').length % 2 === 0) isOpen = !isOpen;
  }
  return all.map((line) => line.replace(/\r$/, '')).filter((line) => line !== '');
}
