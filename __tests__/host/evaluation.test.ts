import type * as tfjs from '@tensorflow/tfjs';
import { evaluateBatches, watchEvaluations, type EvaluationWatch } from '../../src/host/run/evaluation';
import { tf } from '../helpers/backend';
import { batches, data, regressor } from '../helpers/models';

const [x, y] = [data([6, 4]), data([6, 1])];

/** The model that a Sequential hides, a watch that takes the number of each evaluation, and what was discarded. */
function watched(): {
  model: tfjs.LayersModel;
  watch: EvaluationWatch<number>;
  ended: number[];
  discarded: number[];
} {
  const { model } = regressor() as unknown as { model: tfjs.LayersModel };
  const [ended, discarded]: [number[], number[]] = [[], []];
  let count = 0;
  const watch = watchEvaluations<number>(model, {
    begin: () => (count += 1),
    batches: { pass: (run) => run(), onBatch: () => undefined },
    onEnd: (taken) => void ended.push(taken),
    discard: (taken) => void discarded.push(taken),
  });
  return { model, watch, ended, discarded };
}

const evaluated = (model: tfjs.LayersModel): tfjs.Scalar[] => [model.evaluate(x, y)].flat();
const numbersOf = (values: readonly tfjs.Scalar[]): number[] => values.map((value) => value.dataSync()[0]!);

it('takes part in evaluations while it is open', () => {
  const { model, watch } = watched();
  expect(watch.of(evaluated(model))).toBeUndefined();
  watch.open();
  expect(watch.of(evaluated(model))).toBe(1);
  watch.close();
  expect(watch.of(evaluated(model))).toBeUndefined();
  watch.end();
});

it('knows an evaluation by its values, and forgets others', () => {
  const { model, watch, discarded } = watched();
  watch.open();
  const values = [evaluated(model), evaluated(model), evaluated(model)];
  expect(watch.of(values[1]!)).toBe(2);
  expect(discarded).toEqual([1, 3]);
  expect(watch.of(values[0]!)).toBeUndefined();
  watch.end();
  expect(discarded).toEqual([1, 3]);
});

it('knows an evaluation whose values were read where it is the only one, or others are gone', () => {
  const { model, watch, discarded } = watched();
  watch.open();
  // Of outputs of one name the host loses values.
  expect(watch.of([...numbersOf(evaluated(model)), undefined])).toBe(1);
  const both = [evaluated(model), evaluated(model)];
  expect(watch.of(numbersOf(both[1]!))).toBeUndefined();
  expect(discarded).toEqual([2, 3]);
  tf.dispose(evaluated(model));
  expect(watch.of(numbersOf(evaluated(model)))).toBe(5);
  expect(discarded).toEqual([2, 3, 4]);
  watch.end();
});

it('does not take the only evaluation for one that others return', () => {
  const { model, watch, discarded } = watched();
  watch.open();
  const values = evaluated(model);
  expect(watch.of([tf.scalar(1)])).toBeUndefined();
  expect(discarded).toEqual([1]);
  expect(values.every(({ isDisposed }) => !isDisposed)).toBe(true);
  watch.end();
});

it('discards what runs when it ends, once, and leaves the test function to the host', async () => {
  const { model, watch, ended, discarded } = watched();
  const host = model as unknown as { testFunction: unknown; makeTestFunction(): void };
  host.makeTestFunction();
  const ofHost = String(host.testFunction);
  watch.open();
  const running = evaluateBatches(model, batches([x, y]), {});
  expect(String(host.testFunction)).toBe(ofHost);
  watch.end();
  expect(discarded).toEqual([1]);
  await running;
  expect([ended, discarded]).toEqual([[], [1]]);
  expect(Object.keys(model)).not.toContain('evaluateDataset');
});
