/**
 * A variational autoencoder on MNIST, trained in a custom loop. It shows reconstruction, KL divergence and regularization
 * separately, in the console, in TensorBoard and in a picture. Needs tfjs-node.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { History, LayersModel, Scalar, SymbolicTensor, Tensor, Tensor2D } from '@tensorflow/tfjs';
import { decomposedLoss, evaluateLoss, minimize, trainingLoop } from 'tfjs-decomposed-loss';
import { fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { tensorBoard } from 'tfjs-decomposed-loss/tensorboard';
import { tf } from '../backend.js';
import { batch, loadDigits } from '../mnist.js';
import { numberArgument, runIfMain } from '../run.js';
import { picture } from './picture.js';

const PIXELS = 28 * 28;
const CODE = 10;
const BATCH = 64;
const SHOWN = 12;

interface Autoencoder {
  /** From pixels to the mean and the logarithm of the variance of their code. */
  encoder: LayersModel;
  /** From a code to the logits of pixels. */
  decoder: LayersModel;
}

function autoencoder(): Autoencoder {
  const dense = (units: number, seed: number, activation?: 'relu') =>
    tf.layers.dense({
      units,
      activation,
      kernelInitializer: tf.initializers.glorotUniform({ seed }),
      kernelRegularizer: tf.regularizers.l2({ l2: 0.003 }),
    });
  const pixels = tf.input({ shape: [PIXELS] });
  const hidden = dense(200, 1, 'relu').apply(pixels);
  const outputs = [dense(CODE, 2).apply(hidden), dense(CODE, 3).apply(hidden)] as SymbolicTensor[];
  const code = tf.input({ shape: [CODE] });
  const logits = dense(PIXELS, 5).apply(dense(200, 4, 'relu').apply(code)) as SymbolicTensor;
  return {
    encoder: tf.model({ name: 'encoder', inputs: pixels, outputs }),
    decoder: tf.model({ name: 'decoder', inputs: code, outputs: logits }),
  };
}

/** Both parts of the loss, in nats per image. */
function lossOf({ encoder, decoder }: Autoencoder, x: Tensor, seed: number): { reconstruction: Scalar; kl: Scalar } {
  const [mean, logVariance] = encoder.apply(x) as [Tensor2D, Tensor2D];
  const noise = tf.randomNormal(mean.shape, 0, 1, 'float32', seed);
  const logits = decoder.apply(mean.add(logVariance.div(2).exp().mul(noise))) as Tensor2D;
  const divergence = mean.square().add(logVariance.exp()).sub(logVariance).sub(1).div(2);
  return {
    reconstruction: tf.losses.sigmoidCrossEntropy<Tensor, Scalar>(x, logits).mul(PIXELS),
    kl: divergence.sum(1).mean(),
  };
}

/** Digits, their reconstructions, and digits from random codes: three rows of images. */
function rowsOf({ encoder, decoder }: Autoencoder, digits: Tensor): Tensor {
  return tf.tidy(() => {
    const [mean] = encoder.predict(digits) as [Tensor];
    const codes = mean.concat(tf.randomNormal([digits.shape[0], CODE], 0, 1, 'float32', 7));
    return digits.concat((decoder.predict(codes) as Tensor).sigmoid());
  });
}

export interface Results {
  history: History;
  picture: string;
  logs: string;
}

export async function main({ epochs = 12, steps = 150, folder = join(__dirname, 'output') } = {}): Promise<Results> {
  const flat = (part: 'train' | 't10k', count: number): Tensor2D =>
    tf.tidy(() => batch(loadDigits(part), 0, count).xs.reshape([count, PIXELS]));
  const [training, validation] = [flat('train', steps * BATCH), flat('t10k', 1000)];

  const vae = autoencoder();
  const models = [vae.encoder, vae.decoder];
  models.forEach((model) => fuseRegularizers(model)); // the same penalties in less time
  const optimizer = tf.train.adam(0.003);
  // The weight of the KL divergence grows over the first third, so that the code is used before it is made regular.
  let step = 0;
  const weights = { kl: () => Math.min(1, step / ((epochs * steps) / 3)) };

  const logs = join(folder, 'logs', new Date().toISOString().replaceAll(':', '-'));
  const callbacks = [decomposedLoss({ verbose: true }), tensorBoard(logs)];
  const history = await trainingLoop({ models, callbacks, epochs }, async (loop) => {
    for (let epoch = 0; epoch < epochs; epoch += 1) {
      for (let i = 0; i < steps; i += 1) {
        step += 1;
        const x = training.slice(i * BATCH, BATCH);
        await loop.step(() =>
          minimize(optimizer, () => lossOf(vae, x, step), { models, weights, returnTensors: true }),
        );
        x.dispose();
      }
      await loop.validate(() => evaluateLoss(() => lossOf(vae, validation, 1), { models, weights }));
      await loop.endEpoch({ kl_weight: weights.kl() });
    }
  });

  const digits = validation.slice(0, SHOWN);
  const images = rowsOf(vae, digits);
  const path = join(folder, 'vae.svg');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, await picture(history, images, ['original', 'reconstructed', 'sampled']));
  tf.dispose([training, validation, digits, images]);
  console.log(`\nWrote ${path}\nTo see the curves: tensorboard --logdir ${join(folder, 'logs')}`);
  return { history, picture: path, logs };
}

runIfMain(module, () => main({ epochs: numberArgument('epochs'), steps: numberArgument('steps') }));
