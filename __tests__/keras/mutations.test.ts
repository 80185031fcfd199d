import { enforceRegularizers } from 'tfjs-decomposed-loss/regularizers';
import type { LayersModel } from '@tensorflow/tfjs';
import {
  artifactsOf,
  digest,
  inputsOf,
  loadKeras3,
  modelsOf315,
  mutations,
  one,
  targetsOf,
  type Keras3Model,
  type Mutation,
} from '../fixtures/keras-3/models';
import { upgradeTopology } from '../../src/keras/upgrade-topology';
import { backend, isOldest, tf } from '../helpers/backend';

/** What makes training random; the outputs of a prediction do not depend on it. */
const RANDOM = ['dropout', 'rate', 'recurrent_dropout', 'stddev'];

const cases = mutations.map(({ name, mutations: changes }) => ({
  name,
  changes,
  model: modelsOf315.find((model) => model.name === name)!,
}));

const label = ({ path, value }: Mutation): string => `${path.slice(2).join('.')} = ${JSON.stringify(value)}`;

const isNear = (received: readonly number[][], expected: readonly number[][]): boolean =>
  expected.every((pair, n) =>
    pair.every((value, i) => Math.abs(received[n]![i]! - value) <= 1e-4 * Math.max(1, Math.abs(value))),
  );

function outputs(loaded: LayersModel, model: Keras3Model) {
  return tf.tidy(() =>
    [loaded.predict(one(inputsOf(tf, model)))].flat().map((output) => ({
      shape: output.shape,
      digest: digest(output.dataSync()),
    })),
  );
}

/** What is wrong with a model that was loaded; `undefined` where it is Keras's. */
function mistake(loaded: LayersModel, model: Keras3Model, mutation: Mutation): string | undefined {
  const computed = outputs(loaded, model);
  if (JSON.stringify(computed.map(({ shape }) => shape)) !== JSON.stringify(mutation.shapes)) return 'another shape';
  return isNear(
    computed.map((output) => output.digest),
    mutation.outputs,
  )
    ? undefined
    : 'another prediction';
}

async function mistakeInTraining(loaded: LayersModel, model: Keras3Model, mutation: Mutation) {
  const [total] = mutation.total;
  if (total === undefined || RANDOM.includes(String(mutation.path.at(-1))) || !trains(model, mutation)) {
    return undefined;
  }
  loaded.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
  enforceRegularizers(loaded, { frozen: true });
  const x = inputsOf(tf, model);
  const y = targetsOf(tf, mutation.shapes);
  const [loss] = [await loaded.trainOnBatch(one(x), one(y))].flat();
  tf.dispose([x, y]);
  loaded.optimizer.dispose();
  if (!isNear([[loss!]], [[total]])) return `another loss, ${loss}`;
  const after = outputs(loaded, model).map((output) => output.digest);
  return isNear(after, mutation.after) ? undefined : 'another update';
}

/**
 * Not where the CPU backend's gradient of nearest neighbours is wrong, where samples are put one after the other, nor where
 * two calls of one layer update its moving means in either order.
 */
const trains = ({ name }: Keras3Model, { path, value, shapes }: Mutation): boolean =>
  !(isOldest && (name === 'elu' || value === 'elu')) &&
  name !== 'up-sampling2d' &&
  !(name === 'nested' && path.includes('inbound_nodes')) &&
  shapes.every(([samples]) => samples === 3);

/** Messages of TensorFlow.js's own, for what it says by itself. */
const REFUSED =
  /^(Expected (`|layers that|every call)|All layers in a Sequential model should have a single output tensor)/;

async function verdict(model: Keras3Model, mutation: Mutation, predictOnly: boolean): Promise<string | undefined> {
  let loaded: LayersModel;
  try {
    loaded = await loadKeras3(tf, artifactsOf(model, mutation), { predictOnly });
  } catch (error) {
    return REFUSED.test((error as Error).message) ? undefined : `${label(mutation)}: ${(error as Error).message}`;
  }
  try {
    const wrong =
      mistake(loaded, model, mutation) ?? (predictOnly ? undefined : await mistakeInTraining(loaded, model, mutation));
    return wrong === undefined ? undefined : `${label(mutation)}: ${wrong}`;
  } catch (error) {
    return `${label(mutation)}: ${(error as Error).message}`;
  } finally {
    loaded.dispose();
  }
}

/** What is tested is the topology; where the backends compute otherwise, it is their kernels. */
const onOneBackend = backend === 'cpu' ? it.each(cases) : it.skip.each(cases);

onOneBackend('loads a changed field as Keras does, or refuses it: $name', async ({ model, changes }) => {
  const wrong: string[] = [];
  for (const mutation of changes) {
    for (const predictOnly of [false, true]) {
      const found = await verdict(model, mutation, predictOnly);
      if (found !== undefined) wrong.push(`${predictOnly ? 'to predict: ' : ''}${found}`);
    }
  }
  expect(wrong).toEqual([]);
});

const paths = (value: unknown, path: Array<string | number> = []): Array<Array<string | number>> =>
  typeof value === 'object' && value !== null
    ? [
        path,
        ...Object.entries(value).flatMap(([key, inner]) =>
          paths(inner, [...path, Array.isArray(value) ? Number(key) : key]),
        ),
      ]
    : [path];

it.each(['nested', 'bidirectional', 'stacked-cells', 'encoder-decoder', 'masked-graph', 'time-distributed-model'])(
  'upgrades what is not of its form, or says what it expected: %s',
  (name) => {
    const { topology } = modelsOf315.find((model) => model.name === name)!;
    const unexplained: string[] = [];
    for (const path of paths(topology['model_config']).slice(1)) {
      for (const value of [null, 3, 'x', [], {}, [[null]]]) {
        const copy = JSON.parse(JSON.stringify(topology)) as { model_config: Record<string | number, unknown> };
        let target = copy.model_config;
        for (const key of path.slice(0, -1)) target = target[key] as Record<string | number, unknown>;
        target[path.at(-1)!] = value;
        try {
          upgradeTopology(copy, false);
        } catch (error) {
          const { message } = error as Error;
          if (!message.startsWith('Expected ')) {
            unexplained.push(`${path.join('.')} = ${JSON.stringify(value)}: ${message}`);
          }
        }
      }
    }
    expect(unexplained).toEqual([]);
  },
);
