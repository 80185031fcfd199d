/**
 * The subpath `tfjs-decomposed-loss/keras`: to import it is to call {@link registerKerasRegularizers}.
 *
 * @module
 */
import { registerKerasRegularizers } from './keras-regularizers.js';

registerKerasRegularizers();

export { registerKerasRegularizers };
