import fc from 'fast-check';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Path = Array<string | number>;

/** A change of a value somewhere in a file, of the whole file, or of its text. */
type Mutation = (json: Json) => Json;

const isObject = (value: Json | undefined): value is { [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Every place in a value. */
function places(value: Json, at: Path = []): Path[] {
  if (Array.isArray(value)) return [at, ...value.flatMap((inner, index) => places(inner, [...at, index]))];
  return isObject(value) ? [at, ...Object.entries(value).flatMap(([key, inner]) => places(inner, [...at, key]))] : [at];
}

/** The value with `change` applied to one place in it. */
function changed(value: Json, [key, ...rest]: Path, change: (inner: Json) => Json): Json {
  if (key === undefined) return change(value);
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as { [key: string]: Json };
  copy[key] = changed(copy[key]!, rest, change);
  return copy;
}

const valueAt = (json: Json, path: Path): Json =>
  path.reduce<Json>((value, key) => (value as { [key: string]: Json })[key]!, json);

/** One of the places that `is` allows; the mutation does nothing where there is none. */
const somewhere = (is: (value: Json, path: Path) => boolean, change: (value: Json, json: Json) => Json) =>
  fc.nat().map((choice): Mutation => (json) => {
    const allowed = places(json).filter((path) => is(valueAt(json, path), path));
    const path = allowed[choice % Math.max(allowed.length, 1)];
    return path === undefined ? json : changed(json, path, (value) => change(value, json));
  });

const any = () => true;
const isContainer = (value: Json) => typeof value === 'object' && value !== null && Object.keys(value).length > 0;

const strange: Json[] = [
  ...[null, true, false, -1, 0, 0.5, 1e9, 1e15, 1e300, -1e300, 2 ** 31, 2 ** 53],
  ...['', 'NaN', 'Infinity', '-1', '__proto__', 'constructor', 'toString', '../x', 'l1l2', 'relu', 'InputLayer'],
  ...[
    '\u001b[2J\u001b]0;x\u0007',
    '\u009b31m',
    '\u202egnp.x\u2066',
    '\u2028',
    '\ud800',
    '\u{e0041}',
    'é',
    'x'.repeat(60_000),
  ],
  ...[[], {}, [[]], [[[]]], [null], [1e9], { class_name: 'Dense', config: {} }, { class_name: 'L2', config: null }],
];

const deep = (levels: number, object: boolean, inner: Json): Json =>
  levels === 0 ? inner : object ? { config: deep(levels - 1, object, inner) } : [deep(levels - 1, object, inner)];

const isReference = (value: Json) => Array.isArray(value) && typeof value[0] === 'string' && value.length >= 3;

/** The names of all layers, and some that none has. */
const names = (json: Json): Json[] => [
  ...places(json).flatMap((path) => (path.at(-1) === 'name' ? [valueAt(json, path)] : [])),
  ...['nobody', '__proto__', 'toString', ''],
];

const pick = <T>(list: readonly T[], choice: number): T => list[choice % list.length]!;

const rewired = fc
  .tuple(fc.nat(), fc.nat(7), fc.constantFrom<Json>(0, 1, 2, 7, -1, 0.5, 1e9, '0', null))
  .chain(([name, what, index]) =>
    somewhere(isReference, (value, json) => {
      const [layer, call, output, ...others] = value as Json[];
      if (what < 4) return [pick(names(json), name), call!, output!, ...others];
      if (what < 6) return [layer!, index, output!, ...others];
      return what === 6 ? [layer!, call!, index, ...others] : [pick(names(json), name), index, index];
    }),
  );

/** Mutations, each as likely as the others. */
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  // Delete.
  fc.nat().chain((choice) =>
    somewhere(isContainer, (value) => {
      if (Array.isArray(value)) return value.filter((_, index) => index !== choice % value.length);
      const gone = pick(Object.keys(value as object), choice);
      return Object.fromEntries(Object.entries(value as object).filter(([key]) => key !== gone));
    }),
  ),
  // Duplicate.
  fc.tuple(fc.nat(), fc.nat(3)).chain(([choice, times]) =>
    somewhere(isContainer, (value) => {
      if (Array.isArray(value)) return [...value, ...Array.from({ length: times + 1 }, () => pick(value, choice))];
      const key = pick(Object.keys(value as object), choice);
      const alias = pick(
        [key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()), `${key}_`, `_${key}`],
        times,
      );
      return { ...(value as object), [alias]: (value as { [key: string]: Json })[key]! };
    }),
  ),
  // Retype.
  fc.constantFrom(...strange).chain((by) => somewhere(any, () => by)),
  fc
    .constantFrom<(value: Json) => Json>(
      (value) => (typeof value === 'object' ? JSON.stringify(value) : String(value)),
      Number,
      (value) => [value],
      (value) => ({ value }),
      (value) => JSON.stringify(value),
    )
    .chain((retype) => somewhere(any, (value) => retype(value) ?? null)),
  // Rename a key.
  fc
    .tuple(fc.nat(), fc.constantFrom('name', 'config', 'layers', 'constructor', '__proto__', 'inboundNodes', 'x'))
    .chain(([choice, name]) =>
      somewhere(isObject, (value) => {
        const key = pick(Object.keys(value as object), choice);
        return Object.fromEntries(
          Object.entries(value as object).map(([one, inner]) => [one === key ? name : one, inner]),
        );
      }),
    ),
  // Reorder.
  somewhere(Array.isArray, (value) => [...(value as Json[])].reverse()),
  fc.nat().chain((by) =>
    somewhere(Array.isArray, (value) => {
      const list = value as Json[];
      return list.length === 0 ? list : [...list.slice(by % list.length), ...list.slice(0, by % list.length)];
    }),
  ),
  // Nest.
  fc
    .tuple(fc.constantFrom(1, 3, 60, 190, 300), fc.boolean())
    .chain(([levels, object]) => somewhere(any, (value) => deep(levels, object, value))),
  // A layer within itself, models within models.
  fc.nat().chain((choice) =>
    somewhere(any, (_, json) => {
      const layers = places(json).filter(
        (path) => path.length > 0 && isObject(valueAt(json, path)) && 'class_name' in (valueAt(json, path) as object),
      );
      return layers.length === 0 ? null : valueAt(json, pick(layers, choice));
    }),
  ),
  // Sizes.
  fc.constantFrom<Json>(1e9, 1e15, 1e300, 0, -3, 2.5, '7', null, [1e9], [1e9, 1e9], true).chain((size) =>
    somewhere(
      (value, path) => typeof value === 'number' && path.length > 0,
      () => size,
    ),
  ),
  // Texts.
  fc.constantFrom('\u001b[31m', '\u009b2J', '\u202e', '\u2066', '\ufeff', '\u0000', '\n', '"', '\\').chain((control) =>
    somewhere(
      (value) => typeof value === 'string',
      (value) => `${control}${value as string}`,
    ),
  ),
  fc
    .constantFrom<Json>(
      'Sequential',
      'Functional',
      'Model',
      'Bidirectional',
      'RNN',
      'InputLayer',
      'Lambda',
      'L2',
      'Zeros',
      'LSTM',
      'Concatenate',
      'toString',
    )
    .chain((type) =>
      somewhere(
        (_, path) => path.at(-1) === 'class_name',
        () => type,
      ),
    ),
  rewired,
  rewired,
);

/** What happens to the text. */
const spoilt: fc.Arbitrary<(text: Buffer) => Buffer> = fc.oneof(
  { weight: 30, arbitrary: fc.constant((text: Buffer) => text) },
  { weight: 1, arbitrary: fc.nat().map((length) => (text: Buffer) => text.subarray(0, length % text.length)) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.nat(), fc.nat(255)).map(([at, byte]) => (text: Buffer) => {
      const copy = Buffer.from(text);
      copy[at % copy.length] = byte;
      return copy;
    }),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('NaN', 'Infinity', '-Infinity', '1e999', '-0', '01', '"\\ud800"', 'undefined', '{"a":1,"a":2}')
      .map(
        (by) => (text: Buffer) => Buffer.from(text.toString().replace(/:(true|false|null|[\d.e-]+)(?=[,}])/, `:${by}`)),
      ),
  },
);

/** Files that were models before something happened to them. */
export const mutatedFile = (models: readonly Json[]): fc.Arbitrary<Buffer> =>
  fc
    .tuple(fc.constantFrom(...models), fc.array(mutation, { minLength: 1, maxLength: 4 }), spoilt)
    .map(([model, mutations, spoil]) =>
      spoil(Buffer.from(JSON.stringify(mutations.reduce((json, mutate) => mutate(json), model)) ?? '')),
    );
