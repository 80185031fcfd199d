import type * as tfjs from '@tensorflow/tfjs';
import fc from 'fast-check';
import { tf } from './backend';
import { penalty } from './float64';
import { data, fillWeights } from './models';

interface Coefficients {
  l1: number;
  l2: number;
}

interface Hidden {
  units: number;
  kernel: Coefficients;
  bias: Coefficients;
  activation: 'tanh' | 'linear';
}

/** A recipe for a small dense model; the same recipe gives the same weights and data. */
export interface Recipe {
  form: 'sequential' | 'functional' | 'nested';
  hidden: Hidden[];
  outputs: 1 | 2;
  optimizer: 'sgd' | 'adam' | 'rmsprop';
  samples: number;
  batchSize: number;
}

/** No penalty on about every other weight; coefficients over six orders of magnitude. */
const coefficients = fc.record({
  l1: fc.constantFrom(0, 0, 1e-3, 0.2, 100),
  l2: fc.constantFrom(0, 0, 1e-3, 0.5, 1000),
});

export const recipes: fc.Arbitrary<Recipe> = fc.record({
  form: fc.constantFrom('sequential', 'functional', 'nested'),
  hidden: fc.array(
    fc.record({
      units: fc.integer({ min: 1, max: 5 }),
      kernel: coefficients,
      bias: coefficients,
      activation: fc.constantFrom('tanh', 'linear'),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  outputs: fc.constantFrom(1, 2),
  optimizer: fc.constantFrom('sgd', 'adam', 'rmsprop'),
  samples: fc.integer({ min: 2, max: 9 }),
  batchSize: fc.integer({ min: 1, max: 5 }),
});

const regularizer = ({ l1, l2 }: Coefficients) => (l1 === 0 && l2 === 0 ? undefined : tf.regularizers.l1l2({ l1, l2 }));

const layer = (
  { units, kernel, bias, activation }: Hidden,
  args: Partial<Parameters<typeof tf.layers.dense>[0]> = {},
) =>
  tf.layers.dense({
    units,
    activation,
    kernelRegularizer: regularizer(kernel),
    biasRegularizer: regularizer(bias),
    ...args,
  });

const optimizers = {
  sgd: () => tf.train.sgd(1e-4),
  adam: () => tf.train.adam(1e-3),
  rmsprop: () => tf.train.rmsprop(1e-3),
};

export interface RandomModel {
  model: tfjs.LayersModel;
  x: tfjs.Tensor;
  y: tfjs.Tensor | tfjs.Tensor[];
  /** The penalty in float64, from the recipe and the current weights. */
  penalty(): number;
  /** How many penalties a step adds. */
  terms: number;
}

/** Builds and compiles the model of a recipe. */
export function build({ form, hidden, outputs, optimizer, samples }: Recipe): RandomModel {
  const hiddenLayers = hidden.map((one, index) => layer(one, index === 0 ? { inputShape: [3] } : {}));
  const model = form === 'sequential' ? sequential(hiddenLayers) : functional(hiddenLayers, outputs, form === 'nested');
  model.compile({ loss: 'meanSquaredError', optimizer: optimizers[optimizer](), metrics: ['mae'] });
  fillWeights(model);
  const declared = hidden.flatMap(({ kernel, bias }) => [kernel, bias]);
  const weights = hiddenLayers.flatMap((one) => one.weights);
  const y = model.outputs.map((_, index) => data([samples, 1], 20 + index));
  return {
    model,
    x: data([samples, 3], 10),
    y: y.length === 1 ? y[0]! : y,
    penalty: () => weights.reduce((sum, weight, index) => sum + penalty(weight.read(), declared[index]!), 0),
    terms: declared.filter(({ l1, l2 }) => l1 !== 0 || l2 !== 0).length,
  };
}

function sequential(hidden: tfjs.layers.Layer[]): tfjs.Sequential {
  return tf.sequential({ layers: [...hidden, tf.layers.dense({ units: 1 })] });
}

function functional(hidden: tfjs.layers.Layer[], outputs: number, nested: boolean): tfjs.LayersModel {
  const inputs = tf.input({ shape: [3] });
  const trunk = nested ? [tf.sequential({ layers: hidden })] : hidden;
  const h = trunk.reduce<tfjs.SymbolicTensor>((value, one) => one.apply(value) as tfjs.SymbolicTensor, inputs);
  const heads = Array.from({ length: outputs }, () => tf.layers.dense({ units: 1 }).apply(h) as tfjs.SymbolicTensor);
  return tf.model({ inputs, outputs: heads });
}
