import * as tf from '@tensorflow/tfjs';
import * as library from 'tfjs-decomposed-loss';
import 'tfjs-decomposed-loss/keras';
import train from './train.cjs';

await train(import.meta.url, tf, library);
