import fc from 'fast-check';
import type * as tfjs from '@tensorflow/tfjs';
import { decomposedLoss, evaluate, regularizationTerms, trainStep } from 'tfjs-decomposed-loss';
import { tf } from '../helpers/backend';
import { ulp } from '../helpers/float64';
import { tensorsLeftBy } from '../helpers/memory';
import { state } from '../helpers/models';
import { build, recipes, type RandomModel } from '../helpers/random-models';

type Log = Record<'loss' | 'data_loss' | 'regularization_loss', number>;

const runs = { numRuns: 20 };

/** Trains for three epochs without shuffling and returns each batch's log. */
async function train({ model, x, y }: RandomModel, batchSize: number, watched: boolean): Promise<Log[]> {
  const logs: Log[] = [];
  const spy = new tf.CustomCallback({ onBatchEnd: (_, batch) => void logs.push({ ...(batch as Log) }) });
  const callbacks = watched ? [decomposedLoss({ breakdown: 'weight' }), spy] : [spy];
  await model.fit(x, y, { epochs: 3, batchSize, shuffle: false, verbose: 0, callbacks });
  return logs;
}

/** The host's own data loss, which leaves the penalty out. */
function hostDataLoss({ model, x, y }: RandomModel): number {
  const values = model.evaluate(x, y, { batchSize: 1000 }) as tfjs.Scalar[];
  const value = values[model.outputs.length - 1]!.dataSync()[0]!;
  tf.dispose(values);
  return value;
}

it('total = data + regularization in every batch, to n + 1 ulp for n terms', async () => {
  await fc.assert(
    fc.asyncProperty(recipes, async (recipe) => {
      const random = build(recipe);
      for (const log of await train(random, recipe.batchSize, true)) {
        const error = Math.abs(log.loss - (log.data_loss + log.regularization_loss));
        expect(error).toBeLessThanOrEqual((random.terms + 1) * ulp(log.loss));
      }
    }),
    runs,
  );
});

it('both parts are those of the weights before the step, the data loss exact whatever the penalty', async () => {
  await fc.assert(
    fc.asyncProperty(recipes, async (recipe) => {
      const random = build(recipe);
      for (let step = 0; step < 3; step += 1) {
        const [data, penalty] = [hostDataLoss(random), random.penalty()];
        const loss = await trainStep(random.model, random.x, random.y);
        expect(Math.abs(loss.data - data)).toBeLessThanOrEqual(1e-6 * data);
        expect(Math.abs(loss.regularization - penalty)).toBeLessThanOrEqual(1e-5 * penalty);
        expect(Math.abs(loss.total - (loss.data + loss.regularization))).toBeLessThanOrEqual(
          (random.terms + 1) * ulp(loss.total),
        );
      }
    }),
    runs,
  );
});

it('weights and optimizer end bit for bit as without the library, with fit and with trainStep', async () => {
  await fc.assert(
    fc.asyncProperty(recipes, async (recipe) => {
      const [plain, watched] = [build(recipe), build(recipe)];
      const plainLogs = await train(plain, recipe.batchSize, false);
      const watchedLogs = await train(watched, recipe.batchSize, true);
      expect(watchedLogs.map(({ loss }) => loss)).toEqual(plainLogs.map(({ loss }) => loss));
      for (let step = 0; step < 3; step += 1) {
        const [host] = [await plain.model.trainOnBatch(plain.x, plain.y)].flat();
        expect((await trainStep(watched.model, watched.x, watched.y)).total).toBe(host);
      }
      expect(await state(watched.model)).toEqual(await state(plain.model));
    }),
    runs,
  );
});

it('numTensors grows by what an epoch collects, and is after each call what it was before', async () => {
  await fc.assert(
    fc.asyncProperty(recipes, async (recipe) => {
      const { model, x, y } = build(recipe);
      // The first step makes the optimizer's variables, which stay.
      await trainStep(model, x, y);
      const counts: number[] = [];
      const counter = new tf.CustomCallback({ onBatchEnd: () => void counts.push(tf.memory().numTensors) });
      const args = { epochs: 2, batchSize: recipe.batchSize, shuffle: false, verbose: 0 as const };
      const callbacks = [decomposedLoss({ breakdown: 'layer' }), counter];
      const actions: Array<() => Promise<unknown>> = [
        () => model.fit(x, y, { ...args, callbacks }),
        () => trainStep(model, x, y, { sampleWeight: undefined }),
        () => evaluate(model, x, y, { batchSize: recipe.batchSize }),
        async () => regularizationTerms(model),
      ];
      for (const action of actions) expect(await tensorsLeftBy(action)).toBe(0);
      const perEpoch = counts.length / 2;
      expect(counts.slice(perEpoch + 1)).toEqual(
        counts.slice(1, perEpoch).map((count) => count + counts[perEpoch]! - counts[0]!),
      );
      // Within an epoch the scalars of up to 32 batches are collected: as many at each batch. The last batch may be smaller,
      // and then those before it are added up.
      const growth = counts.slice(1, perEpoch - 1).map((count, batch) => count - counts[batch]!);
      expect(new Set(growth).size).toBeLessThanOrEqual(1);
      expect(counts[perEpoch - 1]! - (counts[perEpoch - 2] ?? Infinity)).toBeLessThanOrEqual(
        (growth[0] ?? Infinity) + 1,
      );
    }),
    runs,
  );
});
