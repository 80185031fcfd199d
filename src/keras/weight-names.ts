/** A weight of the model that TensorFlow.js builds, and what files of Keras 3 call it. */
export interface WeightSlot {
  /** TensorFlow.js's name. */
  tfjs: string;
  /** `variable.path`, in pieces, with the names of all models around it; `*` is the name of a cell that the file does not tell. */
  path: string[];
  /** The name within a `.keras` file. */
  archived: string;
}

/** In a `.keras` file, what is no weight of a layer: the state of the optimizer and of random numbers. */
const isOtherState = (name: string): boolean =>
  name.includes('/vars/') && (!name.startsWith('layers/') || name.includes('/seed_generator/'));

/** Whether one of two paths is the end of the other. Keras leaves out models that were built before they were called. */
const isSameEnd = (path: readonly string[], slot: readonly string[]): boolean =>
  path.length > 1 &&
  Array.from({ length: Math.min(path.length, slot.length) }, (_, n) => [path.at(-1 - n), slot.at(-1 - n)]).every(
    ([one, other]) => other === '*' || one === other,
  );

/**
 * TensorFlow.js's name of each weight in a file.
 *
 * Two models with layers of the same names have weights of one name in an h5 file; these come in the order of the slots.
 *
 * @param names - The names in the file, in its order.
 * @param slots - The weights of the model, in the order in which h5 files have them: by outermost layer, in alphabetical order.
 * @returns A name for each name; `null` for what is no weight of a layer. A name that nothing fits stays as it is.
 */
export function weightNames(names: readonly string[], slots: readonly WeightSlot[]): Array<string | null> {
  const remaining = new Set(slots);
  const found = new Map<number, string>();
  const paths = names.map((name) => name.split('/'));
  const longestFirst = [...names.keys()].sort((a, b) => paths[b]!.length - paths[a]!.length || a - b);
  for (const index of longestFirst) {
    const path = paths[index]!;
    const slot = [...remaining].find((one) => one.archived === names[index] || isSameEnd(path, one.path));
    if (slot === undefined) continue;
    remaining.delete(slot);
    found.set(index, slot.tfjs);
  }
  return names.map((name, index) => found.get(index) ?? (isOtherState(name) ? null : name));
}
