import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as tfjs from '@tensorflow/tfjs';
import fc from 'fast-check';
import { main } from '../../src/cli/main';
import { tf } from '../helpers/backend';
import keras from '../fixtures/keras-json/keras-2.json';

let folder: string;
let path: string;

// The command's own; and within jest, `save` does not know what tfjs-node reads for a Float32Array.
beforeAll(() => tf.setBackend('cpu'));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audit-'));
  path = join(folder, 'model.json');
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

interface Run {
  code: number;
  out: string;
  err: string;
}

async function run(...argv: string[]): Promise<Run> {
  let [out, err] = ['', ''];
  const code = await main(argv, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

/** What `save` writes; the fuzz test spoils it. */
interface Saved {
  modelTopology: object;
  weightsManifest: Array<{ paths: string[]; weights: Array<{ name: string; shape: number[]; dtype: string }> }>;
}

/** The model.json and the weights of a model, as `model.save('file://…')` of tfjs-node writes them. */
async function saved(model: tfjs.LayersModel): Promise<{ json: Saved; weights: Uint8Array }> {
  let made: tfjs.io.ModelArtifacts = {};
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      made = artifacts;
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    }),
  );
  const weights = [{ paths: ['weights.bin'], weights: made.weightSpecs }];
  // A copy of its own, as if it had been parsed.
  const json = JSON.parse(JSON.stringify({ ...made, weightData: undefined, weightsManifest: weights })) as Saved;
  return { json, weights: new Uint8Array(made.weightData as ArrayBuffer) };
}

function write(json: unknown, weights: Uint8Array = new Uint8Array(0)): void {
  writeFileSync(path, typeof json === 'string' || json instanceof Uint8Array ? json : JSON.stringify(json));
  writeFileSync(join(folder, 'weights.bin'), weights);
}

async function save(model: tfjs.LayersModel): Promise<void> {
  const { json, weights } = await saved(model);
  write(json, weights);
}

const l2 = () => tf.regularizers.l2({ l2: 0.1 });

const dense = (args: object = {}) =>
  tf.sequential({
    layers: [tf.layers.dense({ name: 'd', units: 2, inputShape: [2], kernelRegularizer: l2(), ...args })],
  });

const recurrent = () =>
  tf.sequential({
    layers: [
      tf.layers.lstm({ name: 'lstm', units: 2, inputShape: [3, 2], biasInitializer: 'ones', biasRegularizer: l2() }),
    ],
  });

/** One or two lines of text that say what was expected and what came, and nothing of the code. */
function expectSentence({ code, out, err }: Run): void {
  expect(code).toBe(2);
  expect(out).toBe('');
  expect(err).toMatch(/^Expected .*\n$/);
  expect(err).not.toMatch(/\n\s+at |TypeError|is not a function|is not iterable|Cannot (read|convert)|call stack/);
  expect(err.length).toBeLessThan(900);
}

describe('the report', () => {
  it('of a clean model: exit code 0', async () => {
    await save(dense());
    const { code, out, err } = await run('audit', path);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^Regularization of `\w+`: 1 regularizer, no findings\.\n$/);
  });

  it('of an LSTM: the table, and exit code 1', async () => {
    await save(recurrent());
    const { code, out, err } = await run('audit', path);
    expect({ code, err }).toEqual({ code: 1, err: '' });
    expect(out).toMatch(/^warning +regularizer-dropped +lstm +bias +l2\(0\.1\) +nothing: /m);
  });

  it('as JSON, with the values of the saved weights', async () => {
    await save(recurrent());
    const { code, out } = await run('audit', '--json', path);
    expect(code).toBe(1);
    // Eight biases of one: 0.1 * 8.
    expect(JSON.parse(out)).toMatchObject({
      regularizers: 1,
      warnings: 1,
      information: 0,
      findings: [
        { code: 'regularizer-dropped', layer: 'lstm', penalty: { declared: expect.closeTo(0.8, 6), applied: 0 } },
      ],
    });
  });

  it('of findings for information alone: exit code 0', async () => {
    const model = dense();
    model.add(tf.layers.dense({ name: 'bare', units: 1 }));
    await save(model);
    const { code, out } = await run('audit', path);
    expect(code).toBe(0);
    expect(out).toMatch(/^information +kernel-without-regularizer +bare/m);
  });

  it('of an argument that only the file shows', async () => {
    const layer = tf.layers.depthwiseConv2d({ name: 'dw', kernelSize: 1, inputShape: [2, 2, 1] });
    const { json, weights } = await saved(tf.sequential({ layers: [layer] }));
    const text = JSON.stringify(json).replace(
      '"name":"dw"',
      '"name":"dw","kernel_regularizer":{"class_name":"L2","config":{"l2":0.1}}',
    );
    write(text, weights);
    const { code, out } = await run('audit', path);
    expect(code).toBe(1);
    expect(out).toMatch(/^warning +ignored-argument +dw +- +kernelRegularizer: L2 /m);
  });

  it('of a model that Keras saved, with its L2, weights in two files, one quantized', async () => {
    const modelTopology = keras.sequential as { config: { layers: Array<{ config: { units?: number } }> } };
    const units = modelTopology.config.layers.flatMap(({ config }) => config.units ?? []);
    expect(units).toEqual([5, 1]);
    const spec = (name: string, shape: number[], more = {}) => ({ name, shape, dtype: 'float32', ...more });
    const quantization = { dtype: 'uint8', min: 0, scale: 1 };
    const weightsManifest = [
      { paths: ['a.bin', 'b.bin'], weights: [spec('hidden/kernel', [4, 5]), spec('hidden/bias', [5])] },
      { paths: ['c.bin'], weights: [spec('out/kernel', [5, 1], { quantization }), spec('out/bias', [1])] },
    ];
    write({ format: 'layers-model', modelTopology, weightsManifest });
    Object.entries({ 'a.bin': 50, 'b.bin': 50, 'c.bin': 9 }).forEach(([name, size]) => {
      writeFileSync(join(folder, name), new Uint8Array(size));
    });
    const { code, out, err } = await run('audit', path);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/regularizers?, no findings/);
  });

  it('leaves neither tensors nor changes of the console behind', async () => {
    await save(recurrent());
    const [warn, before] = [console.warn, tf.memory().numTensors];
    await run('audit', path);
    await run('audit', join(folder, 'none.json'));
    expect(tf.memory().numTensors).toBe(before);
    expect(console.warn).toBe(warn);
  });
});

describe('the command line', () => {
  it('--help', async () => {
    const { code, out } = await run('--help');
    expect(code).toBe(0);
    expect(out).toMatch(/^Usage: tfjs-decomposed-loss audit path\/to\/model\.json/);
  });

  it.each([[[]], [['audit']], [['audit', 'a', 'b']], [['mend', 'a']], [['audit', '--loud', 'a']]])(
    '%j: the usage',
    async (argv) => {
      const { code, out, err } = await run(...argv);
      expect({ code, out }).toEqual({ code: 2, out: '' });
      expect(err).toContain('Usage: tfjs-decomposed-loss audit');
    },
  );

  it('without TensorFlow.js: what to install', async () => {
    let [code, err] = [0, ''];
    await jest.isolateModulesAsync(async () => {
      jest.doMock('@tensorflow/tfjs', () => {
        throw new Error("Cannot find module '@tensorflow/tfjs'\nRequire stack: …");
      });
      const alone = await import('../../src/cli/main');
      code = await alone.main(['audit', path], { out: () => {}, err: (text) => (err += text) });
      jest.dontMock('@tensorflow/tfjs');
    });
    expect(code).toBe(2);
    expect(err).toMatch(/^Expected @tensorflow\/tfjs to be installed.*`npm install @tensorflow\/tfjs`\.\n$/);
  });

  it.each<[string, () => Promise<void>, number]>([
    ['a report', () => save(recurrent()), 1],
    ['a sentence', async () => write('{"modelTopology":'), 2],
  ])('as a program: %s, and nothing of the host', async (_, prepare, expected) => {
    await prepare();
    const program = [require.resolve('tsx/cli'), join(__dirname, '../../src/cli.ts'), 'audit', path];
    const { code, out, err } = await new Promise<Run>((resolve) => {
      const child = execFile(process.execPath, program, (_error, stdout, stderr) =>
        resolve({ code: child.exitCode!, out: stdout, err: stderr }),
      );
    });
    expect(code).toBe(expected);
    expect(out).toMatch(expected === 1 ? /^Regularization of/ : /^$/);
    expect(err).toMatch(expected === 1 ? /^$/ : /^Expected .* got no JSON: .*\n$/);
  });
});

describe('input that cannot be used', () => {
  it.each<[string, string | Uint8Array | object, string]>([
    ['an empty file', '', 'got an empty file'],
    ['blanks', ' \n', 'got an empty file'],
    ['a truncated file', '{"modelTopology": {"class_na', 'got no JSON'],
    ['a binary', new Uint8Array([0, 255, 3, 27, 91]), 'got no JSON'],
    ["Keras's .h5", Buffer.from('\x89HDF\r\n\x1a\n', 'latin1'), 'HDF5'],
    ['a .keras file', Buffer.from('PK\x03\x04', 'latin1'), '.keras file'],
    ['a number', '7', 'no object: 7'],
    ['a list', [], 'no object: []'],
    ['null', 'null', 'no object: null'],
    ['no model', {}, 'to have a `modelTopology`, got nothing'],
    ['a GraphModel', { format: 'graph-model', modelTopology: { node: [] } }, 'got a GraphModel'],
    ['a GraphModel that does not say so', { modelTopology: { node: [] }, weightsManifest: [] }, 'got a GraphModel'],
    ['a topology alone', keras.sequential, 'got a topology alone'],
    ['a model without weights', { modelTopology: keras.sequential }, 'to have a `weightsManifest`'],
    ['topology of another kind', { modelTopology: [1], weightsManifest: [] }, 'to have a `modelTopology`, got [1]'],
    ['an empty topology', { modelTopology: {}, weightsManifest: [] }, 'does not load it'],
    ['deep nesting', '['.repeat(1e6), 'nested at most 200 deep'],
    ['deep nesting that is complete', `{"a":${'['.repeat(300)}${']'.repeat(300)}}`, 'nested at most 200 deep'],
    ['too many values', `[${'[],'.repeat(500_001)}[]]`, 'at most 500000 lists'],
    ['__proto__', '{"modelTopology":{"config":{"__proto__":{"units":1}}},"weightsManifest":[]}', 'got `__proto__`'],
    ['constructor', { modelTopology: { x: [{ constructor: 1 }] }, weightsManifest: [] }, 'got `constructor`'],
  ])('%s', async (_, content, message) => {
    write(content instanceof Uint8Array ? new Uint8Array(content) : content);
    const result = await run('audit', path);
    expectSentence(result);
    expect(result.err).toContain(message);
    expect(({} as { units?: number }).units).toBeUndefined();
  });

  it('no file, a folder, a huge file', async () => {
    const missing = await run('audit', join(folder, 'none.json'));
    expectSentence(missing);
    expect(missing.err).toContain('no such file');
    const directory = await run('audit', folder);
    expectSentence(directory);
    expect(directory.err).toContain('got a folder');
    write('{}');
    truncateSync(path, 40 * 2 ** 20);
    const huge = await run('audit', path);
    expectSentence(huge);
    expect(huge.err).toContain('at most 32 MiB');
  });

  it.each<[string, (saved: Saved) => void, string]>([
    [
      'an absolute path',
      ({ weightsManifest: [group] }) => (group!.paths = ['/etc/passwd']),
      'got the path "/etc/passwd"',
    ],
    ['a path on a drive', ({ weightsManifest: [group] }) => (group!.paths = ['C:weights.bin']), 'got the path "C:'],
    ['a path upwards', ({ weightsManifest: [group] }) => (group!.paths = ['a/../../w.bin']), 'in the folder of'],
    [
      'a path upwards, in Windows',
      ({ weightsManifest: [group] }) => (group!.paths = ['..\\w.bin']),
      'in the folder of',
    ],
    ['a path with a zero', ({ weightsManifest: [group] }) => (group!.paths = ['w\0.bin']), 'in the folder of'],
    ['a URL', ({ weightsManifest: [group] }) => (group!.paths = ['http://x/w.bin']), 'no such file'],
    ['a number as path', ({ weightsManifest: [group] }) => (group!.paths = [1 as never]), 'got the path 1'],
    ['a folder as path', ({ weightsManifest: [group] }) => (group!.paths = ['.']), 'which is no file'],
    ['a missing file', ({ weightsManifest: [group] }) => (group!.paths = ['w2.bin']), 'no such file'],
    ['no files', ({ weightsManifest: [group] }) => (group!.paths = []), 'in no file, got 0'],
    [
      'a group that is none',
      ({ weightsManifest }) => (weightsManifest[0] = 1 as never),
      'to have `paths` and `weights`, got 1',
    ],
    ['a shape too large', ({ weightsManifest: [group] }) => (group!.weights[0]!.shape = [2, 3]), 'bytes of weights in'],
    [
      'a shape beyond all',
      ({ weightsManifest: [group] }) => (group!.weights[0]!.shape = [2 ** 52]),
      'bytes of weights in',
    ],
    [
      'a shape of text',
      ({ weightsManifest: [group] }) => (group!.weights[0]!.shape = ['2'] as never),
      'shape of whole numbers',
    ],
    [
      'a negative shape',
      ({ weightsManifest: [group] }) => (group!.weights[0]!.shape = [-2, -2]),
      'shape of whole numbers',
    ],
    ['a strange dtype', ({ weightsManifest: [group] }) => (group!.weights[0]!.dtype = 'toString'), 'as the dtype'],
    [
      'a weight named __proto__',
      ({ weightsManifest: [group] }) => (group!.weights[0]!.name = '__proto__'),
      'a name for each',
    ],
    ['a weight twice', ({ weightsManifest: [group] }) => (group!.weights[0]!.name = 'd/bias'), '"d/bias" twice'],
    [
      'a weight of another model',
      ({ weightsManifest: [group] }) => (group!.weights[0]!.name = 'x'),
      'no target variable',
    ],
    [
      'another shape than the topology',
      ({ weightsManifest: [group] }) => (group!.weights[0]!.shape = [4, 1]),
      'Shape mismatch',
    ],
    ['no weights', (json) => (json.weightsManifest = []), 'more weights than the file has'],
  ])('weights: %s', async (_, spoil, message) => {
    const { json, weights } = await saved(dense());
    spoil(json);
    write(json, weights);
    const result = await run('audit', path);
    expectSentence(result);
    expect(result.err).toContain(message);
  });

  it('a file of weights that is too short, too long, or a folder', async () => {
    await save(dense());
    truncateSync(join(folder, 'weights.bin'), 10);
    const truncated = await run('audit', path);
    expectSentence(truncated);
    expect(truncated.err).toContain('Expected 24 bytes of weights');
    truncateSync(join(folder, 'weights.bin'), 28);
    expectSentence(await run('audit', path));
    rmSync(join(folder, 'weights.bin'));
    mkdirSync(join(folder, 'weights.bin'));
    expectSentence(await run('audit', path));
  });

  it.each<[string, (text: string) => string, string]>([
    ['units beyond memory', (text) => text.replace('"units":2', '"units":1e15'), 'more weights than the file has'],
    ['units of text', (text) => text.replace('"units":2', '"units":"many"'), 'does not load it'],
    ['a class of JavaScript', (text) => text.replace('"Dense"', '"toString"'), 'does not load it'],
    ['a class that nobody has', (text) => text.replace('"Dense"', '"Dance"'), 'Unknown layer: Dance'],
    ['a name that is none', (text) => text.replace('"name":"d"', '"name":{"x":1}'), 'a text as the name of each layer'],
    ['a terminal escape', (text) => text.replace('"Dense"', '"\\u001b[2J"'), '\\u001b[2J'],
    ['a regularizer that nobody has', (text) => text.replace('"L1L2"', '"L3"'), 'Unknown regularizer: L3'],
  ])('topology: %s', async (_, spoil, message) => {
    const { json, weights } = await saved(dense());
    const text = JSON.stringify(json);
    expect(spoil(text)).not.toBe(text);
    write(spoil(text), weights);
    const result = await run('audit', path);
    expectSentence(result);
    expect(result.err).toContain(message);
  });

  it('models that call each other beyond all bounds', async () => {
    const inner = tf.sequential({ layers: [tf.layers.activation({ activation: 'linear', inputShape: [2] })] });
    const { json } = await saved(inner);
    let topology: object = { ...(json.modelTopology as { model_config?: object }) };
    topology = (topology as { model_config?: object }).model_config ?? topology;
    for (let level = 0; level < 30; level += 1) {
      const nodes = [[['x', 0, 0, {}]], [['x', 0, 0, {}]]];
      topology = {
        class_name: 'Model',
        config: { name: `m${level}`, layers: [{ ...topology, inbound_nodes: nodes }] },
      };
    }
    write({ ...json, modelTopology: topology });
    const result = await run('audit', path);
    expectSentence(result);
    expect(result.err).toContain('called at most 100000 times');
  });
});

describe('however the file is spoilt', () => {
  type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

  /** Every place in a value. */
  const pathsOf = (value: Json, at: string[] = []): string[][] =>
    typeof value === 'object' && value !== null
      ? [at, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...at, key]))]
      : [at];

  /** The value with another at one place; `undefined` takes the place away. */
  function replaced(value: Json, [key, ...rest]: string[], by: Json | undefined): Json | undefined {
    if (key === undefined) return by;
    if (Array.isArray(value)) {
      return value.flatMap((inner, index) => (String(index) === key ? (replaced(inner, rest, by) ?? []) : [inner]));
    }
    const entries = Object.entries(value as { [key: string]: Json });
    return Object.fromEntries(
      entries.map(([name, inner]) => [name, name === key ? replaced(inner, rest, by) : inner]),
    ) as Json;
  }

  const strange: fc.Arbitrary<Json | undefined> = fc.oneof(
    fc.constantFrom<Json | undefined>(undefined, null, -1, 0, 1e300, 0.5, '', '__proto__', '../x', true, [], {}, [[]]),
    fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
  );

  it.each<[string, () => tfjs.LayersModel]>([
    ['dense', () => dense()],
    ['recurrent', () => recurrent()],
  ])('the answer is a report or a sentence: %s', async (_, build) => {
    const { json, weights } = await saved(build());
    const places = pathsOf(json as unknown as Json);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), strange, async (place, by) => {
        write(JSON.stringify(replaced(json as unknown as Json, place, by)) ?? '', weights);
        const result = await run('audit', path);
        if (result.code === 2) expectSentence(result);
        else expect(result.err).toBe('');
      }),
      { numRuns: 150 },
    );
  });

  it('cut anywhere', async () => {
    const { json, weights } = await saved(dense());
    const text = JSON.stringify(json);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: text.length - 1 }), async (length) => {
        write(text.slice(0, length), weights);
        expectSentence(await run('audit', path));
      }),
      { numRuns: 50 },
    );
  });
});
