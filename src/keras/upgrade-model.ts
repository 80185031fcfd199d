import { checkGraph } from './check-graph.js';
import {
  callsInOrder,
  entryName,
  graphNodes,
  isOperation,
  isOperator,
  references,
  tensorId,
  type GraphNode,
  type Reference,
} from './graph.js';
import { isObject, isSame, objectAt, objectsAt, stringAt, without, type Json, type JsonObject } from './json.js';
import { INNER, upgradeConfig, weightsOf } from './layer-rules.js';
import { refuse, type Place } from './refuse.js';
import { archivedNames, freeName, isFunctional, isModel, placeOf, type Scope } from './scope.js';

/**
 * A model of Keras 3 as TensorFlow.js reads it.
 *
 * @param model - A Sequential or functional model, of whatever class.
 * @throws Error that names the layer, where TensorFlow.js would load another model.
 */
export function upgradeModel(model: JsonObject, scope: Scope): JsonObject {
  const config = objectAt(model, 'config');
  const name = stringAt(config, 'name');
  const entries = objectsAt(config, 'layers');
  if (!isModel(model) || (!isFunctional(config) && stringAt(entries[0] ?? {}, 'class_name') !== 'InputLayer')) {
    throw new Error(
      `Expected a functional or a built Sequential model, got the ${stringAt(model, 'class_name')} \`${name}\`, which does not say the ` +
        'shape of its inputs. Give it a `keras.Input`, and save it again.',
    );
  }
  const inner = { ...scope, path: [...scope.path, name] };
  const nodes = isFunctional(config) ? functionalNodes(entries, inner) : sequentialNodes(entries);
  const last = entries.at(-1)!;
  const outputs = isFunctional(config)
    ? references(config['output_layers'])
    : [{ layer: entryName(last), node: 0, tensor: 0 }];
  const calls = callsInOrder(nodes, outputs, name);
  checkGraph(entries, nodes, calls, outputs, inner);

  const inputs = references(config['input_layers']);
  const called = new Set([...calls, ...inputs].map(({ layer }) => layer));
  const used = entries.filter((entry) => !isFunctional(config) || called.has(entryName(entry)));
  checkCalled(used, nodes, calls, name);
  const names = new Map(used.map((entry) => [entryName(entry), freeName(entryName(entry), scope.taken)]));
  const archived = archivedNames(entries.filter((entry) => !isOperation(entry)));
  const places = new Map(entries.filter((entry) => !isOperation(entry)).map((entry, n) => [entry, archived[n]!]));
  const upgraded = new Map(
    used.map((entry) => {
      const within = { ...inner, archived: `${scope.archived}layers/${places.get(entry) ?? ''}/` };
      return [entry, upgradeEntry(entry, names.get(entryName(entry))!, within)];
    }),
  );
  if (!isFunctional(config)) return { class_name: 'Sequential', config: { name, layers: [...upgraded.values()] } };

  const models = new Set(used.filter(isModel).map(entryName));
  // A nested model of TensorFlow.js has a call of its own, before those within the outer model.
  const triple = ({ layer, node, tensor }: Reference): Json[] => [
    names.get(layer)!,
    models.has(layer) ? node + 1 : node,
    tensor,
  ];
  const layers = [...upgraded].map(([entry, layer]) => ({
    ...layer,
    name: names.get(entryName(entry))!,
    inbound_nodes: nodes
      .get(entryName(entry))!
      .filter(({ inputs: all }) => all.length > 0)
      .map((node) => node.inputs.map((input) => [...triple(input), {}])),
  }));
  return {
    class_name: 'Functional',
    config: { name, layers, input_layers: inputs.map(triple), output_layers: outputs.map(triple) },
  };
}

/** TensorFlow.js loops forever where the inputs of a call are not in the model. */
function checkCalled(
  used: readonly JsonObject[],
  nodes: ReadonlyMap<string, readonly GraphNode[]>,
  calls: readonly Reference[],
  model: string,
): void {
  const made = new Set(calls.map(tensorId));
  const isIdle = (layer: string) =>
    nodes.get(layer)!.some(({ inputs }, node) => inputs.length > 0 && !made.has(tensorId({ layer, node, tensor: 0 })));
  const idle = used.map(entryName).find(isIdle);
  if (idle === undefined) return;
  throw new Error(
    `Expected every call in the model \`${model}\` to lead to an output, got one of \`${idle}\` that does not. Save the model again.`,
  );
}

const functionalNodes = (entries: readonly JsonObject[], scope: Scope): Map<string, GraphNode[]> =>
  new Map(
    entries.map((entry) => {
      const isInput = stringAt(entry, 'class_name') === 'InputLayer';
      return [entryName(entry), isInput ? [{ inputs: [], mask: null }] : graphNodes(entry, placeOf(entry, scope))];
    }),
  );

const sequentialNodes = (entries: readonly JsonObject[]): Map<string, GraphNode[]> =>
  new Map(
    entries.map((entry, n) => {
      const inputs = n === 0 ? [] : [{ layer: entryName(entries[n - 1]!), node: 0, tensor: 0 }];
      return [entryName(entry), [{ inputs, mask: null }]];
    }),
  );

function upgradeEntry(entry: JsonObject, name: string, scope: Scope): JsonObject {
  if (isModel(entry)) {
    const model = upgradeModel(entry, scope);
    return { ...model, config: { ...objectAt(model, 'config'), name } };
  }
  if (isOperation(entry)) {
    const className = stringAt(entry, 'class_name');
    return isOperator(className)
      ? { class_name: className, config: { name } }
      : refuse(
          placeOf(entry, scope),
          'class_name',
          className,
          'a layer',
          'Build the model of layers in Keras, and save it again.',
        );
  }
  return upgradeLayer(entry, name, name, scope);
}

/** Layers that make their own cell. */
const HAS_CELL = ['SimpleRNN', 'LSTM', 'GRU', 'ConvLSTM2D'];

/**
 * A layer or cell, with those within it.
 *
 * @param name - The name that it gets.
 * @param prefix - What the names of its weights begin with.
 */
function upgradeLayer(layer: JsonObject, name: string, prefix: string, scope: Scope): JsonObject {
  const place = placeOf(layer, scope);
  const { className } = place;
  const original = objectAt(layer, 'config');
  const trainable = scope.trainable && (INNER.some((part) => part in original) || original['trainable'] !== false);
  const config: JsonObject = { ...original, ...(className !== 'InputLayer' && { trainable }) };
  const upgraded: JsonObject = { ...upgradeConfig(config, place), name };
  const cell = HAS_CELL.includes(className);
  const path = [...scope.path, entryName(layer), ...(cell ? ['*'] : [])];
  const archived = `${scope.archived}${cell ? 'cell/' : ''}`;
  weightsOf(className, config).forEach(({ keras, tfjs }, n) => {
    scope.slots.push({ tfjs: `${prefix}/${tfjs}`, path: [...path, keras], archived: `${archived}vars/${n}` });
  });

  const within = (part: string): Scope => ({ ...scope, path, archived: `${scope.archived}${part}/` });
  const { layer: wrapped, backward_layer: backward, cell: own } = config;
  const cells = objectsAt(config, 'cells');
  if (isObject(backward) && isObject(wrapped)) {
    if (!HAS_CELL.includes(stringAt(wrapped, 'class_name'))) {
      refuse(
        place,
        'layer',
        wrapped,
        HAS_CELL.join(' or '),
        'TensorFlow.js loads no other: change the layer in Keras, and train again.',
      );
    }
    checkBackwardLayer(wrapped, backward, place);
    const direction = entryName(wrapped).replace(/^forward_/, '');
    upgraded['layer'] = upgradeLayer(wrapped, direction, `${prefix}/forward_${direction}`, within('forward_layer'));
    upgradeLayer(backward, direction, `${prefix}/backward_${direction}`, within('backward_layer'));
  } else if (isObject(wrapped)) {
    const { l1 = 0, l2 = 0 } = objectAt(wrapped, 'config');
    if (stringAt(wrapped, 'class_name') === 'ActivityRegularization' && (l1 !== 0 || l2 !== 0) && !scope.predictOnly) {
      refuse(
        place,
        'layer',
        wrapped,
        'one that adds no penalty, as Keras 3 adds none here, and TensorFlow.js does',
        'Put the layer after the TimeDistributed in Keras, and save the model again.',
      );
    }
    const inner = freeName(entryName(wrapped), scope.taken);
    upgraded['layer'] = isModel(wrapped)
      ? upgradeEntry(wrapped, inner, within('layer'))
      : upgradeLayer(wrapped, inner, prefix, within('layer'));
  } else if (isObject(own)) {
    if (stringAt(own, 'class_name') === 'StackedRNNCells' && config['return_state'] !== false) {
      refuse(
        place,
        'return_state',
        config['return_state'],
        'false',
        'TensorFlow.js has the states of several cells in another order.',
      );
    }
    upgraded['cell'] = upgradeLayer(own, entryName(own), prefix, within('cell'));
  } else if (cells.length > 0) {
    const names = archivedNames(cells);
    upgraded['cells'] = cells.map((one, n) =>
      upgradeLayer(one, entryName(one), `${prefix}/RNNCell_${n}`, within(`cells/${names[n]!}`)),
    );
  }
  return { class_name: className, config: upgraded };
}

/** TensorFlow.js makes the backward layer of the forward one. */
function checkBackwardLayer(forward: JsonObject, backward: JsonObject, place: Place): void {
  const plain = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(plain);
    if (!isObject(value)) return value;
    const others = without(value, ['name', 'seed', 'build_config', 'go_backwards', 'shared_object_id']);
    return Object.fromEntries(Object.entries(others).map(([key, one]) => [key, plain(one)]));
  };
  const turns = (layer: JsonObject) => objectAt(layer, 'config')['go_backwards'] === true;
  if (turns(forward) === turns(backward) || !isSame(plain(forward), plain(backward))) {
    refuse(
      place,
      'backward_layer',
      backward,
      'the same layer as `layer`, in the other direction',
      'Leave `backward_layer` out in Keras.',
    );
  }
}
