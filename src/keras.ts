/**
 * The subpath `tfjs-decomposed-loss/keras`: to import it is to make TensorFlow.js load models that Keras saved with L1 and
 * L2 regularizers, as {@link registerKerasClasses} does, and with `ActivityRegularization` layers.
 *
 * @module tfjs-decomposed-loss/keras
 */
import { registerKerasClasses } from './regularizers/keras-classes.js';

registerKerasClasses();

export { registerKerasClasses };
