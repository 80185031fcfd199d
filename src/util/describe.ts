/** A value as the error messages name it: short, with its type where the value does not show it. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'symbol') return value.toString();
  if (typeof value !== 'object') return `${value as number} (${typeof value})`;
  const type = (value.constructor as { name: string } | undefined)?.name;
  return type === undefined || type === 'Object' ? `an object with ${keys(value)}` : `a ${type}`;
}

const keys = (value: object): string => list(Object.keys(value)) || 'no keys';

/** Names in backticks, separated by commas. */
export const list = (names: Iterable<string>): string => Array.from(names, (name) => `\`${name}\``).join(', ');
