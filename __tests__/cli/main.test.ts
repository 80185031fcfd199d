import { execFile } from 'node:child_process';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type * as tfjs from '@tensorflow/tfjs';
import { lossTerm } from 'tfjs-decomposed-loss';
import { auditRegularizers, registerKerasClasses } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import keras from '../fixtures/keras-json/keras-2.json';
import { expectSentence, run, saved, temporaryModel, type Run } from './command';

const file = temporaryModel();

// The command's own; and within jest, `save` does not know what tfjs-node reads for a Float32Array.
beforeAll(() => tf.setBackend('cpu'));

const save = async (model: tfjs.LayersModel, args?: tfjs.io.SaveConfig) => file.write(await saved(model, args));

const l2 = () => tf.regularizers.l2({ l2: 0.1 });

const dense = () =>
  tf.sequential({ layers: [tf.layers.dense({ name: 'd', units: 2, inputShape: [2], kernelRegularizer: l2() })] });

const recurrent = () =>
  tf.sequential({ layers: [tf.layers.lstm({ name: 'lstm', units: 2, inputShape: [3, 2], biasRegularizer: l2() })] });

describe('the report', () => {
  it('of a clean model: exit code 0', async () => {
    await save(dense());
    const { code, out, err } = await run('audit', file.path);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^Regularization of `\w+`: 1 regularizer, no findings\.\n$/);
  });

  it('of an LSTM: the table, and exit code 1', async () => {
    await save(recurrent());
    const { code, out, err } = await run('audit', file.path);
    expect({ code, err }).toEqual({ code: 1, err: '' });
    expect(out).toMatch(/^warning +regularizer-dropped +lstm +bias +l2\(0\.1\) +nothing: /m);
  });

  it('of findings for information alone: exit code 0', async () => {
    const model = dense();
    model.add(tf.layers.dense({ name: 'bare', units: 1 }));
    await save(model);
    const { code, out } = await run('audit', file.path);
    expect(code).toBe(0);
    expect(out).toMatch(/^information +kernel-without-regularizer +bare/m);
  });

  it('of a model with a term of the loss, whose function the file cannot hold: for information', async () => {
    const layers = [dense().layers[0]!, lossTerm({ name: 'kl', loss: ([tensor]) => tf.mean(tensor!) })];
    await save(tf.sequential({ layers }));
    const { code, out, err } = await run('audit', file.path);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^information +loss-term-without-function +kl +- +a `lossTerm`/m);
  });

  it('of an argument that only the file shows', async () => {
    const layer = tf.layers.depthwiseConv2d({ name: 'dw', kernelSize: 1, inputShape: [2, 2, 1] });
    const json = JSON.stringify(await saved(tf.sequential({ layers: [layer] })));
    const argument = '"kernel_regularizer":{"class_name":"L2","config":{"l2":0.1}}';
    file.write(json.replace('"name":"dw"', `"name":"dw",${argument}`));
    const { code, out } = await run('audit', file.path);
    expect(code).toBe(1);
    expect(out).toMatch(/^warning +ignored-argument +dw +- +kernelRegularizer: L2 /m);
  });

  it('of a model with its optimizer, and of one that was never compiled: the same', async () => {
    const model = recurrent();
    await save(model);
    const uncompiled = await run('audit', '--json', file.path);
    model.compile({ loss: 'meanSquaredError', optimizer: 'adam' });
    await model.fit(tf.ones([1, 3, 2]), tf.ones([1, 2]), { verbose: 0 });
    const json = await saved(model, { includeOptimizer: true });
    expect(JSON.stringify(json)).toContain('"group":"optimizer"');
    expect(json.trainingConfig).toBeDefined();
    file.write(json);
    expect(await run('audit', '--json', file.path)).toEqual(uncompiled);
    expect(uncompiled.code).toBe(1);
  });

  // TensorFlow.js refuses any `kernel_regularizer` of a SeparableConv2D, also one that is null.
  const { 'separable-conv2d': refused, ...topologies } = keras;

  it.each(Object.entries(topologies))(
    'of a model that Keras saved: what the audit of the loaded model finds, without values: %s',
    async (_, modelTopology) => {
      registerKerasClasses();
      const model = await tf.models.modelFromJSON(modelTopology as never);
      if (model instanceof tf.Sequential) model.build();
      const audit = auditRegularizers(model, { topology: modelTopology });
      // Whether a weight begins at 0 is a matter of its values too.
      const findings = audit.findings.filter(({ code }) => code !== 'l1-at-zero');
      const count = (severity: string) => findings.filter((finding) => finding.severity === severity).length;
      const [warnings, information] = [count('warning'), count('information')];
      const all = findings.map((finding) => ({ ...finding, penalty: null }));
      const expected = { ...audit.toJSON(), warnings, information, findings: all };
      model.dispose();
      for (const content of [modelTopology, { modelTopology, weightsManifest: [] }, { model_config: modelTopology }]) {
        file.write(content);
        const { code, out, err } = await run('audit', '--json', file.path);
        expect({ code, err }).toEqual({ code: warnings === 0 ? 0 : 1, err: '' });
        expect(JSON.parse(out)).toEqual(expected);
      }
    },
  );

  it('of a model that TensorFlow.js does not load: what it says', async () => {
    await expect(tf.models.modelFromJSON(refused as never)).rejects.toThrow('are invalid for SeparableConv2D');
    file.write(refused);
    const result = await run('audit', file.path);
    expectSentence(result);
    expect(result.err).toMatch(/layer `separable` \(SeparableConv2D\) .* are invalid for SeparableConv2D/);
  });

  it('reads no file of weights', async () => {
    const json = await saved(dense());
    file.write({ ...json, weightsManifest: [{ paths: ['/dev/zero', '../../etc/passwd', 1], weights: 'none' }] });
    expect((await run('audit', file.path)).code).toBe(0);
    file.write({ ...json, weightsManifest: 7 });
    expect((await run('audit', file.path)).code).toBe(0);
  });

  it('leaves neither tensors nor changes of the console', async () => {
    await save(recurrent());
    const [warn, before] = [console.warn, tf.memory().numTensors];
    await run('audit', file.path);
    await run('audit', join(file.folder, 'none.json'));
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
      code = await alone.main(['audit', file.path], { out: () => {}, err: (text) => (err += text) });
      jest.dontMock('@tensorflow/tfjs');
    });
    expect(code).toBe(2);
    expect(err).toMatch(/^Expected @tensorflow\/tfjs to be installed.*`npm install @tensorflow\/tfjs`\.\n$/);
  });

  it.each<[string, () => Promise<void>, number]>([
    ['a report', () => save(recurrent()), 1],
    ['a sentence', async () => file.write('{"modelTopology":'), 2],
  ])('as a program: %s, and nothing of the host', async (_, prepare, expected) => {
    await prepare();
    const program = [require.resolve('tsx/cli'), join(__dirname, '../../src/cli.ts'), 'audit', file.path];
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

describe('a file that is no model', () => {
  it.each<[string, string | Uint8Array | object, string]>([
    ['an empty file', '', 'got an empty file'],
    ['blanks', ' \n', 'got an empty file'],
    ['a truncated file', '{"modelTopology": {"class_na', 'got no JSON'],
    ['a binary', new Uint8Array([0, 255, 3, 27, 91]), 'got no JSON'],
    ['a number', '7', 'no object: 7'],
    ['a list', [], 'no object: []'],
    ['null', 'null', 'no object: null'],
    ['no model', {}, 'to have a `modelTopology`, got nothing'],
    ['a GraphModel', { format: 'graph-model', modelTopology: { node: [] } }, 'got a GraphModel'],
    ['a GraphModel that does not say so', { modelTopology: { node: [] }, weightsManifest: [] }, 'got a GraphModel'],
    ['topology of another kind', { modelTopology: [1], weightsManifest: [] }, 'to have a `modelTopology`, got [1]'],
    ['an empty topology', { modelTopology: {} }, 'to be Sequential, Functional or Model, got nothing'],
    ['deep nesting', '['.repeat(1e6), 'nested at most 200 deep'],
    ['deep nesting that is complete', `{"a":${'['.repeat(300)}${']'.repeat(300)}}`, 'nested at most 200 deep'],
    ['too many lists', `[${'[],'.repeat(500_001)}[]]`, 'at most 500000 values'],
    ['too many numbers', `[${'1,'.repeat(500_001)}1]`, 'at most 500000 values'],
    ['30 MB in one text', `{"a":"${'\\"'.repeat(15 * 2 ** 20)}"}`, 'to have a `modelTopology`, got nothing'],
  ])('%s', async (_, content, message) => {
    file.write(content instanceof Uint8Array ? new Uint8Array(content) : content);
    const result = await run('audit', file.path);
    expectSentence(result);
    expect(result.err).toContain(message);
  });

  it('no file, a folder, a huge file', async () => {
    const missing = await run('audit', join(file.folder, 'none.json'));
    expectSentence(missing);
    expect(missing.err).toContain('no such file');
    const directory = await run('audit', file.folder);
    expectSentence(directory);
    expect(directory.err).toContain('got a folder');
    file.write('{}');
    truncateSync(file.path, 40 * 2 ** 20);
    const huge = await run('audit', file.path);
    expectSentence(huge);
    expect(huge.err).toContain('at most 32 MiB');
  });

  const h5 = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1');
  const zip = Buffer.from('PK\x03\x04', 'latin1');

  // The options are those of converter.py of tensorflowjs 4.22, which takes no other ending than .keras.
  it.each<[string, Uint8Array, string]>([
    ['model.h5', h5, '--input_format=keras --output_format=tfjs_layers_model FILE converted`'],
    ['model.keras', zip, '--input_format=keras_keras --output_format=tfjs_layers_model FILE converted`'],
    ['model.zip', zip, '--input_format=keras_keras --output_format=tfjs_layers_model FILE.keras converted`'],
    ["it's mine.h5", h5, "--input_format=keras --output_format=tfjs_layers_model 'FOLDER/it'\\''s mine.h5' converted`"],
  ])('of Keras itself: how to convert %s', async (name, content, command) => {
    const path = join(file.folder, name);
    writeFileSync(path, new Uint8Array(content));
    const result = await run('audit', path);
    expectSentence(result);
    const typed = command.replace('FILE', path).replace('FOLDER', file.folder);
    expect(result.err).toContain(`\`tensorflowjs_converter ${typed}`);
  });

  it('shows what a terminal would act on in a path', async () => {
    const folder = join(file.folder, 'a\u001b[2J\u009b\u202eb\nc');
    mkdirSync(folder);
    const result = await run('audit', folder);
    expectSentence(result);
    expect(result.err).toContain('a\\u001b[2J\\u009b\\u202eb\\u000ac to be a model.json, got a folder');
  });
});
