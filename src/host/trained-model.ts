import { LayersModel } from '@tensorflow/tfjs-layers';
import { refuseActivityRegularizers } from './activity-regularizers.js';
import { describe } from '../util/describe.js';
import { isForeignLayersModel, trainedModel } from './model.js';

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
      `Expected \`model\` to be built, got \`${model.name}\` (a Sequential with ${model.layers.length} layers, ` +
        'not built). Call `model.compile(...)` or `model.build()` first.',
    );
  }
  return trained;
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
    if (isForeignLayersModel(value)) {
      return new Error(`${expected} one from a second copy of @tensorflow/tfjs-layers. ${ONE_COPY}`);
    }
    if ('executor' in value && 'predict' in value) {
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
