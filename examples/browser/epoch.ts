import type * as tf from '@tensorflow/tfjs';

/** What a loss is made of: `total = data + penalty`. */
export interface Parts {
  total: number;
  data: number;
  penalty: number;
  /** The share of digits that were read correctly. */
  accuracy: number;
}

/** One epoch. */
export interface Epoch {
  training: Parts;
  /** On digits that the model has not seen. An epoch that was stopped has none. */
  validation: Parts | undefined;
}

/** The parts that `decomposedLoss` has put into the logs of an epoch. */
export function epochFrom(logs: tf.Logs): Epoch {
  const parts = (prefix: string, total: string): Parts => ({
    total: logs[total]!,
    data: logs[`${prefix}data_loss`]!,
    penalty: logs[`${prefix}regularization_loss`]!,
    accuracy: logs[`${prefix}acc`]!,
  });
  return {
    training: parts('', 'loss'),
    validation: logs['val_total_loss'] === undefined ? undefined : parts('val_', 'val_total_loss'),
  };
}
