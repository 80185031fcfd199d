import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main as tensorBoardExample } from '../../examples/06-tensorboard/main';
import { backend } from '../helpers/backend';

/** Event files are written by tfjs-node alone. */
const example = backend === 'tensorflow' ? it : it.skip;

example('06 writes both runs, the layers and the batches, and says how to look at them', async () => {
  const printed = jest.spyOn(console, 'log').mockImplementation();
  const given = mkdtempSync(join(tmpdir(), 'events-'));
  try {
    const { folder, history } = await tensorBoardExample({ epochs: 1, digits: 64, logDir: given });
    expect(folder).toBe(given);
    expect(history.epoch).toEqual([0]);
    const events = (run: string) =>
      readdirSync(join(folder, run))
        .map((file) => readFileSync(join(folder, run, file), 'latin1'))
        .join();
    expect(events('train')).toMatch(/batch_total_loss[^]*regularization_loss\/strokes/);
    expect(events('validation')).toMatch(/total_loss/);
    expect(printed.mock.calls.join('\n')).toContain(`tensorboard --logdir ${folder}`);
  } finally {
    rmSync(given, { recursive: true });
    printed.mockRestore();
  }
});
