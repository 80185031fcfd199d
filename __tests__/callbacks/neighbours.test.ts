import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as tfjsNode from '@tensorflow/tfjs-node';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import { backend, tf } from '../helpers/backend';
import { data, regressor } from '../helpers/models';

const KEYS = ['data_loss', 'regularization_loss'];
const VALIDATION = ['val_data_loss', 'val_regularization_loss', 'val_total_loss'];
const onTfjsNode = backend === 'tensorflow' ? it : it.skip;

it.each(['before', 'behind'])('gives its values to callbacks that stand %s it', async (place) => {
  const seen: string[][] = [];
  const other = new tf.CustomCallback({
    onBatchEnd: (_, logs) => void seen.push(Object.keys(logs!)),
    onEpochEnd: (_, logs) => void seen.push(Object.keys(logs!)),
    onYield: (_epoch, _batch, logs) => void seen.push(Object.keys(logs)),
  });
  const callbacks = place === 'before' ? [other, decomposedLoss()] : [decomposedLoss(), other];
  await regressor().fit(data([6, 4]), data([6, 1]), { verbose: 0, validationSplit: 0.5, callbacks });
  expect(seen.length).toBeGreaterThan(1);
  seen.forEach((keys) => expect(keys).toEqual(expect.arrayContaining(KEYS)));
  expect(seen.at(-1)).toEqual(expect.arrayContaining(VALIDATION));
});

it.each([0, 1])('lets the host stop early on a value of its own, at place %i', async (place) => {
  const callbacks = [decomposedLoss()] as Array<InstanceType<typeof tf.Callback>>;
  callbacks.splice(place, 0, tf.callbacks.earlyStopping({ monitor: 'val_data_loss', patience: 1 }));
  const model = regressor({ optimizer: tf.train.sgd(-1) });
  const args = { verbose: 0 as const, epochs: 9, validationSplit: 0.5, callbacks };
  const { epoch } = await model.fit(data([6, 4]), data([6, 1]), args);
  expect(epoch.length).toBeLessThan(9);
});

it("names its values among the run's metrics", async () => {
  let metrics: unknown;
  class Reader extends tf.Callback {
    override async onTrainBegin() {
      metrics = this.params['metrics'];
    }
  }
  const callbacks = [new Reader(), decomposedLoss()];
  await regressor().fit(data([6, 4]), data([6, 1]), { verbose: 0, callbacks });
  expect(metrics).toEqual(['loss', ...KEYS]);
  await regressor().fit(data([6, 4]), data([6, 1]), { verbose: 0, validationSplit: 0.5, callbacks });
  expect(metrics).toEqual(['loss', 'val_loss', ...KEYS, ...VALIDATION]);
});

onTfjsNode("shows in tfjs-node's progress bar, by batch and by epoch", async () => {
  const { progressBarHelper } = jest.requireActual('@tensorflow/tfjs-node/dist/callbacks');
  const lines: string[] = [];
  const { log, ProgressBar } = progressBarHelper;
  Object.assign(progressBarHelper, {
    log: (line: string) => lines.push(line),
    ProgressBar: class {
      tick(step: unknown, tokens = step as { placeholderForLossesAndMetrics: string }) {
        lines.push(tokens.placeholderForLossesAndMetrics);
      }
    },
  });
  process.stderr.columns ??= 200;
  const { isTTY } = process.stdout;
  process.stdout.isTTY = true;
  try {
    await regressor().fit(data([6, 4]), data([6, 1]), { validationSplit: 0.5, callbacks: decomposedLoss() });
  } finally {
    Object.assign(progressBarHelper, { log, ProgressBar });
    process.stdout.isTTY = isTTY;
  }
  expect(lines.find((line) => line.startsWith('data_loss='))).toMatch(
    /^data_loss=\S+ loss=\S+ regularization_loss=\S+ $/,
  );
  expect(lines.at(-1)).toMatch(
    /us\/step - data_loss=\S+ loss=\S+ regularization_loss=\S+ val_data_loss=.*val_total_loss=/,
  );
});

onTfjsNode("arrives in TensorBoard's event files", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'events-'));
  try {
    const board = (tf as unknown as typeof tfjsNode).node.tensorBoard(folder, { updateFreq: 'batch' });
    const callbacks = [board, decomposedLoss({ breakdown: 'layer' })];
    await regressor().fit(data([6, 4]), data([6, 1]), { verbose: 0, validationSplit: 0.5, callbacks });
    const events = (part: string) =>
      readdirSync(join(folder, part))
        .map((file) => readFileSync(join(folder, part, file), 'latin1'))
        .join();
    expect(events('train')).toMatch(/batch_data_loss[^]*epoch_regularization_loss\/hidden/);
    expect(events('val')).toMatch(/epoch_data_loss[^]*epoch_total_loss/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
