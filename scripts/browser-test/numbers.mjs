import assert from 'node:assert/strict';

/** How far a number of the page may be from that of tfjs-node, relative to it. */
const TOLERANCE = 1e-4;

/**
 * Compares numbers by epoch with those of tfjs-node.
 *
 * @param {Record<string, number[]>} actual - By log key.
 * @param {Record<string, number[]>} expected - By log key; its first epochs are compared.
 * @returns {number} How many numbers agree.
 */
export function compare(what, actual, expected) {
  let compared = 0;
  for (const [key, values] of Object.entries(actual)) {
    for (const [epoch, value] of values.entries()) {
      const target = expected[key][epoch];
      const error = Math.abs(value - target) / Math.abs(target);
      assert.ok(error <= TOLERANCE, `${what}, ${key} of epoch ${epoch + 1}: expected ${target}, got ${value}`);
      compared++;
    }
  }
  assert.ok(compared > 0, `${what}: expected numbers, got none`);
  return compared;
}

const COLUMNS = ['loss', 'data_loss', 'regularization_loss'];

/** The numbers in the example's table, by log key. */
export async function tableOf(page) {
  const rows = await page.locator('#rows tr').evaluateAll((all) =>
    all.map((row) => ({
      validation: row.className === 'new',
      values: [...row.cells].slice(2).map((cell) => Number(cell.textContent)),
    })),
  );
  const numbers = {};
  for (const { validation, values } of rows.reverse()) {
    COLUMNS.forEach((column, index) => {
      const key = validation ? (column === 'loss' ? 'val_total_loss' : `val_${column}`) : column;
      (numbers[key] ??= []).push(values[index]);
    });
  }
  return numbers;
}
