import { checkMasks, checkStates, condition } from './check-calls.js';
import { entryName, tensorId, type GraphNode, type Reference } from './graph.js';
import { arrayAt, objectAt, objectsAt, stringAt, type JsonObject } from './json.js';
import { placeOf, type Scope } from './scope.js';

/**
 * Checks that the calls of a model do in TensorFlow.js what they do in Keras.
 *
 * @param entries - The layers of one model.
 * @param nodes - Every call of each of them.
 * @param calls - Those that lead to the outputs, in order.
 * @throws Error that names the layer.
 */
export function checkGraph(
  entries: readonly JsonObject[],
  nodes: ReadonlyMap<string, readonly GraphNode[]>,
  calls: readonly Reference[],
  outputs: readonly Reference[],
  scope: Scope,
): void {
  const byName = new Map(entries.map((entry) => [entryName(entry), entry]));
  const givenMask = (mask: Reference | null): string | undefined => {
    const node = mask === null ? undefined : nodes.get(mask.layer)?.[mask.node];
    if (mask === null || node === undefined) return undefined;
    const entry = byName.get(mask.layer)!;
    if (stringAt(entry, 'class_name') === 'Any') return givenMask(node.inputs[0] ?? null);
    const args = arrayAt(objectsAt(entry, 'inbound_nodes')[mask.node] ?? {}, 'args');
    const [compared] = node.inputs;
    const isComparison = stringAt(entry, 'class_name') === 'NotEqual' && typeof args[1] === 'number';
    return isComparison && compared ? condition(tensorId(compared), args[1]) : `the mask ${tensorId(mask)}`;
  };
  const layerCalls = calls.map((call) => {
    const entry = byName.get(call.layer)!;
    const node = nodes.get(call.layer)![call.node]!;
    const config = objectAt(entry, 'config');
    return {
      id: tensorId(call),
      place: placeOf(entry, scope),
      config,
      inputs: node.inputs.map(tensorId),
      mask: givenMask(node.mask),
    };
  });
  checkStates(layerCalls);
  checkMasks(layerCalls, outputs.map(tensorId));
}
