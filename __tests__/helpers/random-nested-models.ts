import type * as tfjs from '@tensorflow/tfjs';
import fc from 'fast-check';
import { tf } from './backend';
import { penalty } from './float64';
import { data, fillWeights } from './models';

interface Coefficients {
  l1: number;
  l2: number;
}

/** What takes sequences of shape [3, 2] to sequences of that shape, called `calls` times in a row. */
type Block = { calls: number } & (
  | { kind: 'dense' | 'simpleRNN' | 'lstm' | 'gru' | 'stacked' | 'distributed'; terms: Coefficients[]; frozen: boolean }
  | { kind: 'both'; merge: 'sum' | 'mul' | 'ave'; of: 'simpleRNN' | 'lstm' | 'gru'; terms: Coefficients[] }
  | { kind: 'functional' | 'sequential' | 'distributedModel' | 'sequentialInSequential'; blocks: Block[] }
);

/** A recipe for a model in which TensorFlow.js drops some penalties and counts others several times. */
export type NestedRecipe = Block[];

const coefficients = fc.record({ l1: fc.constantFrom(0, 0.02), l2: fc.constantFrom(0, 0.05) });
const calls = fc.constantFrom(1, 1, 2, 3);
const leaf = fc.oneof(
  fc.record({
    kind: fc.constantFrom(
      'dense' as const,
      'simpleRNN' as const,
      'lstm' as const,
      'gru' as const,
      'stacked' as const,
      'distributed' as const,
    ),
    terms: fc.array(coefficients, { minLength: 6, maxLength: 6 }),
    frozen: fc.constantFrom(false, false, true),
    calls,
  }),
  fc.record({
    kind: fc.constant('both' as const),
    merge: fc.constantFrom('sum' as const, 'mul' as const, 'ave' as const),
    of: fc.constantFrom('simpleRNN' as const, 'lstm' as const, 'gru' as const),
    terms: fc.array(coefficients, { minLength: 3, maxLength: 3 }),
    calls,
  }),
);

const nest = (inner: fc.Arbitrary<Block>): fc.Arbitrary<Block> =>
  fc.record({
    kind: fc.constantFrom(
      'functional' as const,
      'sequential' as const,
      'distributedModel' as const,
      'sequentialInSequential' as const,
    ),
    blocks: fc.array(inner, { minLength: 1, maxLength: 2 }),
    calls,
  });

const block = fc.oneof({ weight: 2, arbitrary: leaf }, { weight: 3, arbitrary: nest(fc.oneof(leaf, nest(leaf))) });

export const nestedRecipes: fc.Arbitrary<NestedRecipe> = fc.array(block, { minLength: 1, maxLength: 3 });

const regularizer = ({ l1, l2 }: Coefficients) => (l1 === 0 && l2 === 0 ? undefined : tf.regularizers.l1l2({ l1, l2 }));

const rnnArgs = ([kernel, recurrent, bias]: Coefficients[]) => ({
  units: 2,
  kernelRegularizer: regularizer(kernel!),
  recurrentRegularizer: regularizer(recurrent!),
  biasRegularizer: regularizer(bias!),
});

const dense = ([kernel, bias]: Coefficients[], args = {}) =>
  tf.layers.dense({
    units: 2,
    activation: 'tanh',
    kernelRegularizer: regularizer(kernel!),
    biasRegularizer: regularizer(bias!),
    ...args,
  });

/** A layer of the kind and what its `weights` were declared with, in their order. */
function leafLayer(one: Extract<Block, { terms: Coefficients[] }>): [tfjs.layers.Layer, Coefficients[]] {
  const { terms } = one;
  switch (one.kind) {
    case 'dense':
      return [dense(terms, { trainable: !one.frozen }), terms.slice(0, 2)];
    case 'distributed':
      return [tf.layers.timeDistributed({ layer: dense(terms, { trainable: !one.frozen }) }), terms.slice(0, 2)];
    case 'stacked': {
      const cell = [tf.layers.simpleRNNCell(rnnArgs(terms)), tf.layers.lstmCell(rnnArgs(terms.slice(3)))];
      return [tf.layers.rnn({ cell, returnSequences: true, trainable: !one.frozen }), terms];
    }
    case 'both': {
      const layer = tf.layers[one.of]({ ...rnnArgs(terms), returnSequences: true });
      return [tf.layers.bidirectional({ layer, mergeMode: one.merge }), [...terms, ...terms]];
    }
    default: {
      const args = { ...rnnArgs(terms), returnSequences: true, trainable: !one.frozen };
      return [tf.layers[one.kind](args), terms.slice(0, 3)];
    }
  }
}

/** A weight and what was declared for it. */
export interface DeclaredTerm extends Coefficients {
  weight: tfjs.LayerVariable;
}

/** Gives `declare` a function that lists the declared terms once the layer is built. */
function blockLayer(one: Block, shape: number[], declare: (terms: () => DeclaredTerm[]) => void): tfjs.layers.Layer {
  if ('terms' in one) {
    const [layer, terms] = leafLayer(one);
    declare(() => layer.weights.map((weight, index) => ({ weight, ...terms[index]! })));
    return layer;
  }
  if (one.kind === 'distributedModel') {
    // Within a TimeDistributed, each time step has the shape [2], which dense layers alone take.
    const terms = one.blocks.map((inner): Coefficients[] =>
      'terms' in inner
        ? inner.terms
        : [
            { l1: 0.1, l2: 0 },
            { l1: 0, l2: 0 },
          ],
    );
    const layers = terms.map((coefficients, index) => dense(coefficients, index === 0 ? { inputShape: [2] } : {}));
    layers.forEach((layer, l) =>
      declare(() => layer.weights.map((weight, index) => ({ weight, ...terms[l]![index]! }))),
    );
    return tf.layers.timeDistributed({ layer: tf.sequential({ layers }) });
  }
  if (one.kind === 'functional') {
    const inputs = tf.input({ shape });
    return tf.model({ inputs, outputs: chain(inputs, one.blocks, shape, declare) });
  }
  const layers = one.blocks.map((inner) => blockLayer({ ...inner, calls: 1 }, shape, declare));
  const entry = tf.layers.activation({ activation: 'linear', inputShape: shape });
  const sequential = tf.sequential({ layers: [entry, ...layers] });
  return one.kind === 'sequential' ? sequential : tf.sequential({ layers: [sequential] });
}

function chain(
  x: tfjs.SymbolicTensor,
  blocks: Block[],
  shape: number[],
  declare: (terms: () => DeclaredTerm[]) => void,
): tfjs.SymbolicTensor {
  let h = x;
  for (const one of blocks) {
    const layer = blockLayer(one, shape, declare);
    for (let call = 0; call < one.calls; call++) h = layer.apply(h) as tfjs.SymbolicTensor;
  }
  return h;
}

export interface NestedModel {
  model: tfjs.LayersModel;
  x: tfjs.Tensor;
  y: tfjs.Tensor;
  /** Every weight with a coefficient above 0, once. */
  declared: DeclaredTerm[];
  /** Each declared penalty once, in float64 from the current weights. */
  penalty(): number;
}

/** Builds and compiles the model of a recipe; the learning rate is 0. */
export function buildNested(recipe: NestedRecipe): NestedModel {
  const lists: Array<() => DeclaredTerm[]> = [];
  const inputs = tf.input({ shape: [3, 2] });
  const h = chain(inputs, recipe, [3, 2], (terms) => lists.push(terms));
  // The host does not train a model whose weights are all frozen.
  const outputs = tf.layers.dense({ units: 1 }).apply(h) as tfjs.SymbolicTensor;
  const model = fillWeights(tf.model({ inputs, outputs }));
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0) });
  const declared = lists.flatMap((list) => list()).filter(({ l1, l2 }) => l1 !== 0 || l2 !== 0);
  return {
    model,
    x: data([4, 3, 2], 10),
    y: data([4, 3, 1], 11),
    declared,
    penalty: () => declared.reduce((sum, term) => sum + penalty(term.weight.read(), term), 0),
  };
}
