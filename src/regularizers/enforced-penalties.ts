import type { LayersModel } from '@tensorflow/tfjs-layers';
import { penaltySource } from './declared-regularizers.js';
import { declaredCalls } from '../host/declared.js';
import { movedWeights } from '../host/model.js';
import { type PenaltyCall } from '../host/penalties.js';

/** Which of the host's ways with penalties `enforceRegularizers` changes. */
export interface EnforceRegularizersArgs {
  /**
   * Adds the penalties that are declared for the cells of recurrent layers: SimpleRNN, LSTM, GRU, `tf.layers.rnn` with one
   * cell or several, both directions of a Bidirectional, and ConvLSTM2D. TensorFlow.js drops them. Default `true`.
   */
  recurrent?: boolean;
  /**
   * Adds each penalty once, however often its layer, or a model around it, is called. TensorFlow.js adds it once a call.
   * Default `true`.
   */
  sharedOnce?: boolean;
  /**
   * Leaves out the penalties on frozen weights, those that training does not move, as Keras 3 does. They add a constant to
   * the loss and nothing to the gradients. Default `false`: they are added, as TensorFlow.js and Keras 2 do.
   */
  frozen?: boolean;
}

/**
 * The penalties of a model as Keras counts them.
 *
 * @param model - A trained model. Only read.
 * @returns In the order of the layers. What a layer computes from its inputs, or by a `calculateLosses` of its own, is
 *   there once a call, as Keras has it too.
 */
export function enforcedPenalties(
  model: LayersModel,
  { recurrent, sharedOnce, frozen }: Required<EnforceRegularizersArgs>,
  prefix = '',
): PenaltyCall[] {
  const moved = frozen ? movedWeights(model) : undefined;
  const isLeftOut = (call: PenaltyCall): boolean => {
    if (moved === undefined) return false;
    const source = penaltySource(call);
    return source !== null && !moved.has(source.weight);
  };
  const seen = new Set<() => unknown>();
  return declaredCalls(model, prefix).filter((call) => {
    if (call.recurrent && !recurrent) return false;
    if (isLeftOut(call)) return false;
    if (!sharedOnce || call.loss === undefined || call.activity) return true;
    if (seen.has(call.loss)) return false;
    seen.add(call.loss);
    return true;
  });
}
