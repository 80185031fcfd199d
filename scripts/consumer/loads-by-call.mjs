import { registerKerasClasses } from 'tfjs-decomposed-loss/regularizers';
import { load } from './loads.mjs';

registerKerasClasses();
void load();
