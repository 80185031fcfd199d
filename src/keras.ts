/**
 * The subpath `tfjs-decomposed-loss/keras`: loads models from Keras 3. Importing it also makes TensorFlow.js load models that
 * Keras saved with L1 and L2 regularizers, as {@link registerKerasClasses} does, and models with a `lossTerm`.
 *
 * @module tfjs-decomposed-loss/keras
 */
import { registerOnce } from './host/model/regularizers.js';
import { LossTerm } from './loss/loss-term.js';
import { registerKerasClasses } from './regularizers/keras-classes.js';

registerKerasClasses();
registerOnce(LossTerm);

export { fromKeras3 } from './keras/from-keras-3.js';
export { registerKerasClasses };

export type { FromKeras3Args } from './keras/from-keras-3.js';
