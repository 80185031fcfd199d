import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tf } from '../helpers/backend';
import { expectSentence, run, temporaryModel } from './command';
import { audited } from './fuzz/audited';

const file = temporaryModel();

beforeAll(() => tf.setBackend('cpu'));

type Call = unknown[][];
interface Entry {
  name: string;
  class_name: unknown;
  config: { [key: string]: unknown };
  inbound_nodes: unknown;
}

const l2 = { class_name: 'L2', config: { l2: 0.1 } };

const input = (name: string, shape: unknown[] = [null, 2]): Entry => ({
  name,
  class_name: 'InputLayer',
  config: { name, batch_input_shape: shape, dtype: 'float32', sparse: false },
  inbound_nodes: [],
});

const dense = (name: string, calls: Call[], config: object = {}): Entry => ({
  name,
  class_name: 'Dense',
  config: { name, units: 2, activation: 'linear', kernel_regularizer: l2, ...config },
  inbound_nodes: calls,
});

const functional = (layers: Entry[], output: unknown[] = ['a', 0, 0], name = 'm') => ({
  class_name: 'Functional',
  config: { name, layers, input_layers: [['x', 0, 0]], output_layers: [output] },
});

const a = (config: object = {}, more: object = {}) =>
  functional([input('x'), { ...dense('a', [[['x', 0, 0, {}]]], config), ...more }]);

const audit = (topology: unknown) => {
  file.write({ modelTopology: topology });
  return run('audit', file.path);
};

it('a model in Keras’s form, the one that the others are made from', async () => {
  const { code, out } = await audit(a());
  expect({ code, out }).toEqual({ code: 0, out: 'Regularization of `m`: 1 regularizer, no findings.\n' });
});

/** What is wrong, the topology, and what the sentence says about it. In TensorFlow.js the first ones wait for ever. */
const BROKEN: ReadonlyArray<[string, unknown, string]> = [
  [
    'a cycle',
    functional([input('x'), dense('a', [[['b', 0, 0]]]), dense('b', [[['a', 0, 0]]])]),
    '`inbound_nodes` of layer `a` in FILE to name inputs that do not depend on it, got [["b",0,0]]',
  ],
  [
    'a layer that waits for itself',
    a({}, { inbound_nodes: [[['a', 0, 0]]] }),
    'got [["a",0,0]], which is part of a cycle',
  ],
  [
    'a layer that does not exist',
    a({}, { inbound_nodes: [[['y', 0, 0]]] }),
    '`inbound_nodes` of layer `a` in FILE to name layers of that model, got `y`',
  ],
  [
    'a call that does not exist',
    a({}, { inbound_nodes: [[['x', 1, 0]]] }),
    '`inbound_nodes` of layer `a` in FILE to name a call that exists, got ["x",1,0], where `x` has 1',
  ],
  ['a call before the first', a({}, { inbound_nodes: [[['x', -1, 0]]] }), 'inputs such as ["dense", 0, 0]'],
  ['a call that is no number', a({}, { inbound_nodes: [[['x', '0x1', 0]]] }), 'inputs such as ["dense", 0, 0]'],
  [
    'two names for a layer',
    a({}, { name: 'b' }),
    '`name` in the `config` of layer `b` in FILE to be the same, got "a"',
  ],
  [
    'a name that two layers have',
    functional([input('x'), dense('a', [[['x', 0, 0]]]), dense('a', [[['a', 1, 0]]])]),
    'each `name` of a layer in FILE once, got `a` twice',
  ],
  [
    'a cycle under another spelling of the key',
    a({}, { inbound__nodes: [[['a', 0, 0]]] }),
    '`inbound_nodes` of layer `a` in FILE once, got it again as `inbound__nodes`',
  ],
  [
    'a cycle within what should be a regularizer',
    a({ kernel_regularizer: a({}, { inbound_nodes: [[['a', 0, 0]]] }) }),
    '`kernel_regularizer` of layer `a` in FILE to be L1, L2 or L1L2',
  ],
  [
    'an output that does not exist',
    a({}, { inbound_nodes: [[['x', 0, 1]]] }),
    '`inbound_nodes` of layer `a` in FILE to name an output that exists, got ["x",0,1], where `x` has 1',
  ],
  [
    'no calls',
    a({}, { inbound_nodes: null }),
    '`inbound_nodes` of layer `a` in FILE to be a list of its calls, got null',
  ],
  ['a call without a list', a({}, { inbound_nodes: ['x'] }), 'to have a list of inputs for each call, got "x"'],
  [
    'an output of the model that is no layer of it',
    functional([input('x'), dense('a', [[['x', 0, 0]]])], ['b', 0, 0]),
    '`output_layers` of model `m` in FILE to name layers of that model, got `b`',
  ],
  [
    'an output of the model that is no list',
    functional([input('x'), dense('a', [[['x', 0, 0]]])], 'a' as never),
    '`output_layers` of model `m` in FILE to have inputs such as',
  ],
  [
    'no inputs',
    { ...a(), config: { ...a().config, input_layers: [] } },
    '`input_layers` of model `m` in FILE to be a list',
  ],
  [
    'an input that is none',
    { ...a(), config: { ...a().config, input_layers: [['a', 0, 0]] } },
    '`input_layers` of model `m` in FILE to name layers of class InputLayer, got `a`',
  ],
  ['no layers', { ...a(), config: { name: 'm' } }, '`layers` of model `m` in FILE to be a list, got nothing'],
  [
    'a layer that is no object',
    functional([input('x'), 7 as never]),
    '`layers[1]` of model `m` in FILE to be a layer, got 7',
  ],
  [
    'a class that nobody has',
    a({}, { class_name: 'Dance' }),
    '`class_name` of layer `a` in FILE to be a layer of TensorFlow.js, got "Dance"',
  ],
  ['a class of JavaScript', a({}, { class_name: 'toString' }), '`class_name` of layer `a` in FILE to be a layer'],
  [
    'a wrapper without a layer',
    a({}, { class_name: 'TimeDistributed' }),
    '`layer` of layer `a` in FILE to be a layer, got nothing',
  ],
  [
    'a name that is none',
    { class_name: 'Sequential', config: { layers: [{ ...dense('a', []), config: { name: { x: 1 } } }] } },
    '`name` of `layers[0]` of the model in FILE to be a text',
  ],
  [
    'a name of JavaScript',
    functional([input('toString')]),
    '`name` of each layer in FILE to be a name, got "toString"',
  ],
  [
    'a regularizer that nobody has',
    a({ kernel_regularizer: { class_name: 'L3', config: {} } }),
    'layer `a` (Dense) in FILE to be one that TensorFlow.js can load, got this from it: Unknown regularizer: L3.',
  ],
  [
    'a regularizer with text for a number',
    a({ kernel_regularizer: { class_name: 'L2', config: { l2: 'x' } } }),
    '`kernel_regularizer` of layer `a` in FILE to be',
  ],
  ['a layer as regularizer', a({ kernel_regularizer: 'Flatten' }), '`kernel_regularizer` of layer `a` in FILE to be'],
  ['a model as initializer', a({ kernel_initializer: a() }), '`kernel_initializer` of layer `a` in FILE to be a name'],
  ['units of text', a({ units: 'many' }), '`units` of layer `a` in FILE to be a whole number above 0, got "many"'],
  ['units of 1e300', a({ units: 1e300 }), '`units` of layer `a` in FILE to be a whole number above 0, got 1e+300'],
  ['units of NaN', a({ units: 'NaN' }), '`units` of layer `a` in FILE to be a whole number'],
  [
    'no units',
    a({ units: null }),
    'layer `a` (Dense) in FILE to be one that TensorFlow.js can load, got this from it: Expected units',
  ],
  [
    'an input of unknown size',
    functional([input('x', [null, null]), dense('a', [[['x', 0, 0]]])]),
    'layer `a` (Dense) in FILE to be one that TensorFlow.js can load, got this from it: its sizes and its input give the weight kernel the shape [null, 2].',
  ],
  [
    'a long text',
    a({ activation: 'x'.repeat(60_000) }),
    '`activation` of layer `a` in FILE to be a text of at most 50000 characters, got 60000',
  ],
  [
    'a long name',
    functional([input('x'), dense('n'.repeat(300), [[['x', 0, 0]]])], ['n'.repeat(300), 0, 0]),
    '`name` of `layers[1]` of model `m` in FILE to be a text of at most 200 characters',
  ],
  ['a long key', a({ ['k'.repeat(300)]: 1 }), 'the keys of layer `a` in FILE to be those of a model, got `kkk'],
  [
    'a key of JavaScript',
    a({ constructor: 1 }),
    'the keys of layer `a` in FILE to be those of a model, got `constructor`',
  ],
  [
    'a key of JavaScript, otherwise spelled',
    a({ constructor_: 1 }),
    'the keys of layer `a` in FILE to be those of a model, got `constructor_`',
  ],
];

describe('names the field and the layer', () => {
  let folder: string;
  let endings: Awaited<ReturnType<typeof audited>>;

  // In a process of its own, which can be ended.
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'audit-'));
    const files = BROKEN.map(([, topology], index) => {
      const path = join(folder, String(index));
      writeFileSync(path, JSON.stringify(topology));
      return path;
    });
    endings = await audited(files);
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(BROKEN.map(([what, , message], index) => [what, message, index] as const))('%s', (_, message, index) => {
    const ending = endings[index]!;
    if ('why' in ending) throw new Error(ending.why);
    expectSentence(ending);
    expect(ending.err).toContain(message.replace('FILE', ending.file));
  });
});

it('refuses __proto__, which only a parser can make a key of', async () => {
  const result = await audit(JSON.parse(JSON.stringify(a({ units: 7 })).replace('"units"', '"__proto__"')) as object);
  expectSentence(result);
  expect(result.err).toContain('got `__proto__`');
});

it('refuses models that call each other beyond all bounds', async () => {
  let topology: ReturnType<typeof functional> = a();
  for (let level = 0; level < 30; level += 1) {
    const name = topology.config.name;
    const inner = { name, ...topology, inbound_nodes: [[['x', 0, 0]], [[name, 1, 0]]] };
    topology = functional([input('x'), inner], [name, 2, 0], `m${level}`);
  }
  const result = await audit(topology);
  expectSentence(result);
  expect(result.err).toContain('to have at most 5000 calls and inputs in all, got');
});

it('shows what a terminal would act on in a name, and keeps the name in JSON', async () => {
  const name = 'x\u001b[2J\u009b31m\u202egnp\u2066\u2028\u{e0041}';
  file.write(functional([input('x'), dense('a', [[['x', 0, 0]]], { kernel_regularizer: null })], ['a', 0, 0], name));
  const shown = 'x\\u001b[2J\\u009b31m\\u202egnp\\u2066\\u2028\\udb40\\udc41';
  expect((await run('audit', file.path)).out).toContain(`Regularization of \`${shown}\``);
  const { out } = await run('audit', '--json', file.path);
  expect(out).toContain(shown);
  expect(out).toMatch(/^[\x20-\x7e\n]*$/);
  expect((JSON.parse(out) as { model: string }).model).toBe(name);
});

it('ends within 5 s and 500 MB, whatever the sizes', async () => {
  const lstm = {
    ...dense('a', [[['x', 0, 0]]], {
      units: 1e9,
      stateful: true,
      unit_forget_bias: true,
      recurrent_activation: 'sigmoid',
    }),
    class_name: 'LSTM',
  };
  const chain = Array.from({ length: 2400 }, (_, index) =>
    dense(`d${index}`, [[[index === 0 ? 'x' : `d${index - 1}`, 0, 0]]]),
  );
  const cases: { [name: string]: unknown } = {
    units: a({ units: 1e9 }),
    'more units': a({ units: 1e15 }),
    'states of a stateful layer': functional([input('x', [1e6, 5, 3]), lstm]),
    embedding: {
      class_name: 'Sequential',
      config: {
        layers: [{ class_name: 'Embedding', config: { input_dim: 1e9, output_dim: 1e9, batch_input_shape: [1, 9] } }],
      },
    },
    'a chain': functional([input('x'), ...chain], ['d2399', 0, 0]),
    'a chain from its end': functional([input('x'), ...chain].reverse(), ['d2399', 0, 0]),
    'a text of 30 MB': a({ activation: 'x'.repeat(30 * 2 ** 20) }),
    'underscores of 30 MB': a({ activation: '_'.repeat(30 * 2 ** 20) }),
    'metadata of 30 MB': { modelTopology: a(), userDefinedMetadata: 'x'.repeat(30 * 2 ** 20) },
  };
  const files = Object.entries(cases).map(([name, content]) => {
    const path = join(file.folder, name);
    writeFileSync(path, JSON.stringify(content));
    return path;
  });
  const endings = (await audited(files)).map((ending) => ('why' in ending ? ending : { ...ending, out: '' }));
  expect(endings.map((ending) => ('why' in ending ? ending.why : ending.code))).toEqual([0, 0, 1, 0, 0, 2, 2, 2, 0]);
  const most = (key: 'milliseconds' | 'megabytes') =>
    Math.max(...endings.map((one) => ('why' in one ? Infinity : one[key])));
  expect(most('milliseconds')).toBeLessThan(5000);
  expect(most('megabytes')).toBeLessThan(500);
});
