import { entryName, tensorId, type GraphNode, type Reference } from './graph.js';
import { arrayAt, objectAt, objectsAt, stringAt, type Json, type JsonObject } from './json.js';
import { maskRule } from './layer-rules.js';
import { refuse, type Place } from './refuse.js';
import { placeOf, type Scope } from './scope.js';

/** One call of a layer within a model. Tensors have names: `layer:node`. */
interface LayerCall {
  /** The tensor that it gives. */
  id: string;
  place: Place;
  config: JsonObject;
  inputs: readonly string[];
  /** The condition that the file gives as the call's mask, as `maskOf` writes them; `undefined` where it gives none. */
  mask?: string | undefined;
}

/** What is true of the time steps that a mask keeps. */
const condition = (tensor: string, value: Json | undefined): string => `${tensor} != ${Number(value)}`;

const REMEDY =
  'TensorFlow.js would compute something else: take the mask out in Keras (`mask_zero=False`, or no `Masking` layer), and train again.';

const beginsMask = ({ place, config }: LayerCall): boolean =>
  maskRule(place.className) === 'begins' && (place.className === 'Masking' || config['mask_zero'] === true);

const isNested = ({ path }: Place): boolean => path.includes('/');

/** Layers that would take the state of another one. */
const takesAnyState = ({ place, config }: LayerCall): boolean =>
  'layers' in config ||
  maskRule(place.className) === 'uses' ||
  ['Bidirectional', 'ConvLSTM2D', 'TimeDistributed'].includes(place.className);

/**
 * Checks that no recurrent layer gets the state of another one. While it trains, TensorFlow.js keeps an initial state for
 * every layer that it computes after the one that it is of, also after a nested model. Only the layers that this one
 * depends on are sure to come before it.
 *
 * @param calls - Every call of a layer in one model, each after those that make its inputs.
 * @throws Error that names the layer.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/layers/recurrent.ts | RNN.apply}
 */
function checkStates(calls: readonly LayerCall[]): void {
  const before = new Map<string, Set<string>>();
  for (const { id, inputs } of calls) {
    before.set(id, new Set(inputs.flatMap((input) => [input, ...(before.get(input) ?? [])])));
  }
  const withState = calls.find(
    (call) => maskRule(call.place.className) === 'uses' && call.inputs.length > 1 && !call.place.predictOnly,
  );
  if (withState === undefined) return;
  const isBefore = ({ id }: LayerCall) => before.get(withState.id)!.has(id);
  const other = calls.find((call) => call !== withState && takesAnyState(call) && !isBefore(call));
  if (other === undefined && !isNested(withState.place)) return;
  refuse(
    withState.place,
    'initial_state',
    withState.inputs.slice(1),
    other === undefined ? 'null within a nested model' : `null beside \`${other.place.path}\``,
    'TensorFlow.js would train other layers with the same state: pass `{predictOnly: true}` to `fromKeras3` for a model that only ' +
      'predicts.',
  );
}

/** Layers that would take the last mask that TensorFlow.js met in the model, whether or not it is theirs. */
const takesAnyMask = ({ place, config }: LayerCall): boolean =>
  'layers' in config || ['Bidirectional', 'ConvLSTM2D', 'Softmax', 'TimeDistributed'].includes(place.className);

/**
 * Checks that TensorFlow.js masks what Keras masks. It does so where every recurrent layer has the one mask of the model and
 * a state that is its output. Elsewhere it keeps a mask for layers that have none, and takes the wrong output for the steps
 * that are left out; and it never masks the loss.
 *
 * @param calls - Every call of a layer in one model, each after those that make its inputs.
 * @param outputs - The model's outputs.
 * @throws Error that names the layer.
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/executor.ts#L291-L294 | execute}
 */
function checkMasks(calls: readonly LayerCall[], outputs: readonly string[]): void {
  const masked = calls.some(beginsMask);
  const masks = new Map<string, string | undefined>();
  for (const call of calls) {
    const { id, place, config, inputs, mask: given } = call;
    const incoming = inputs.map((input) => masks.get(input)).find((mask) => mask !== undefined);
    const unlike = (expected: string) => refuse(place, 'mask', given ?? incoming ?? null, expected, REMEDY);
    if (given !== undefined && given !== incoming) unlike('the one that its input has');
    if (!masked) continue;
    const kind = maskRule(place.className);
    if (beginsMask(call)) {
      if (incoming !== undefined || (isNested(place) && !place.predictOnly)) {
        unlike('the only one, and not within a nested model');
      }
      masks.set(id, condition(inputs[0]!, config['mask_value'] ?? 0));
    } else if (kind === 'passes') {
      masks.set(id, incoming);
    } else if (kind === 'uses') {
      if (incoming === undefined) unlike('the mask of the other layers');
      const isPlain = inputs.length === 1 && config['zero_output_for_mask'] === false;
      if (!isPlain || 'cell' in config) {
        unlike('null for a layer that has cells or an initial state, or clears outputs');
      }
      masks.set(id, config['return_sequences'] === true ? incoming : undefined);
    } else if (incoming !== undefined || takesAnyMask(call)) {
      unlike('null in a model without masks');
    }
  }
  const open = calls.find(({ id, place }) => outputs.includes(id) && masks.get(id) !== undefined && !place.predictOnly);
  if (open !== undefined) {
    refuse(open.place, 'mask', masks.get(open.id), 'null for an output', `Keras would mask the loss. ${REMEDY}`);
  }
}

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
