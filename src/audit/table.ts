/**
 * Rows of text in columns that are as wide as their widest cell, two spaces apart, the headings first.
 *
 * @param headings - One a column.
 * @param rows - Cells in the order of the headings.
 * @returns Lines without spaces at their ends.
 */
export function table(headings: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const all = [headings, ...rows].map((row) => row.map(printable));
  const widths = headings.map((_, column) => all.reduce((width, row) => Math.max(width, row[column]!.length), 0));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/**
 * The text on one line. Names come from files: what a terminal would act on, such as escapes and changes of direction, is
 * shown as JSON writes it, not sent.
 */
export const printable = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, unit) => `\\u${hex(character.charCodeAt(unit))}`).join(''),
  );

const hex = (unit: number): string => unit.toString(16).padStart(4, '0');
