import { arrayAt, isObject, objectAt, objectsAt, stringAt, type Json, type JsonObject } from './json.js';
import { refuse, type Place } from './refuse.js';

/** A tensor of a model: the output `tensor` of the call `node` of a layer. */
export interface Reference {
  layer: string;
  node: number;
  tensor: number;
}

/** One call of a layer. */
export interface GraphNode {
  inputs: Reference[];
  /** The mask that the file gives; `null` where there is none. */
  mask: Reference | null;
}

/** Keras's operators for which TensorFlow.js has a layer. */
const OPERATORS = ['Add', 'Multiply', 'Maximum', 'Minimum'];

const REMEDY = 'TensorFlow.js has nothing for it: build the model of layers in Keras, and save it again.';

/** Whether an entry of a model is an operation such as `a + b`, which has neither weights nor a type. */
export const isOperation = ({ class_name, config }: JsonObject): boolean =>
  class_name !== 'InputLayer' &&
  isObject(config) &&
  !('trainable' in config) &&
  !('dtype' in config) &&
  !('layers' in config);

const isTensor = (value: Json | undefined): value is JsonObject =>
  isObject(value) && value['class_name'] === '__keras_tensor__';

function reference(history: Json | undefined): Reference {
  const [layer, node, tensor] = Array.isArray(history) ? history : [];
  if (typeof layer === 'string' && typeof node === 'number' && typeof tensor === 'number') {
    return { layer, node, tensor };
  }
  throw new Error(
    `Expected a tensor to be the name of a layer and two numbers, got ${JSON.stringify(history)}. Save the model again.`,
  );
}

/** The inputs or outputs of a model: one triple, a list of them, lists within lists, or triples by name. */
export function references(value: Json | undefined): Reference[] {
  if (isObject(value)) return Object.values(value).flatMap(references);
  if (!Array.isArray(value)) return [];
  return typeof value[0] === 'string' ? [reference(value)] : value.flatMap(references);
}

/** The tensors within an argument; inputs by name in the order in which the model that is called has them. */
function tensorsIn(value: Json | undefined, order: Json | undefined): Reference[] {
  if (isTensor(value)) return [reference(objectAt(value, 'config')['keras_history'])];
  if (Array.isArray(value)) return value.flatMap((one) => tensorsIn(one, undefined));
  if (!isObject(value)) return [];
  const keys = isObject(order) ? Object.keys(order) : Object.keys(value);
  return keys.flatMap((key) => tensorsIn(value[key], undefined));
}

const rankOf = (value: Json | undefined): number =>
  isTensor(value) ? arrayAt(objectAt(value, 'config'), 'shape').length : NaN;

/** Layers that TensorFlow.js gives a state in Keras's order. */
const TAKES_STATE = ['SimpleRNN', 'LSTM', 'GRU'];

/**
 * The calls of a layer.
 *
 * @param layer - An entry of a functional model of Keras 3.
 * @throws Error that names the layer and the argument, where TensorFlow.js cannot make the call.
 */
export function graphNodes(layer: JsonObject, place: Place): GraphNode[] {
  return objectsAt(layer, 'inbound_nodes').map((node) => {
    const args = arrayAt(node, 'args');
    const { mask = null, training = null, initial_state = null, ...others } = objectAt(node, 'kwargs');
    const other = Object.entries(others).find(([, value]) => value !== null);
    if (other !== undefined) refuse(place, other[0], other[1], 'left out', REMEDY);
    if (initial_state !== null && !TAKES_STATE.includes(place.className)) {
      refuse(place, 'initial_state', initial_state, `null for other layers than ${TAKES_STATE.join(', ')}`, REMEDY);
    }
    if (training === true) refuse(place, 'training', training, 'null or false', REMEDY);
    if (mask !== null && !isTensor(mask)) refuse(place, 'mask', mask, 'one tensor or null', REMEDY);
    const isFit = isOperation(layer)
      ? args.length === 2 && rankOf(args[0]) === rankOf(args[1])
      : args.length === 1 || (args.length === 2 && TAKES_STATE.includes(place.className));
    const isKnown = !isOperation(layer) || OPERATORS.includes(place.className);
    if (isKnown && !isFit) {
      refuse(place, 'args', args.length, isOperation(layer) ? 'two tensors of one rank' : 'one argument', REMEDY);
    }
    const inputs = [...tensorsIn(args, undefined), ...tensorsIn(initial_state, undefined)];
    const order = objectAt(layer, 'config')['input_layers'];
    return {
      inputs: isObject(order) ? tensorsIn(args[0], order) : inputs,
      mask: isTensor(mask) ? tensorsIn(mask, undefined)[0]! : null,
    };
  });
}

/** The number of dimensions of a layer's input, where the file tells it. */
export function inputRank(layer: JsonObject): number | undefined {
  const [node = {}] = objectsAt(layer, 'inbound_nodes');
  const [tensor] = arrayAt(node, 'args');
  const shape = isTensor(tensor) ? objectAt(tensor, 'config')['shape'] : objectAt(layer, 'build_config')['input_shape'];
  return Array.isArray(shape) ? shape.length : undefined;
}

/** Whether TensorFlow.js has a layer for an operation. */
export const isOperator = (className: string): boolean => OPERATORS.includes(className);

/**
 * What is computed on the way from the inputs to the outputs: calls, each after those that make its inputs. What only
 * makes masks is not among them.
 *
 * @throws Error if a call does not exist, or needs its own output.
 */
export function callsInOrder(
  nodes: ReadonlyMap<string, readonly GraphNode[]>,
  outputs: readonly Reference[],
  model: string,
): Reference[] {
  const done = new Map<string, Reference | null>();
  const visit = (call: Reference): void => {
    const id = tensorId(call);
    const known = done.get(id);
    if (known) return;
    const node = nodes.get(call.layer)?.[call.node];
    if (node === undefined || known === null) {
      throw new Error(
        `Expected the calls of the model \`${model}\` to lead from its inputs to its outputs, got ${known === null ? 'a circle at' : 'no'} ` +
          `call ${call.node} of \`${call.layer}\`. Save the model again.`,
      );
    }
    done.set(id, null);
    node.inputs.forEach(visit);
    done.delete(id);
    done.set(id, call);
  };
  outputs.forEach(visit);
  return [...done.values()].filter((call) => call !== null);
}

/** A tensor's name, without the output's number: masks do not differ between the outputs of one call. */
export const tensorId = ({ layer, node }: Reference): string => `${layer}:${node}`;

/** The layer that an entry of a model is. */
export const entryName = (layer: JsonObject): string => stringAt(objectAt(layer, 'config'), 'name');
