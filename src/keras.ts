/**
 * The subpath `tfjs-decomposed-loss/keras`: loads models from Keras 3. Importing it also makes TensorFlow.js load models that
 * Keras saved with L1 and L2 regularizers, as {@link registerKerasClasses} does, and with `ActivityRegularization` layers.
 *
 * @module tfjs-decomposed-loss/keras
 */
import { registerKerasClasses } from './regularizers/keras-classes.js';

registerKerasClasses();

export { fromKeras3 } from './keras/from-keras-3.js';
export { registerKerasClasses };

export type { FromKeras3Args } from './keras/from-keras-3.js';
