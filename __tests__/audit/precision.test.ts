import type * as tfjs from '@tensorflow/tfjs';
import fc from 'fast-check';
import { auditRegularizers, enforceRegularizers, fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { placedWeights } from '../../src/regularizers/weight-selection';
import { backend, tf } from '../helpers/backend';
import { penalty } from '../helpers/float64';
import { hostGradients } from '../helpers/recorded-gradients';
import { buildNested, nestedRecipes, type DeclaredTerm } from '../helpers/random-nested-models';

/** What is done to a random model before it is audited. */
interface Flaws {
  optimizer: 'sgd' | 'object' | 'clip';
  zeros: boolean;
  frozenLater: boolean;
  prepare: 'nothing' | 'enforce' | 'enforce, not frozen' | 'fuse';
}

const flaws: fc.Arbitrary<Flaws> = fc.record({
  optimizer: fc.constantFrom('sgd', 'sgd', 'object', 'clip'),
  zeros: fc.boolean(),
  frozenLater: fc.boolean(),
  prepare: fc.constantFrom('nothing', 'nothing', 'enforce', 'enforce, not frozen', 'fuse'),
});

interface Case {
  model: tfjs.LayersModel;
  declared: DeclaredTerm[];
  wasTrainable: Set<tfjs.LayerVariable>;
  /** The names of the weights that the host's step hands to the optimizer. */
  moved: { has(name: string): boolean };
}

async function build(recipe: Parameters<typeof buildNested>[0], flaw: Flaws): Promise<Case> {
  const { model, x, y, declared } = buildNested(recipe);
  const optimizer = {
    sgd: () => tf.train.sgd(0.01),
    object: () => tf.train.sgd({ learningRate: 0.01 } as never),
    clip: () => Object.assign(tf.train.sgd(0.01), { clipNorm: 1 }),
  }[flaw.optimizer]();
  model.compile({ loss: 'meanSquaredError', optimizer });
  const wasTrainable = new Set(model.trainableWeights);
  const [first] = declared;
  if (flaw.zeros && first) {
    const variable = first.weight.read() as tfjs.Variable;
    tf.tidy(() => variable.assign(tf.concat([tf.zeros([1]), variable.flatten().slice(1)]).reshape(variable.shape)));
  }
  const layer = model.layers.find(({ trainableWeights }) => trainableWeights.length > 0);
  if (flaw.frozenLater && layer) layer.trainable = false;
  if (flaw.prepare === 'fuse') fuseRegularizers(model);
  else if (flaw.prepare !== 'nothing') enforceRegularizers(model, { frozen: flaw.prepare === 'enforce, not frozen' });
  // The host refuses to train where nothing moves.
  const moved = await hostGradients(model, x, y).catch(() => new Set<string>());
  tf.dispose([x, y]);
  return { model, declared, wasTrainable, moved };
}

/** What the host's own step adds as penalties. */
const hostPenalties = (model: tfjs.LayersModel): tfjs.Scalar[] =>
  (model as unknown as { calculateLosses(): tfjs.Scalar[] }).calculateLosses();

const hostPenalty = (model: tfjs.LayersModel): number =>
  tf.tidy(() => hostPenalties(model).reduce((sum, one) => sum + one.dataSync()[0]!, 0));

/** How often the host's step adds a term: how much its penalties grow with the weight, over how much the term does. */
function timesAdded(model: tfjs.LayersModel, term: DeclaredTerm): number {
  const variable = term.weight.read() as tfjs.Variable;
  const values = variable.clone();
  const before = [hostPenalty(model), penalty(variable, term)] as const;
  tf.tidy(() => variable.assign(tf.add(tf.mul(values, 3), 1)));
  const after = [hostPenalty(model), penalty(variable, term)] as const;
  variable.assign(values);
  values.dispose();
  return Math.round((after[0] - before[0]) / (after[1] - before[1]));
}

/** Whether the host's penalties alone have a gradient where the weight is 0. */
function isPushedFromZero(model: tfjs.LayersModel, { weight }: DeclaredTerm): boolean {
  const variable = weight.read() as tfjs.Variable;
  if (!variable.dataSync().includes(0) || !variable.trainable) return false;
  return tf.tidy(() => {
    const sum = () => tf.addN<tfjs.Scalar>([tf.scalar(0), ...hostPenalties(model), tf.mul(0, tf.sum(variable))]);
    const gradient = tf.variableGrads(sum, [variable]).grads[variable.name]!.dataSync();
    return variable.dataSync().some((value, index) => value === 0 && gradient[index] !== 0);
  });
}

/** What the audit has to say of a term, by what the host does with it. */
function expectedOf({ model, moved }: Case, term: DeclaredTerm, flaw: Flaws): string[] {
  const added = timesAdded(model, term);
  const moves = moved.has(term.weight.name);
  const isLeftOut = flaw.prepare === 'enforce, not frozen';
  return [
    ...(added === 0 && (moves || !isLeftOut) ? [`regularizer-dropped, ${moves ? 'warning' : 'information'}`] : []),
    ...(added > 1 ? ['penalty-counted-repeatedly, warning'] : []),
    ...(added > 0 && !moves ? ['frozen-layer-penalized, warning'] : []),
    ...(added > 0 && moves && isPushedFromZero(model, term) ? ['l1-at-zero, warning'] : []),
  ];
}

/** The findings that a model should have, each as `code, severity of place`. */
function expected(one: Case, flaw: Flaws, placeOf: Map<tfjs.LayerVariable, string>): string[] {
  const { model, declared, wasTrainable, moved } = one;
  const regularized = new Set(declared.map(({ weight }) => weight));
  const kernels = [...placeOf].filter(([, place]) => place.endsWith('kernel'));
  const now = new Set(model.trainableWeights);
  const changed = [...wasTrainable].filter((weight) => !now.has(weight));
  const layerOf = (place: string) => place.slice(0, place.lastIndexOf('/'));
  const bare = kernels.filter(([weight]) => now.has(weight) && !regularized.has(weight));
  const name = `${model.name}/null`;
  return [
    ...declared.flatMap((term) =>
      expectedOf(one, term, flaw).map((finding) => `${finding} of ${placeOf.get(term.weight)!}`),
    ),
    ...(flaw.optimizer === 'object' ? [`learning-rate-not-a-number, warning of ${name}`] : []),
    ...(flaw.optimizer === 'clip' ? [`clipping-ignored, warning of ${name}`] : []),
    ...new Set(
      changed.map((weight) => {
        const severity = moved.has(weight.name) ? 'warning' : 'information';
        return `trainable-changed, ${severity} of ${layerOf(placeOf.get(weight)!)}/null`;
      }),
    ),
    ...(declared.length === 0 && kernels.some(([weight]) => now.has(weight))
      ? [`no-regularizer, information of ${name}`]
      : []),
    ...(kernels.some(([weight]) => regularized.has(weight))
      ? bare.map(([, place]) => `kernel-without-regularizer, information of ${place}`)
      : []),
  ];
}

// What the audit says hardly depends on the backend, so the others try fewer.
const MODELS = backend === 'cpu' ? 500 : 100;

it(`each finding on ${MODELS} random models is what the host does, and none is missing`, async () => {
  let count = 0;
  const disagreements: unknown[] = [];
  await fc.assert(
    fc.asyncProperty(nestedRecipes, flaws, async (recipe, flaw) => {
      const one = await build(recipe, flaw);
      const placeOf = new Map(
        placedWeights(one.model).map(({ weight, path }) => [
          weight,
          `${path}/${weight.originalName.split('/').pop()!}`,
        ]),
      );
      const found = auditRegularizers(one.model).findings.map(
        ({ code, severity, layer, weight }) => `${code}, ${severity} of ${layer}/${weight}`,
      );
      const truths = expected(one, flaw, placeOf);
      const [extra, lost] = [difference(found, truths), difference(truths, found)];
      count += found.length;
      if (extra.length + lost.length > 0) disagreements.push({ flaw, extra, lost });
      one.model.dispose();
    }),
    { numRuns: MODELS },
  );
  expect(disagreements).toEqual([]);
  expect(count).toBeGreaterThan(7 * MODELS);
}, 600_000);

/** What is in one list and not, or not as often, in another. */
function difference(one: readonly string[], other: readonly string[]): string[] {
  const rest = [...other];
  return one.filter((text) => {
    const index = rest.indexOf(text);
    if (index !== -1) rest.splice(index, 1);
    return index === -1;
  });
}
