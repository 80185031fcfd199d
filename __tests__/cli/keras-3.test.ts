/** What Keras 3 saved is audited like the model that is really loaded from it. */
import 'tfjs-decomposed-loss/keras';
import { auditRegularizers, type RegularizationFinding } from 'tfjs-decomposed-loss/regularizers';
import { artifactsOf, loadKeras3, modelsOf315, modelsOf33 } from '../fixtures/keras-3/models';
import { tf } from '../helpers/backend';
import { run, temporaryModel } from './command';

const file = temporaryModel();

const models = [
  ...modelsOf315.map((model) => ({ ...model, version: '3.15' })),
  ...modelsOf33.map((model) => ({ ...model, version: '3.3' })),
];

const about = ({ code, layer, weight, declared, applied }: RegularizationFinding) => ({
  code,
  layer,
  weight,
  declared,
  applied,
});

/** Findings that need the values of the weights, which the command does not read. */
const needsValues = ({ code }: { code: string }): boolean => code === 'penalty-disagrees' || code === 'l1-at-zero';

it.each(models)('$name of Keras $version', async (model) => {
  file.write({ modelTopology: model.topology, weightsManifest: [] });
  const loaded = await loadKeras3(tf, artifactsOf(model), { predictOnly: true }).catch((error: unknown) =>
    String(error),
  );
  const { code, out, err } = await run('audit', file.path, '--json');
  if (typeof loaded === 'string') {
    expect([code, err.startsWith('Expected ')]).toEqual([2, true]);
    return;
  }
  expect(err).toBe('');
  const { findings } = JSON.parse(out) as { findings: RegularizationFinding[] };
  if (loaded instanceof tf.Sequential) loaded.build();
  const expected = auditRegularizers(loaded).findings.filter((finding) => !needsValues(finding));
  expect(findings.map(about)).toEqual(expected.map(about));
});
