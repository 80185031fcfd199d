import { io } from '@tensorflow/tfjs-core';
import { describe } from '../util/arguments.js';
import type { WeightSlot } from './scope.js';
import { upgradeTopology } from './upgrade-topology.js';

/** What `fromKeras3` takes: the options that TensorFlow.js takes for a path (but ignores for a handler), and `predictOnly`. */
export interface FromKeras3Args extends io.LoadOptions {
  /**
   * Whether the model will only predict. What TensorFlow.js trains otherwise than Keras is then no reason to refuse it:
   * constraints, frozen batch normalization, a masked loss. Default `false`.
   */
  predictOnly?: boolean | undefined;
}

/**
 * Lets `tf.loadLayersModel` load a model that Keras 3 saved, once `tensorflowjs_converter` has converted it:
 * `await tf.loadLayersModel(fromKeras3('file://model/model.json'))`.
 *
 * The topology and the names of the weights are rewritten while the model is loaded; the files stay as they are. A model that
 * Keras 2 or TensorFlow.js saved is loaded as if without this function, so one line works for all.
 *
 * @param pathOrHandler - What `tf.loadLayersModel` takes: a path with a scheme (`file://`, `http://`, `indexeddb://`, …), a
 *   relative URL, or a handler such as `tf.io.browserFiles(...)`.
 * @param args - What `tf.loadLayersModel` would take for that path (`requestInit`, `weightPathPrefix`, `fetchFunc`,
 *   `onProgress`, …), except `strict`: that stays an argument of `tf.loadLayersModel`.
 * @returns A handler that loads and does not save. Its `load` fails where TensorFlow.js would make a model that computes
 *   something different from Keras: the message names the layer, the field and the value.
 * @throws Error if `pathOrHandler` is neither a path nor a handler, or is a `.keras` or `.h5` file.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/models.ts#L259-L282 | loadLayersModel}
 */
export function fromKeras3(pathOrHandler: string | io.IOHandler, args: FromKeras3Args = {}): io.IOHandler {
  const { predictOnly = false, ...options } = args;
  const handler = typeof pathOrHandler === 'string' ? handlerFor(pathOrHandler, options) : pathOrHandler;
  const load = handler?.load?.bind(handler);
  if (load === undefined) {
    throw new Error(
      `Expected \`pathOrHandler\` of \`fromKeras3\` to be a path or a handler that loads, got ${describe(pathOrHandler)}. Pass ` +
        "'file://model/model.json', for example.",
    );
  }
  return { load: async () => upgradedArtifacts(await load(), predictOnly) };
}

function handlerFor(path: string, options: io.LoadOptions): io.IOHandler {
  const file = /\.(keras|h5|hdf5)$/i.exec(path);
  if (file !== null) {
    const formats =
      file[1]!.toLowerCase() === 'keras'
        ? '--input_format=keras_keras --output_format=tfjs_layers_model'
        : '--input_format=keras';
    const name = path.replace(/^file:\/\//, '');
    throw new Error(
      `Expected \`pathOrHandler\` of \`fromKeras3\` to be a model.json, got '${path}'. Convert it first: ` +
        `\`tensorflowjs_converter ${formats} ${name} model\`, then load model/model.json.`,
    );
  }
  const handlers = io.getLoadHandlers(path, options);
  if (handlers.length > 1) {
    throw new Error(
      `Expected one handler for '${path}', got ${handlers.length}. Pass the handler itself to \`fromKeras3\`.`,
    );
  }
  return handlers[0] ?? io.browserHTTPRequest(path, options);
}

function upgradedArtifacts(artifacts: io.ModelArtifacts, predictOnly: boolean): io.ModelArtifacts {
  const { modelTopology, weightSpecs } = artifacts;
  if (typeof modelTopology !== 'object' || modelTopology === null) {
    throw new Error(
      `Expected a model.json with \`modelTopology\`, got ${describe(modelTopology)} there. Convert the model with \`tensorflowjs_converter\`; ` +
        'for what `model.to_json()` gives, pass `tf.io.fromMemory({modelTopology: json})` to `fromKeras3`.',
    );
  }
  const { topology, slots } = upgradeTopology(modelTopology, predictOnly);
  if (slots === undefined) return artifacts;
  if (weightSpecs === undefined) return { ...artifacts, modelTopology: topology };
  const names = weightNames(
    weightSpecs.map(({ name }) => name),
    slots,
  );
  return {
    ...artifacts,
    modelTopology: topology,
    // What is no weight of the model is given out as the optimizer's, which the host drops for a model that is not compiled.
    weightSpecs: weightSpecs.map((spec, n) => ({
      ...spec,
      ...(names[n] === null ? { group: 'optimizer' as const } : { name: names[n]! }),
    })),
  };
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
function weightNames(names: readonly string[], slots: readonly WeightSlot[]): Array<string | null> {
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
