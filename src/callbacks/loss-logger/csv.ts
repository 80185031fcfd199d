/** What makes a spreadsheet take a cell for a formula; the apostrophe itself too, so that no two names become one. */
const FORMULA = /^[=+\-@\t\r']/;

/** A text as one cell of a CSV file, by RFC 4180; an apostrophe keeps spreadsheets from computing it. */
export function textCell(text: string): string {
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) || safe.trim() !== safe ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The texts of a record that `textCell` wrote, or a spreadsheet saved again. */
export function parseRecord(record: string): string[] {
  const cells = record.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g);
  return Array.from(cells, ([, quoted, plain]) => (quoted?.replaceAll('""', '"') ?? plain!).replace(/^'/, ''));
}
