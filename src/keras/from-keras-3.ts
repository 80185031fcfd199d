import { io } from '@tensorflow/tfjs-core';
import { describe } from '../util/arguments.js';
import { upgradedTopology, type UpgradeTopologyArgs } from './upgrade-topology.js';
import { weightNames } from './weight-names.js';

/** What `fromKeras3` takes: the options that TensorFlow.js takes for a path (but ignores for a handler), and `predictOnly`. */
export interface FromKeras3Args extends io.LoadOptions, UpgradeTopologyArgs {}

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
  const { topology, slots } = upgradedTopology(modelTopology, { predictOnly });
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
