import type * as tfjs from '@tensorflow/tfjs';
import { declaredRegularizers } from '../src/declared-regularizers';
import { tf } from './helpers/backend';

const l2 = () => tf.regularizers.l2({ l2: 0.1 });
const rnnRegularizers = () => ({ kernelRegularizer: l2(), recurrentRegularizer: l2(), biasRegularizer: l2() });
it('lists', () => {
  const inputs = tf.input({ shape: [4, 3] });
  const bi = tf.layers.bidirectional({ name: 'bi', layer: tf.layers.lstm({ name:'inner', units: 2, returnSequences: true, ...rnnRegularizers() }), mergeMode: 'sum' });
  const stacked = tf.layers.rnn({ name: 'stack', returnSequences: true, cell: [
    tf.layers.simpleRNNCell({ name: 'a', units: 2, ...rnnRegularizers() }), tf.layers.gruCell({ name: 'b', units: 2, resetAfter: false, ...rnnRegularizers() })] });
  const inner = tf.sequential({ name: 'inner', layers: [tf.layers.dense({ name:'d', units: 2, inputShape: [2], kernelRegularizer: l2() })] });
  const td = tf.layers.timeDistributed({ name: 'td', layer: inner });
  const seqseq = tf.sequential({name: 'outer', layers: [tf.sequential({ name: 'in', layers: [tf.layers.dense({ name:'e', units: 2, inputShape: [4, 2], kernelRegularizer: l2() })] }), tf.layers.dense({name:'f', units: 2, kernelRegularizer: l2()})]});
  const shared = tf.layers.dense({ name: 'shared', units: 2, kernelRegularizer: l2(), trainable: false });
  const h = [bi, stacked, td, seqseq, shared, shared].reduce((x, l) => l.apply(x) as tfjs.SymbolicTensor, inputs);
  const model = tf.model({ inputs, outputs: h });
  const before = tf.memory().numTensors;
  const list = declaredRegularizers(model);
  expect(tf.memory().numTensors).toBe(before);
  console.log(list.map(({ path, weight, regularizer, calls, applied, recurrent, frozen, owner, layer }) => [path, weight.originalName, regularizer.constructor.name, calls, applied, recurrent, frozen, owner.name, layer.name].join(' ')).join('\n'));
});
