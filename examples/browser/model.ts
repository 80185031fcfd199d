import * as tf from '@tensorflow/tfjs';

/** An L2 penalty whose coefficient can be moved while a model trains: `coefficient * sum(weight²)`. */
export class SliderL2 extends tf.serialization.Serializable {
  static readonly className = 'SliderL2';
  static coefficient = 0.001;

  apply(weight: tf.Tensor): tf.Scalar {
    return tf.tidy(() => tf.mul(SliderL2.coefficient, tf.sum(tf.square(weight))));
  }

  getConfig(): tf.serialization.ConfigDict {
    return {};
  }
}

tf.serialization.registerClass(SliderL2);

/** The models that the page offers. */
export type ModelName = 'dense' | 'convolutional' | 'lstm';

/** A compiled model with seeded weights that reads digits, [28, 28, 1] from 0 to 1, with a penalty on each kernel. */
export function digitModel(name: ModelName): tf.Sequential {
  const model = tf.sequential({ name, layers: [...layersOf[name](), classes()] });
  model.compile({ optimizer: tf.train.momentum(0.05, 0.9), loss: crossEntropy, metrics: ['accuracy'] });
  return model;
}

/**
 * The cross-entropy of each digit, [batch], from the outputs before softmax. TensorFlow.js's `'categoricalCrossentropy'`
 * raises small probabilities to 1e-4 on WebGL and to 1e-7 elsewhere, so that its numbers differ from backend to backend.
 */
const crossEntropy = (yTrue: tf.Tensor, logits: tf.Tensor): tf.Tensor =>
  tf.losses.softmaxCrossEntropy(yTrue, logits, undefined, undefined, tf.Reduction.NONE);

const kernelRegularizer = SliderL2.className;
const inputShape = [28, 28, 1];
const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });

const layersOf: Record<ModelName, () => tf.layers.Layer[]> = {
  dense: () => [
    tf.layers.flatten({ inputShape }),
    tf.layers.dense({
      name: 'strokes',
      units: 64,
      activation: 'relu',
      kernelInitializer: seeded(1),
      kernelRegularizer,
    }),
    tf.layers.dense({ name: 'shapes', units: 32, activation: 'relu', kernelInitializer: seeded(2), kernelRegularizer }),
  ],
  convolutional: () => [
    tf.layers.conv2d({
      name: 'strokes',
      inputShape,
      filters: 8,
      kernelSize: 5,
      activation: 'relu',
      kernelInitializer: seeded(1),
      kernelRegularizer,
    }),
    tf.layers.maxPooling2d({ poolSize: 2 }),
    tf.layers.conv2d({
      name: 'shapes',
      filters: 16,
      kernelSize: 5,
      activation: 'relu',
      kernelInitializer: seeded(2),
      kernelRegularizer,
    }),
    tf.layers.maxPooling2d({ poolSize: 2 }),
    tf.layers.flatten(),
  ],
  lstm: () => [
    tf.layers.reshape({ inputShape, targetShape: [28, 28] }),
    tf.layers.lstm({
      name: 'rows',
      units: 32,
      kernelInitializer: seeded(1),
      recurrentInitializer: seeded(2),
      kernelRegularizer,
      recurrentRegularizer: kernelRegularizer,
    }),
  ],
};

const classes = () =>
  tf.layers.dense({
    name: 'digits',
    units: 10,
    kernelInitializer: seeded(3),
    kernelRegularizer,
  });
