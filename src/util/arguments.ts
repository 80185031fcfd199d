import { Tensor } from '@tensorflow/tfjs-core';

/** One tensor, one a model's input or output in their order, or one a name. First dimension: the batch. */
export type NamedTensors = Tensor | Tensor[] | { [name: string]: Tensor };

/** The weight of each class in the loss, by class index. */
export interface ClassWeight {
  [classIndex: number]: number;
}

/** Class weights of a model with one output, or of each output in their order or by name, as in `model.fit`. */
export type ClassWeights = ClassWeight | ClassWeight[] | { [outputName: string]: ClassWeight };

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

/**
 * Refuses what a function does not know: a misspelt name would silently have no effect.
 *
 * @param caller - The public function whose arguments they are.
 * @throws Error if `args` is not an object, or has another member than `names`.
 */
export function checkArguments(caller: string, args: object, names: readonly string[]): void {
  if (typeof args !== 'object' || args === null) {
    throw new Error(
      `Expected the arguments of \`${caller}\` to be an object with ${list(names)}, got ${describe(args)}. Pass {}, or leave it out.`,
    );
  }
  const unknown = Object.keys(args).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new Error(`Expected the arguments ${list(names)} of \`${caller}\`, got \`${unknown}\`. Use one of those.`);
  }
}

/**
 * Checks that `x` or `y` is a tensor, an array of them, or an object of them by name, and not empty.
 *
 * @throws Error that names the argument.
 */
export function checkData(caller: string, name: 'x' | 'y', data: unknown): void {
  const tensors =
    data instanceof Tensor ? [data] : typeof data === 'object' && data !== null ? Object.values(data) : [];
  if (tensors.length === 0 || !tensors.every((tensor) => tensor instanceof Tensor)) {
    throw new Error(
      `Expected \`${name}\` of \`${caller}\` to be a tensor, an array of tensors, or an object of tensors by name, got ${describe(data)}. ` +
        'Make tensors of it, for example with `tf.tensor`.',
    );
  }
  const [first] = tensors as [Tensor];
  if (first.shape[0] === 0) {
    throw new Error(
      `Expected \`${name}\` of \`${caller}\` to hold at least one sample, got an empty batch of shape [${first.shape}]. Leave empty batches out.`,
    );
  }
}

/** What an option is to be, in words, and whether a value is that. */
export type OptionCheck = readonly [expected: string, holds: (value: unknown) => boolean];

/**
 * Checks the options of a function by a table; one that is left out, or `undefined`, is always right.
 *
 * @throws Error that names the option, also one that is not in the table.
 */
export function checkOptions<Args extends object>(
  caller: string,
  args: Args,
  checks: { readonly [Name in keyof Args]-?: OptionCheck },
): void {
  checkArguments(caller, args, Object.keys(checks));
  for (const [name, [expected, holds]] of Object.entries<OptionCheck>(checks)) {
    const value: unknown = args[name as keyof Args];
    if (value === undefined || holds(value)) continue;
    throw new Error(
      `Expected \`${name}\` of \`${caller}\` to be ${expected}, got ${describe(value)}. Pass such a value, or leave it out.`,
    );
  }
}

/** An option that is checked elsewhere. */
export const ANYTHING: OptionCheck = ['', () => true];

export const FLAG: OptionCheck = ['true or false', (value) => typeof value === 'boolean'];

export const COUNT: OptionCheck = ['an integer from 0', (value) => Number.isInteger(value) && (value as number) >= 0];

export const NOT_NEGATIVE: OptionCheck = [
  'a finite number, 0 or more',
  (value) => Number.isFinite(value) && (value as number) >= 0,
];

/** One of some texts. */
export const oneOf = (...choices: string[]): OptionCheck => [
  `${choices.slice(0, -1).map(describe).join(', ')} or ${describe(choices.at(-1))}`,
  (value) => choices.includes(value as string),
];
