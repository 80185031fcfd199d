import type * as tfjs from '@tensorflow/tfjs';
import { minimize, type CustomLoss } from 'tfjs-decomposed-loss';
import { accumulateGradients } from 'tfjs-decomposed-loss/gradients';
import { withWeightDecay } from 'tfjs-decomposed-loss/regularizers';
import { tf } from '../helpers/backend';
import { tensorsLeftBy, tensorsLeftByFailing } from '../helpers/memory';
import { data, regressor, state } from '../helpers/models';
import { Clipping, LossScale, Sam } from '../helpers/optimizers';
import { relativeError, weightsOf } from '../helpers/recorded-gradients';

const [x, y] = [data([9, 4]), data([9, 1], 2)];
const sizes = [2, 3, 4];
const [inputs, targets] = [tf.split(x, sizes), tf.split(y, sizes)];

/** The parts of the loss of a batch: how well the model fits, and how large its output is. */
const partsOf = (model: tfjs.LayersModel) => (x: tfjs.Tensor, y: tfjs.Tensor) => {
  const output = model.apply(x, { training: true }) as tfjs.Tensor;
  return {
    fit: tf.losses.meanSquaredError<tfjs.Tensor, tfjs.Scalar>(y, output),
    size: tf.mean<tfjs.Scalar>(output.abs()),
  };
};

const optimizers: Array<[name: string, make: () => tfjs.Optimizer]> = [
  ['sgd', () => tf.train.sgd(0.1)],
  ['momentum', () => tf.train.momentum(0.1, 0.9)],
  ['adam', () => tf.train.adam(0.01)],
];

/** A step in micro-batches, and the same at once; the weight of a part is that of an annealed one. */
function twoWays(make: () => tfjs.Optimizer) {
  const [own, whole] = [regressor({ optimizer: make() }), regressor({ optimizer: make() })];
  const weights = { size: () => 0.25 };
  const accumulated = accumulateGradients({
    loss: partsOf(own),
    models: own,
    variables: own,
    optimizer: own.optimizer,
    weights,
  });
  const atOnce = () =>
    minimize(whole.optimizer, () => partsOf(whole)(x, y), { models: whole, variables: whole, weights });
  return { own, whole, accumulated, atOnce };
}

describe.each(optimizers)('with %s', (_, make) => {
  it('makes the step of minimize on the whole batch, the penalty counted once', async () => {
    const { own, whole, accumulated, atOnce } = twoWays(make);
    for (let step = 0; step < 3; step += 1) {
      for (const [index, one] of inputs.entries()) await accumulated.add(one, targets[index]!);
      expect(accumulated.samples).toBe(9);
      const [loss, expected] = [await accumulated.apply(), await atOnce()];
      expect(accumulated.samples).toBe(0);
      expect(loss.total).toBeNear(expected.total);
      expect(loss.data).toBeNear(expected.data);
      expect(loss.regularization).toBeNear(expected.regularization);
      expect(Object.keys(loss.parts)).toEqual(['fit', 'size']);
      expect(loss.parts['size']).toBeNear(expected.parts['size']!);
      expect(loss.weights).toEqual({ fit: 1, size: 0.25 });
      const [received, start] = [weightsOf(own), weightsOf(regressor())].map((all) => [...all.values()]);
      [...weightsOf(whole).values()].forEach((weight, index) =>
        expect(relativeError(received![index]!, weight, start![index])).toBeLessThan(1e-6),
      );
    }
  });

  it('makes the step of minimize bit for bit from one micro-batch, what the optimizer keeps included', async () => {
    const { own, whole, accumulated, atOnce } = twoWays(make);
    for (let step = 0; step < 3; step += 1) {
      await accumulated.add(x, y);
      await accumulated.apply();
      await atOnce();
    }
    expect(await state(own)).toEqual(await state(whole));
  });
});

describe('with an optimizer of your own', () => {
  it('clips the gradients of the whole batch, once a step', async () => {
    const { own, whole, accumulated, atOnce } = twoWays(() => new Clipping());
    for (let step = 1; step < 4; step += 1) {
      for (const [index, one] of inputs.entries()) await accumulated.add(one, targets[index]!);
      await accumulated.apply();
      await atOnce();
      expect((own.optimizer as Clipping).clipped).toBe(step);
    }
    const [received, expected] = [weightsOf(own), weightsOf(whole)].map((all) => [...all.values()]);
    expected!.forEach((weight, index) => expect(relativeError(received![index]!, weight)).toBeLessThan(1e-5));
  });

  it('makes its own step bit for bit of one micro-batch', async () => {
    const { own, whole, accumulated, atOnce } = twoWays(() => withWeightDecay(new LossScale(), { rate: 0.1 }));
    for (let step = 0; step < 3; step += 1) {
      await accumulated.add(x, y);
      await accumulated.apply();
      await atOnce();
    }
    expect(await state(own)).toEqual(await state(whole));
    expect((own.optimizer as LossScale).steps).toBe(3);
  });

  it('refuses one that evaluates the loss again at other weights, and changes nothing', async () => {
    const { own, accumulated } = twoWays(() => new Sam(0.1));
    await accumulated.add(x, y);
    const before = await state(own);
    await expect(accumulated.apply()).rejects.toThrow(/`optimizer` of `accumulateGradients`.* got a Sam.* twice/);
    expect(await tensorsLeftByFailing(() => accumulated.apply())).toBe(0);
    expect(await state(own)).toEqual(before);
    expect(accumulated.samples).toBe(9);
    accumulated.dispose();
  });
});

it('moves every trainable variable by default, in the order of optimizer.minimize', async () => {
  const [own, other] = [tf.variable(tf.scalar(2)), tf.variable(tf.scalar(2))];
  const optimizers = [tf.train.momentum(0.1, 0.9), tf.train.momentum(0.1, 0.9)] as const;
  const accumulated = accumulateGradients({
    loss: (size: number) => own.square().mul<tfjs.Scalar>(size),
    optimizer: optimizers[0],
  });
  for (let step = 0; step < 3; step += 1) {
    await accumulated.add(1);
    await accumulated.apply();
    await minimize(optimizers[1], () => other.square());
  }
  expect(own.dataSync()).toEqual(other.dataSync());
  tf.dispose([own, other]);
});

it('takes the size from the first tensor, also within an array or an object, or from a number', async () => {
  const slope = tf.variable(tf.scalar(1));
  const loss: (...batch: unknown[]) => tfjs.Scalar = () => slope.square();
  const accumulated = accumulateGradients({ loss, optimizer: tf.train.sgd(0.1), variables: slope });
  await accumulated.add({ scale: tf.scalar(3), xs: [x] });
  await accumulated.add(3, x);
  await accumulated.add([y]);
  expect(accumulated.samples).toBe(9 + 3 + 9);
  accumulated.dispose();
  slope.dispose();
});

it('reads weights that are functions with the first micro-batch of a step, for all of them', async () => {
  const slope = tf.variable(tf.scalar(1));
  let calls = 0;
  const accumulated = accumulateGradients({
    loss: (scale: number) => ({ fit: slope.mul(scale).square().asScalar(), size: slope.square().asScalar() }),
    weights: { fit: () => ++calls, size: 0.5 },
    optimizer: tf.train.sgd(0),
    variables: slope,
  });
  for (let step = 1; step <= 2; step += 1) {
    await accumulated.add(1);
    await accumulated.add(3);
    const { data, parts, weights } = await accumulated.apply();
    expect([calls, weights]).toEqual([step, { fit: step, size: 0.5 }]);
    expect(data).toBeNear(step * parts['fit']! + 0.5 * parts['size']!);
  }
  slope.dispose();
});

it('leaves no tensor, also of steps that nobody makes', async () => {
  const { accumulated } = twoWays(() => tf.train.adam(0.01));
  await accumulated.add(x, y);
  await accumulated.apply();
  const left = await tensorsLeftBy(async () => {
    for (let step = 0; step < 20; step += 1) {
      for (const [index, one] of inputs.entries()) await accumulated.add(one, targets[index]!);
      if (step % 2 === 0) await accumulated.apply();
      else accumulated.dispose();
    }
    accumulated.dispose();
  });
  expect(left).toBe(0);
});

describe('bad input', () => {
  const model = regressor();
  const good = { loss: partsOf(model), models: model, variables: model, optimizer: tf.train.sgd(0.1) };

  it('keeps what was added before a micro-batch that fails', async () => {
    let isFailing = false;
    const loss = (x: tfjs.Tensor, y: tfjs.Tensor): Record<string, tfjs.Scalar> => {
      const { fit, size } = partsOf(model)(x, y);
      return isFailing ? { fit, other: size } : { fit, size };
    };
    const accumulated = accumulateGradients({ ...good, loss });
    await accumulated.add(x, y);
    isFailing = true;
    await expect(accumulated.add(x, y)).rejects.toThrow(
      /the same parts for each micro-batch.*`fit`, `other` after `fit`, `size`/,
    );
    expect(await tensorsLeftByFailing(() => accumulated.add(x, y))).toBe(0);
    expect(accumulated.samples).toBe(9);
    accumulated.dispose();
  });

  it.each(['add', 'apply'] as const)('refuses %s within a loss, and keeps what was added', async (method) => {
    const accumulated = accumulateGradients(good);
    await accumulated.add(x, y);
    let call: Promise<unknown> | undefined;
    tf.tidy(() => {
      const loss = (one: tfjs.Tensor) => {
        call = method === 'add' ? accumulated.add(x, y) : accumulated.apply();
        call.catch(() => {});
        return one.square();
      };
      expect(tf.grad(loss)(tf.scalar(3)).dataSync()[0]).toBe(6);
    });
    await expect(call).rejects.toThrow(`Expected \`${method}\` to be called outside of a loss`);
    expect(accumulated.samples).toBe(9);
    await accumulated.apply();
  });

  it('says what is missing', async () => {
    const accumulated = accumulateGradients(good);
    await expect(accumulated.apply()).rejects.toThrow(/got none\. Call `await accumulated\.add\(…\)`/);
    const anything = accumulateGradients({ ...good, loss: (() => model.apply(x)) as CustomLoss });
    await expect(anything.add()).rejects.toThrow(/to tell how many samples.*got undefined/);
    for (const [batch, message] of [
      [0, /got the size 0/],
      [2.5, /got the size 2\.5/],
      [null, /got null/],
      ['text', /got 'text'/],
    ] as const) {
      await expect(anything.add(...([batch] as unknown as []))).rejects.toThrow(message);
    }
    await expect(anything.add(...([x] as unknown as []))).rejects.toThrow(/`loss` of `accumulateGradients` to return/);
  });

  it.each<[string, object, RegExp]>([
    ['no optimizer', { optimizer: 'sgd' }, /`optimizer` of `accumulateGradients`.*got 'sgd'/],
    ['no function', { loss: 3 }, /`loss` of `accumulateGradients` to be a function/],
    ['an unknown option', { model }, /of `accumulateGradients`, got `model`/],
    ['no variable', { variables: [] }, /`variables` of `accumulateGradients`/],
  ])('%s', (_, wrong, message) => {
    expect(() => accumulateGradients({ ...good, ...wrong })).toThrow(message);
  });
});
