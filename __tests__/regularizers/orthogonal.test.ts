import type * as tfjs from '@tensorflow/tfjs';
import { regularizationTerms, trainStep } from 'tfjs-decomposed-loss';
import {
  auditRegularizers,
  enforceRegularizers,
  fuseRegularizers,
  orthogonal,
  registerKerasClasses,
} from 'tfjs-decomposed-loss/regularizers';
import { regularizerText } from '../../src/regularizers/declared-regularizers';
import { tensorOf } from '../fixtures/keras';
import { distanceFromKeras, loadRun, orthogonality, runsOf } from '../fixtures/regularizers';
import { tf } from '../helpers/backend';
import { tensorsLeftBy } from '../helpers/memory';
import { data, fillWeights } from '../helpers/models';

const registered = () => tf.serialization.SerializationMap.getMap().classNameMap;

function expectClose(actual: number, expected: number, tolerance = 1e-5): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(tolerance * Math.abs(expected) + 1e-9);
}

function dense(kernelRegularizer = orthogonal({ factor: 0.3 })): tfjs.Sequential {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ name: 'hidden', units: 3, inputShape: [4], kernelRegularizer }),
      tf.layers.dense({ name: 'out', units: 1, kernelRegularizer: tf.regularizers.l2({ l2: 0.1 }) }),
    ],
  });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) });
  return fillWeights(model);
}

const batch = (): [tfjs.Tensor, tfjs.Tensor] => [data([5, 4]), data([5, 1], 2)];

/** The one regularizer in a saved model, as it is saved. */
function regularizerIn(topology: unknown): { class_name: string; config: unknown } {
  const found: Array<{ class_name: string; config: unknown }> = [];
  JSON.stringify(topology, (key, value: (typeof found)[number] | null) => {
    if (key === 'kernel_regularizer' && value !== null) found.push(value);
    return value;
  });
  const { class_name, config } = found[0]!;
  return { class_name, config };
}

/** A model of Keras's with the class goes through the registry. */
beforeEach(() => registerKerasClasses());

describe('as Keras', () => {
  const cases = orthogonality.map((one): [string, typeof one] => [
    `${one.mode} of ${one.weight.kind} [${one.weight.shape}]`,
    one,
  ]);

  it.each(cases)('value and gradient: %s', (_, { mode, factor, weight, keras2, keras3 }) => {
    const regularizer = orthogonal({ factor, mode });
    const { value, grad } = tf.valueAndGrad((x) => regularizer.apply(x))(tensorOf(tf, weight));
    for (const keras of [keras2, keras3]) {
      expectClose(value.dataSync()[0]!, keras.value);
      const expected = keras.gradient.flat();
      const scale = Math.max(...expected.map(Math.abs));
      Array.from(grad.dataSync()).forEach((one, index) => {
        expect(Math.abs(one - expected[index]!)).toBeLessThanOrEqual(1e-5 * scale);
      });
    }
  });

  it.each(runsOf('orthogonal'))('trains a model of Keras: %s', async (_, run) => {
    const {
      model,
      batch: [x, y],
    } = await loadRun(tf, run);
    for (const keras of run.steps) {
      const { total, regularization } = await trainStep(model, x, y);
      expectClose(total, keras.total);
      expectClose(regularization, keras.regularization);
    }
    expect(distanceFromKeras(model, run)).toBeLessThan(1e-4);
  });

  it.each(runsOf('orthogonal'))('saves it as Keras does: %s', async (_, run) => {
    const { model } = await loadRun(tf, run);
    expect(regularizerIn(model.toJSON(null, false))).toEqual(regularizerIn(run.model));
  });
});

describe('the class', () => {
  const clear = () => Reflect.deleteProperty(registered(), 'OrthogonalRegularizer');

  it.each([
    ['orthogonal()', () => void orthogonal()],
    ['registerKerasClasses()', () => registerKerasClasses()],
  ])('is registered by %s, once', (_, register) => {
    clear();
    register();
    const [found] = registered()['OrthogonalRegularizer']!;
    register();
    expect(registered()['OrthogonalRegularizer']![0]).toBe(found);
  });

  it('leaves one alone that something else registered', () => {
    clear();
    class OrthogonalRegularizer extends tf.serialization.Serializable {
      static className = 'OrthogonalRegularizer';
      getConfig() {
        return {};
      }
    }
    tf.serialization.registerClass(OrthogonalRegularizer);
    orthogonal();
    expect(registered()['OrthogonalRegularizer']![0]).toBe(OrthogonalRegularizer);
    clear();
  });
});

describe('the rest of the library', () => {
  it('names its term, which sums with the others to the penalty of a step', async () => {
    const model = dense();
    const terms = regularizationTerms(model);
    expect(terms).toMatchObject([
      { layer: 'hidden', weight: 'kernel', kind: 'orthogonal', regularizer: 'OrthogonalRegularizer', l1: 0, l2: 0 },
      { layer: 'out', kind: 'l2' },
    ]);
    const { regularization } = await trainStep(model, ...batch());
    expectClose(
      terms.reduce((sum, { value }) => sum + value, 0),
      regularization,
    );
    expect(terms[0]!.value).toBeGreaterThan(0.01);
  });

  it('audits it by name, and finds a factor of 0', () => {
    const lstm = tf.layers.lstm({
      name: 'lstm',
      units: 2,
      inputShape: [3, 2],
      kernelRegularizer: orthogonal({ factor: 0.2, mode: 'columns' }),
      recurrentRegularizer: orthogonal({ factor: 0 }),
    });
    const model = tf.sequential({ layers: [lstm] });
    model.build();
    expect(auditRegularizers(model).findings).toMatchObject([
      { code: 'regularizer-dropped', weight: 'kernel', declared: "orthogonal(0.2, 'columns')" },
      { code: 'coefficient-zero', weight: 'recurrent_kernel', declared: "orthogonal(0, 'rows')" },
    ]);
  });

  it('fuses the others and leaves it alone', async () => {
    const [model, twin] = [dense(), dense()];
    const { fused, leftAlone } = fuseRegularizers(model);
    expect(fused).toEqual([{ layer: 'out', weight: 'kernel' }]);
    expect(leftAlone).toEqual([{ layer: 'hidden', weight: 'kernel' }]);
    const [ours, hosts] = [await trainStep(model, ...batch()), await trainStep(twin, ...batch())];
    expectClose(ours.regularization, hosts.regularization);
  });

  it('enforces it on the cell of an LSTM', () => {
    const lstm = tf.layers.lstm({ units: 2, inputShape: [3, 2], recurrentRegularizer: orthogonal() });
    const model = tf.sequential({ layers: [lstm] });
    model.build();
    expect(regularizationTerms(model)).toEqual([]);
    enforceRegularizers(model);
    expect(regularizationTerms(model)).toMatchObject([{ weight: 'recurrent_kernel', kind: 'orthogonal', calls: 1 }]);
  });

  it('leaves no tensor behind', async () => {
    const model = dense();
    const [x, y] = batch();
    await trainStep(model, x, y);
    expect(await tensorsLeftBy(() => trainStep(model, x, y))).toBe(0);
  });
});

describe('bad input', () => {
  it.each([
    [{ factor: -1 }, /`factor` of `orthogonal` to be a finite number, 0 or more, got -1/],
    [{ factor: NaN }, /`factor` of `orthogonal`.*got NaN/],
    [{ factor: '1' }, /`factor` of `orthogonal`.*got '1'/],
    [{ mode: 'both' }, /`mode` of `orthogonal` to be 'rows' or 'columns', got 'both'/],
    [{ rate: 1 }, /`factor`, `mode` of `orthogonal`, got `rate`/],
    [null, /arguments of `orthogonal`.*got null/],
  ])('is refused: %j', (args, message) => {
    expect(() => orthogonal(args as never)).toThrow(message);
  });

  it.each([
    ['rows', [3]],
    ['rows', [1, 3]],
    ['columns', [3, 1]],
    ['columns', [2, 2, 3]],
  ] as const)('%s of [%s] is refused when it is computed', (mode, shape) => {
    expect(() => orthogonal({ mode }).apply(tf.ones([...shape]))).toThrow(
      new RegExp(`a matrix with two ${mode} or more, got the shape \\[${shape}\\]`),
    );
  });
});

it('is told from a class of your own that has its name, or its members', () => {
  const own = (name: string, members: object): object => ({
    apply: (weight: tfjs.Tensor) => weight.sum(),
    getClassName: () => name,
    ...members,
  });
  const textOf = (regularizer: object) => regularizerText(regularizer as never);
  expect(textOf(orthogonal({ factor: 0.3, mode: 'columns' }))).toBe("orthogonal(0.3, 'columns')");
  expect(textOf(own('OrthogonalRegularizer', { factor: 1 }))).toBe('OrthogonalRegularizer');
  expect(textOf(own('OrthogonalRegularizer', { mode: 'rows' }))).toBe('OrthogonalRegularizer');
  expect(textOf(own('Own', { factor: 1, mode: 'rows' }))).toBe('Own');
});
