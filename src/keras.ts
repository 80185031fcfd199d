/**
 * The subpath `tfjs-decomposed-loss/keras`: to import it is to make TensorFlow.js load models that Keras saved with L1 and
 * L2 regularizers, as {@link registerKerasRegularizers} does, and with `ActivityRegularization` layers.
 *
 * @module tfjs-decomposed-loss/keras
 */
import { registerActivityRegularization } from './regularizers/activity-regularization.js';
import { registerKerasRegularizers } from './regularizers/keras-regularizers.js';

registerKerasRegularizers();
registerActivityRegularization();

export { registerKerasRegularizers };
