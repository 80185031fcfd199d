import type { Tensor } from '@tensorflow/tfjs-core';

/** One tensor, one a model's input or output in their order, or one a name. First dimension: the batch. */
export type NamedTensors = Tensor | Tensor[] | { [name: string]: Tensor };

/** The weight of each class in the loss, by class index. */
export interface ClassWeight {
  [classIndex: number]: number;
}

/** Class weights of a model with one output, or of each output in their order or by name, as in `model.fit`. */
export type ClassWeights = ClassWeight | ClassWeight[] | { [outputName: string]: ClassWeight };
