import { savedKind } from '../host/model/saved-topology.js';
import { isJsonObject, type JsonObject } from './model-json.js';
import { UnusableInput, named, shown } from './unusable.js';

/** A thousand layers from the last to the first. */
const MOST_LOOKS = 500_000;

/** One input of a call, as `inbound_nodes` has it: the layer, which of its calls, which output of that. */
type Reference = readonly [layer: string, call: number, output: number, ...others: unknown[]];

interface SavedLayer {
  name: string;
  /** How many calls it has before the graph makes any: inputs, and models within the model, have one. */
  first: number;
  calls: Reference[][];
  isInput: boolean;
  outputs: number;
}

/**
 * Refuses the graph of a functional model which TensorFlow.js would never finish: it waits for the inputs of each call as
 * long as there are calls, also where an input never comes.
 *
 * @throws UnusableInput
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/container.ts#L1295-L1312 | Container.fromConfig}
 */
export function checkGraph(path: string, config: JsonObject): void {
  const layers = savedLayers(path, config);
  const byName = new Map<string, SavedLayer>();
  for (const layer of layers) {
    if (byName.has(layer.name)) {
      throw new UnusableInput(`Expected each \`name\` of a layer in ${path} once, got ${named(layer.name)} twice.`);
    }
    byName.set(layer.name, layer);
  }
  for (const { name, calls } of layers) {
    calls
      .flat()
      .forEach((reference) => checkReference(path, `\`inbound_nodes\` of layer ${named(name)}`, reference, byName));
  }
  checkOrder(path, config['name'], layers);
  for (const field of ['input_layers', 'output_layers']) {
    const what = `\`${field}\` of model ${named(config['name'])}`;
    const references = config[field];
    if (!Array.isArray(references) || references.length === 0) {
      throw new UnusableInput(`Expected ${what} in ${path} to be a list of layers, got ${shown(references)}.`);
    }
    references.forEach((reference) => {
      if (!isReference(reference)) throw notAReference(path, what, reference);
      checkReference(path, what, reference, byName);
      if (field === 'input_layers' && !byName.get(reference[0])!.isInput) {
        throw new UnusableInput(
          `Expected ${what} in ${path} to name layers of class InputLayer, got ${named(reference[0])}.`,
        );
      }
    });
  }
}

function savedLayers(path: string, config: JsonObject): SavedLayer[] {
  return (config['layers'] as JsonObject[]).map((entry) => {
    const { name, class_name: type, config: own, inbound_nodes: nodes } = entry;
    const inner = isJsonObject(own) ? own['name'] : undefined;
    if (typeof name !== 'string' || name in Object.prototype) {
      throw new UnusableInput(`Expected \`name\` of each layer in ${path} to be a name, got ${shown(name)}.`);
    }
    if (inner !== name) {
      throw new UnusableInput(
        `Expected \`name\` in the \`config\` of layer ${named(name)} in ${path} to be the same, got ${shown(inner)}.`,
      );
    }
    const what = `\`inbound_nodes\` of layer ${named(name)}`;
    if (!Array.isArray(nodes)) {
      throw new UnusableInput(`Expected ${what} in ${path} to be a list of its calls, got ${shown(nodes)}.`);
    }
    const calls = nodes.map((call: unknown) => {
      if (!Array.isArray(call)) {
        throw new UnusableInput(
          `Expected ${what} in ${path} to have a list of inputs for each call, got ${shown(call)}.`,
        );
      }
      return call.map((reference: unknown) => {
        if (!isReference(reference)) throw notAReference(path, what, reference);
        return reference;
      });
    });
    const isInput = type === 'InputLayer';
    return { name, first: isInput || savedKind(type) !== 'layer' ? 1 : 0, calls, isInput, outputs: outputs(entry) };
  });
}

/** How many tensors a layer may give: those of a model that it names, any number of recurrent layers, one of all others. */
function outputs({ class_name: type, config }: JsonObject): number {
  const { output_layers: named, return_state: hasStates } = config as JsonObject;
  if (savedKind(type) === 'graph' && Array.isArray(named)) return named.length;
  return hasStates != null || type === 'Bidirectional' ? Infinity : 1;
}

const isReference = (value: unknown): value is Reference =>
  Array.isArray(value) && typeof value[0] === 'string' && isIndex(value[1]) && isIndex(value[2]);

const isIndex = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

const notAReference = (path: string, what: string, got: unknown): UnusableInput =>
  new UnusableInput(
    `Expected ${what} in ${path} to have inputs such as ["dense", 0, 0] (a layer, which of its calls, which output), got ` +
      `${shown(got)}.`,
  );

function checkReference(path: string, what: string, reference: Reference, byName: Map<string, SavedLayer>): void {
  const [name, call, output] = reference;
  const layer = byName.get(name);
  if (layer === undefined) {
    throw new UnusableInput(`Expected ${what} in ${path} to name layers of that model, got ${named(name)}.`);
  }
  const count = layer.first + layer.calls.filter(({ length }) => length > 0).length;
  if (call >= count) {
    throw new UnusableInput(
      `Expected ${what} in ${path} to name a call that exists, got ${shown(reference.slice(0, 3))}, where ${named(name)} ` +
        `has ${count}.`,
    );
  }
  if (output >= layer.outputs) {
    throw new UnusableInput(
      `Expected ${what} in ${path} to name an output that exists, got ${shown(reference.slice(0, 3))}, where ${named(name)} ` +
        `has ${layer.outputs}.`,
    );
  }
}

/**
 * Makes the calls in the host's order, without the layers, until none is left or none can be made. The host looks at each
 * that waits over and over: what TensorFlow.js and Keras save has few that wait, a long graph from its end has them all.
 */
function checkOrder(path: string, model: unknown, layers: readonly SavedLayer[]): void {
  const made = new Map(layers.map(({ name, first }) => [name, first]));
  let waiting = layers.flatMap(({ name, calls }) => calls.map((inputs) => ({ name, inputs })));
  for (let looks = waiting.length; waiting.length > 0; looks += waiting.length) {
    if (looks > MOST_LOOKS) {
      throw new UnusableInput(
        `Expected \`layers\` of model ${named(model)} in ${path} to come after those that they take inputs from, got an ` +
          `order for which TensorFlow.js has to look at their calls more than ${MOST_LOOKS} times.`,
      );
    }
    const left = waiting.filter(({ name, inputs }) => {
      if (inputs.some(([input, call]) => made.get(input)! <= call)) return true;
      if (inputs.length > 0) made.set(name, made.get(name)! + 1);
      return false;
    });
    if (left.length === waiting.length) {
      const { name, inputs } = left[0]!;
      throw new UnusableInput(
        `Expected \`inbound_nodes\` of layer ${named(name)} in ${path} to name inputs that do not depend on it, got ` +
          `${shown(inputs.map((input) => input.slice(0, 3)))}, which is part of a cycle or waits for one.`,
      );
    }
    waiting = left;
  }
}
