import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, regularizationTerms } from 'tfjs-decomposed-loss';
import { enforceRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { L1, L2, registerKerasClasses } from '../../src/regularizers/keras-classes';
import type * as Keras from '../../src/regularizers/keras-classes';
import { enforcedCases, kerasCases } from '../fixtures/cases';
import { kerasCase, type KerasCase } from '../fixtures/keras';
import keras2 from '../fixtures/keras-json/keras-2.json';
import keras3 from '../fixtures/keras-json/keras-3.json';
import { isForBackend, tf } from '../helpers/backend';
import { penalty } from '../helpers/float64';
import { secondCopy } from '../helpers/second-copy';

type Topology = Parameters<typeof tf.models.modelFromJSON>[0];
type Classes = Record<string, unknown>;

const topologies = keras2 as unknown as Record<string, Topology>;
const registered = () => tf.serialization.SerializationMap.getMap().classNameMap;

/**
 * A topology without what keeps the host from reading it for other reasons than regularizers: the arguments of Conv2D
 * that Keras writes for SeparableConv2D as well, and Keras 3's name for the shape of an input.
 */
function readable(topology: unknown): Topology {
  const json = JSON.stringify(topology, function (this: object, key, value: unknown) {
    return 'pointwise_initializer' in this && /^kernel_(?!size)/.test(key) ? undefined : value;
  });
  return JSON.parse(json.replaceAll('"batch_shape"', '"batch_input_shape"')) as Topology;
}

async function load(topology: unknown): Promise<tfjs.LayersModel> {
  return built(await tf.models.modelFromJSON(readable(topology)));
}

function built(model: tfjs.LayersModel): tfjs.LayersModel {
  if (!model.built) (model as tfjs.Sequential).build();
  return model;
}

/**
 * What the host cannot load after saving it: it writes the regularizer of a DepthwiseConv2D as its constraint, too, and
 * leaves out the depth multiplier of a SeparableConv2D.
 */
const UNLOADABLE = ['depthwise-conv2d', 'separable-conv2d'];

const isExported = (one: KerasCase) => one.name in topologies && isForBackend(one);
const cases = kerasCases.filter(isExported);
const recurrentAndShared = enforcedCases.filter(isExported);

function dense(kernelRegularizer: string | L1 | L2): tfjs.LayersModel {
  return built(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], kernelRegularizer })] }));
}

/** Every regularizer in a model's JSON, in the order in which they stand, by class name and coefficients. */
function regularizersIn(json: unknown): unknown[] {
  const found: unknown[] = [];
  JSON.stringify(json, (key, value: { class_name: string; config: unknown } | null) => {
    if (!key.endsWith('_regularizer') || value === null) return value;
    found.push([key, value.class_name, value.config]);
    return undefined;
  });
  return found.sort((one, other) => JSON.stringify(one).localeCompare(JSON.stringify(other)));
}

async function artifacts(model: tfjs.LayersModel): Promise<tfjs.io.ModelArtifacts> {
  let saved: tfjs.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (all) => {
      saved = all;
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    }),
  );
  return saved!;
}

beforeEach(() => registerKerasClasses());

it('without the classes, the host refuses the model', async () => {
  delete registered()['L2'];
  await expect(load(topologies['dense-kernel-l2'])).rejects.toThrow('Unknown regularizer: L2');
});

it.each([...cases, ...recurrentAndShared])(
  'Keras exported: $name, and it trains as Keras does, once enforced',
  async ({ name, expected }: KerasCase) => {
    const model = await load(topologies[name]);
    const { x, y, fitArgs, dispose } = kerasCase(name, () => model).build(tf);
    enforceRegularizers(model);
    const { history } = await model.fit(x, y, { ...fitArgs, callbacks: decomposedLoss() });
    expected.epochs.forEach((keras, epoch) => {
      expect((history['loss']![epoch] as number) / keras.total).toBeNear(1, 1e-5);
      expect((history['data_loss']![epoch] as number) / keras.data).toBeNear(1, 1e-5);
      expect((history['regularization_loss']![epoch] as number) / keras.regularization).toBeNear(1, 1e-5);
    });
    dispose();
  },
);

describe.each(cases)('Keras exported: $name', ({ name }: KerasCase) => {
  it('is saved under the names that Keras gave, and loads again', async () => {
    const model = await load(topologies[name]);
    const saved = await artifacts(model);
    expect(regularizersIn(saved.modelTopology)).toEqual(regularizersIn(topologies[name]));
    if (!UNLOADABLE.includes(name)) {
      const again = built(await tf.loadLayersModel(tf.io.fromMemory(saved)));
      expect(regularizationTerms(again)).toEqual(regularizationTerms(model));
      again.dispose();
    }
    model.dispose();
  });
});

it.each(recurrentAndShared.filter(({ name }) => !name.startsWith('stacked-cells')))(
  'Keras exported: $name, and the topology that is saved has the names that Keras gave',
  async ({ name }: KerasCase) => {
    const model = await load(topologies[name]);
    const saved = JSON.parse(JSON.stringify(model.toJSON(null, false))) as unknown;
    expect(regularizersIn(saved)).toEqual(regularizersIn(topologies[name]));
    model.dispose();
  },
);

describe('Keras 3', () => {
  it('declares L1, L2 and L1L2 as Keras 2 does', async () => {
    const model = await load(keras3);
    expect(regularizationTerms(model)).toMatchObject([
      { layer: 'hidden', weight: 'kernel', kind: 'l2', regularizer: 'L2', l1: 0, l2: 0.02 },
      { layer: 'hidden', weight: 'bias', kind: 'l1', regularizer: 'L1L2', l1: 0.03, l2: 0 },
      { layer: 'hidden', weight: 'bias', kind: 'l2', regularizer: 'L1L2', l1: 0, l2: 0.04 },
      { layer: 'out', weight: 'kernel', kind: 'l1', regularizer: 'L1', l1: expect.closeTo(0.01, 8), l2: 0 },
    ]);
    expect(regularizersIn(model.toJSON(null, false))).toEqual(regularizersIn(keras3));
    model.dispose();
  });
});

describe('the classes', () => {
  const weight = () => tf.tensor([0.5, -2, 3]);

  it.each([
    ['L1', L1, { l1: 0.3 }],
    ['L2', L2, { l2: 0.3 }],
  ] as const)('%s has the value of its formula, and its own coefficient only', (className, Regularizer, config) => {
    const regularizer = new Regularizer(config);
    expect(regularizer.apply(weight()).dataSync()[0]).toBeNear(penalty(weight(), config), 1e-5);
    expect(regularizer.getConfig()).toEqual(config);
    expect(regularizer.getClassName()).toBe(className);
  });

  it.each(['L1', 'L2'])('%s by name has the default coefficient of Keras, 0.01', (className) => {
    const model = dense(className);
    expect(regularizationTerms(model)).toMatchObject([{ regularizer: className, [className.toLowerCase()]: 0.01 }]);
  });

  it('serve as arguments of a layer', () => {
    const model = dense(new L2({ l2: 0.5 }));
    expect(regularizationTerms(model)).toMatchObject([{ kind: 'l2', l1: 0, l2: 0.5 }]);
  });
});

describe('registration', () => {
  const other = (className: string) => ({ className, fromConfig: () => undefined });

  afterEach(() => {
    delete registered()['L1'];
    delete registered()['L2'];
  });

  it('changes nothing a second time', () => {
    const before: Classes = { ...registered() };
    registerKerasClasses();
    expect(registered()).toEqual(before);
    expect(registered()['L2']![0]).toBe(L2);
  });

  it('leaves the classes of another build of this library', () => {
    const ours = registered()['L2']![0];
    const twin = secondCopy('../../src/regularizers/keras-classes') as typeof Keras;
    expect(twin.L2).not.toBe(ours);
    twin.registerKerasClasses();
    expect(registered()['L2']![0]).toBe(ours);
  });

  it.each(['L1', 'L2'])('refuses to replace a foreign %s, and registers neither', (className) => {
    delete registered()['L1'];
    delete registered()['L2'];
    tf.serialization.registerClass(other(className) as never);
    const before: Classes = { ...registered() };
    expect(() => registerKerasClasses()).toThrow(
      `Expected no other regularizer to be registered as \`${className}\`, got one that something else`,
    );
    expect(registered()).toEqual(before);
  });

  it('replaces it when told to', () => {
    tf.serialization.registerClass(other('L2') as never);
    registerKerasClasses({ overwrite: true });
    expect([registered()['L1']![0], registered()['L2']![0]]).toEqual([L1, L2]);
  });

  it('comes with the import of the subpath', () => {
    delete registered()['L2'];
    const { registerKerasClasses: exported } = secondCopy('../../src/keras') as typeof Keras;
    expect(registered()['L2']![0].className).toBe('L2');
    expect(() => exported()).not.toThrow();
  });
});
