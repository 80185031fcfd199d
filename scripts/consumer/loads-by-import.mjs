import 'tfjs-decomposed-loss/keras';
import { load } from './loads.mjs';

void load();
