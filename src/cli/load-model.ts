import type { io } from '@tensorflow/tfjs-core';
import { Sequential, loadLayersModel, type LayersModel } from '@tensorflow/tfjs-layers';
import { registerActivityRegularization } from '../regularizers/activity-regularization.js';
import { limitNewWeights } from '../host/new-weights.js';
import { registerKerasClasses } from '../regularizers/keras-classes.js';
import type { ModelJson } from './model-json.js';
import { UnusableInput, reason } from './unusable.js';
import { elements } from './weight-specs.js';
import type { SavedWeights } from './weights.js';

/**
 * Makes a model of what was read.
 *
 * @throws UnusableInput with a plain sentence if TensorFlow.js cannot, or if the topology asks for more weights than the
 *   files hold.
 */
export async function loadModel(
  path: string,
  { modelTopology }: ModelJson,
  { weightSpecs, weightData }: SavedWeights,
): Promise<LayersModel> {
  registerKerasClasses();
  registerActivityRegularization();
  const handler: io.IOHandler = { load: async () => ({ modelTopology, weightSpecs, weightData }) };
  const saved = weightSpecs.reduce((sum, spec) => sum + elements(spec), 0);
  const release = limitNewWeights(saved);
  try {
    const model = await loadLayersModel(handler);
    if (model instanceof Sequential) model.build();
    return model;
  } catch (error) {
    throw new UnusableInput(
      `Expected ${path} to be a layers model, and TensorFlow.js does not load it: ${reason(error)}`,
    );
  } finally {
    release();
  }
}
