import { Tensor, engine, type Scalar } from '@tensorflow/tfjs-core';
import { LayersModel, layers } from '@tensorflow/tfjs-layers';
import { internals, trainedModel } from '../model/model.js';
import { RANK, patch } from '../patch.js';
import { appliedLosses } from './penalties.js';
import { collectNotes, notePenalties, sourceOfNotes } from './penalty.js';

/**
 * Runs a loss on the gradient tape, and tells which scalars depend on a penalty of some models that it computed itself.
 *
 * What counts is the penalty, not the model or layer that the loss asked for it: an encoder within an autoencoder has penalties
 * that both of them add.
 *
 * @param models - May be built by the loss.
 * @returns What `loss` returns, and whether a scalar on the tape depends on such a penalty.
 */
export function tracePenalties<T>(
  models: readonly LayersModel[],
  loss: () => T,
): { value: T; isTraced: (scalar: Scalar) => boolean } {
  if (models.length === 0) return { value: loss(), isTraced: () => false };
  const { value, notes } = collectNotes(() => noting(loss));
  if (notes.length === 0) return { value, isTraced: () => false };
  const sources = new Set(models.flatMap((model) => appliedLosses(trainedModel(model) ?? model)).map(sourceOfNotes));
  const dependent = dependentsOf(notes.filter(({ source }) => sources.has(source)).map(({ scalar }) => scalar));
  return { value, isTraced: ({ id }) => dependent.has(id) };
}

/** Runs something, and notes what `calculateLosses` of layers and of models returns meanwhile. */
function noting<T>(run: () => T): T {
  const noteEach = (sources: readonly unknown[], values: readonly unknown[]): void =>
    values.forEach((value, place) => {
      if (value instanceof Tensor) notePenalties([sources[place]], value as Scalar);
    });
  const releases = [
    patch(layers.Layer.prototype, 'calculateLosses', RANK.watch, function (inner) {
      const values = inner();
      noteEach(this.losses, values);
      return values;
    }),
    // A layer with a method of its own is seen only through the model that asks it.
    patch(internals(LayersModel.prototype), 'calculateLosses', RANK.watch, function (inner) {
      const values = inner();
      noteEach(appliedLosses(this as unknown as LayersModel).map(sourceOfNotes), values);
      return values;
    }),
  ];
  try {
    return run();
  } finally {
    releases.forEach((release) => release());
  }
}

/** The ids of some tensors, and of all on the tape that were computed from them. */
function dependentsOf(tensors: readonly Tensor[]): Set<number> {
  const ids = new Set(tensors.map(({ id }) => id));
  if (ids.size === 0) return ids;
  for (const { inputs, outputs } of engine().state.activeTape ?? []) {
    if (Object.values(inputs).some((input) => ids.has(input.id))) outputs.forEach(({ id }) => ids.add(id));
  }
  return ids;
}
