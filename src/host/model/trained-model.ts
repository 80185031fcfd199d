import { LayersModel, Sequential } from '@tensorflow/tfjs-layers';
import { describe, list } from '../../util/arguments.js';
import { onAssign } from '../patch.js';
import { hidden, internals, trainedModel } from './model.js';
import { placesInModel } from './walk.js';

/** What to do when the app and this library load two copies of tfjs-layers. */
export const ONE_COPY =
  'Install one copy of @tensorflow/tfjs-layers: `npm ls @tensorflow/tfjs-layers` shows who brings which, ' +
  '`npm dedupe` or an `overrides` entry in package.json makes them one.';

/**
 * The model that holds the weights, the losses and the optimizer: of a `Sequential` the one that it builds and hides.
 *
 * @throws Error if `model` is not a built `tf.LayersModel` of the tfjs-layers that this library uses.
 */
export function builtModel(model: LayersModel): LayersModel {
  if (!(model instanceof LayersModel)) throw notALayersModel(model);
  const trained = trainedModel(model);
  if (trained === undefined) {
    throw new Error(
      `Expected \`model\` to be built, got \`${model.name}\`, a Sequential that is not built. ` +
        'Call `model.compile(...)` or `model.build()` first.',
    );
  }
  return trained;
}

/**
 * As `builtModel`, of a `Sequential` that is not built too, which knows the shape of its inputs from its first layer. Its weights
 * are there before, so nothing is drawn or trained by it.
 *
 * @throws Error if it has no layers, or is none.
 */
export function buildModel(model: LayersModel): LayersModel {
  if (model instanceof Sequential && model.layers.length > 0 && trainedModel(model) === undefined) model.build();
  return builtModel(model);
}

/**
 * As `builtModel`, for what needs the loss.
 *
 * @throws Error also if the model is not compiled, or a layer has an `activityRegularizer`.
 */
export function compiledModel(model: LayersModel): LayersModel {
  const trained = builtModel(model);
  if (trained.optimizer == null) {
    throw new Error(
      `Expected \`model\` to be compiled, got \`${model.name}\`, which has no optimizer and no loss. ` +
        'Call `model.compile({optimizer, loss})` first.',
    );
  }
  if (!withoutActivityRegularizers.has(trained)) refuseActivityRegularizers(trained);
  withoutActivityRegularizers.add(trained);
  return trained;
}

/** One look at a model's layers is enough: those that come later the host itself refuses, but for layers in wrappers. */
const withoutActivityRegularizers = new WeakSet<LayersModel>();

function notALayersModel(value: unknown): Error {
  const expected = 'Expected `model` to be a tf.LayersModel or a tf.Sequential, got';
  if (typeof value === 'object' && value !== null) {
    if ('makeTrainFunction' in value && 'calculateLosses' in value) {
      return new Error(`${expected} one from a second copy of @tensorflow/tfjs-layers. ${ONE_COPY}`);
    }
    if ('executor' in value) {
      return new Error(
        `${expected} a tf.GraphModel, which cannot be trained and has no regularizers. ` +
          'Convert the original as a layers model and load it with `tf.loadLayersModel(...)`.',
      );
    }
  }
  return new Error(
    `${expected} ${describe(value)}. Pass what \`tf.model\`, \`tf.sequential\` or \`tf.loadLayersModel\` gave.`,
  );
}

/**
 * Refuses models with a layer whose own `activityRegularizer` is set: TensorFlow.js throws when such a layer is applied,
 * and ignores it silently where the layer is wrapped, for example in a TimeDistributed.
 *
 * @throws Error that names the layers.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/topology.ts#L1030-L1034 | Layer.apply}
 */
export function refuseActivityRegularizers(model: LayersModel): void {
  const found = placesInModel(model)
    .map(({ layer }) => layer)
    .filter(({ activityRegularizer }) => activityRegularizer != null);
  if (found.length === 0) return;
  throw new Error(
    'Expected no layer to have an `activityRegularizer`, which TensorFlow.js does not support, got ' +
      `${list(new Set(found.map(({ name }) => name)))}. Leave it out, and put \`activityRegularization({l1, l2})\` of ` +
      'tfjs-decomposed-loss/regularizers after the layer, in a `tf.layers.timeDistributed` of its own where the layer is in one.',
  );
}

/**
 * Changes a model, and each that a `Sequential` builds in its place from then on. The one before is restored, unless it is
 * being trained: `compile` in a callback changes the next training, not the one that runs.
 *
 * @param change - Changes the model that is trained, and returns how to restore it.
 * @returns Restores all of them.
 */
export function changeTrained(
  model: LayersModel,
  trained: LayersModel,
  change: (one: LayersModel) => () => void,
): () => void {
  let current = { trained, restore: change(trained) };
  const remaining: Array<() => void> = [];
  const onRebuild = (rebuilt: LayersModel): void => {
    if (internals(current.trained).isTraining) remaining.push(current.restore);
    else current.restore();
    current = { trained: rebuilt, restore: change(rebuilt) };
  };
  const release = model instanceof Sequential ? onAssign(hidden(model), 'model', onRebuild) : () => {};
  return () => {
    current.restore();
    remaining.splice(0).forEach((restore) => restore());
    release();
  };
}
