import * as tf from '@tensorflow/tfjs';
import * as library from 'tfjs-decomposed-loss';
import 'tfjs-decomposed-loss/keras';
import { fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { lossLogger } from 'tfjs-decomposed-loss/node';
import { tensorBoard } from 'tfjs-decomposed-loss/tensorboard';
import train from './train.cjs';

await train(import.meta.url, tf, { ...library, fuseRegularizers, lossLogger, tensorBoard });
