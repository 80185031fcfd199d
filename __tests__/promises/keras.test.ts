import { decomposedLoss, evaluate, regularizationTerms, trainStep, type DecomposedLoss } from 'tfjs-decomposed-loss';
import { fuseRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { kerasCases } from '../fixtures/cases';
import { batches, type KerasEvaluation } from '../fixtures/keras';
import { isForBackend, tf } from '../helpers/backend';

const cases = kerasCases.filter(isForBackend);

/** Within 1e-5 of Keras's number, relative to it. */
function expectClose(actual: number | undefined, keras: number): void {
  expect(Math.abs(actual! - keras)).toBeLessThanOrEqual(1e-5 * Math.abs(keras));
}

function expectSame(actual: DecomposedLoss, keras: KerasEvaluation): void {
  expectClose(actual.total, keras.total);
  expectClose(actual.data, keras.data);
  expectClose(actual.regularization, keras.regularization);
  const parts = Object.values(actual.parts);
  expect(parts).toHaveLength(keras.outputs.length);
  parts.forEach((part, output) => expectClose(part, keras.outputs[output]!));
}

const ways = cases.flatMap((one) =>
  [false, true].map((fused) => ({ ...one, how: fused ? 'fit, fused,' : 'fit', fused })),
);

it.each(ways)('$how agrees with Keras: $name', async ({ build, expected, fused }) => {
  const { model, x, y, fitArgs, dispose } = build(tf);
  if (fused) fuseRegularizers(model);
  const { history } = await model.fit(x, y, { ...fitArgs, callbacks: decomposedLoss() });
  expect(history['data_loss']).toHaveLength(expected.epochs.length);
  expected.epochs.forEach(({ total, data, regularization, validation }, epoch) => {
    const value = (key: string) => history[key]![epoch] as number;
    expectClose(value('loss'), total);
    expectClose(value('data_loss'), data);
    expectClose(value('regularization_loss'), regularization);
    if (validation === undefined) return;
    expectClose(value('val_total_loss'), validation.total);
    expectClose(value('val_data_loss'), validation.data);
    expectClose(value('val_regularization_loss'), validation.regularization);
  });
  dispose();
});

it.each(cases)('trainStep, evaluate and regularizationTerms agree with Keras: $name', async ({ build, expected }) => {
  const run = build(tf);
  const { model, x, y, fitArgs, dispose } = run;
  const classWeight = fitArgs.classWeight as { [index: number]: number } | undefined;
  const all = batches(run);
  for (const [step, keras] of expected.steps.entries()) {
    const batch = all[step % all.length]!;
    const penalty = regularizationTerms(model).reduce((sum, { value }) => sum + value, 0);
    expectClose(penalty, keras.regularization);
    expectSame(await trainStep(model, batch.x, batch.y, { classWeight }), keras);
    expectSame(await evaluate(model, x, y), keras.evaluation);
  }
  tf.dispose(all);
  dispose();
});
