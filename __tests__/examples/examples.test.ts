import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main as dataAndPenalty } from '../../examples/01-data-and-penalty/main';
import { main as mnist } from '../../examples/02-mnist-fit-dataset/main';
import { main as customLoop } from '../../examples/03-custom-loop/main';
import { main as audit } from '../../examples/04-audit/main';
import { main as vae } from '../../examples/07-vae-mnist/main';
import { main as dqn } from '../../examples/08-dqn/main';
import { main as lossesPicture } from '../../examples/09-losses-picture/main';
import { backend } from '../helpers/backend';

/** The examples choose their backend themselves, and train too much for the slower ones. */
const example = backend === 'tensorflow' ? it : it.skip;

const printed: string[] = [];

beforeEach(() => {
  printed.length = 0;
  jest.spyOn(console, 'log').mockImplementation((...values) => void printed.push(values.join(' ')));
  jest.spyOn(console, 'table').mockImplementation((rows) => void printed.push(JSON.stringify(rows)));
});

afterEach(() => {
  jest.restoreAllMocks();
});

example('01 prints the loss of the host, and parts that agree with those by hand', async () => {
  const epochs = await dataAndPenalty({ epochs: 2 });
  expect(epochs).toHaveLength(2);
  epochs.forEach(({ printed: loss, byHand }) => expect(loss).toBeNear(byHand, 1e-5));
  expect(printed.join('\n')).toMatch(/regularization_loss = (\d\.\d{5})\d {3}by hand \1/);
});

example('02 trains on MNIST, shows the terms, and agrees with the penalty by hand', async () => {
  const { byHand, reported } = await mnist({ epochs: 1, steps: 3 });
  expect(reported).toBeNear(byHand, 1e-5);
  const all = printed.join('\n');
  expect(all).toMatch(/val_data_loss=\d.*val_regularization_loss=.*val_total_loss=/);
  expect(all).toMatch(/"layer":"strokes".*"layer":"shapes".*"layer":"digits"/);
});

example('03 learns in a loop of its own', async () => {
  const { first, last } = await customLoop({ steps: 50 });
  expect(last.data).toBeLessThan(first.data);
  expect(printed.join('\n')).toMatch(/held out {3}total .* = data .* \+ regularization/);
});

example('04 shows what is dropped, and nothing once it is enforced', async () => {
  const { before, after, penalties } = await audit({ epochs: 2 });
  expect(before).toEqual(['regularizer-dropped', 'regularizer-dropped']);
  expect(after).toEqual([]);
  expect(penalties).toHaveLength(2);
});

example('07 shows reconstruction, KL and regularization in its logs, in TensorBoard and in a picture', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vae-'));
  try {
    const { history, picture, logs } = await vae({ epochs: 2, steps: 6, folder });
    const [loss, data, penalty, reconstruction] = [
      ...['val_loss', 'val_data_loss', 'val_regularization_loss', 'val_data_loss/reconstruction'],
    ].map((key) => history.history[key]!.at(-1) as number);
    const [kl, weight] = ['val_data_loss/kl', 'kl_weight'].map((key) => history.history[key]!.at(-1) as number);
    expect(weight).toBe(1);
    expect(data).toBeNear(reconstruction! + kl!, 1e-5);
    expect(loss).toBeNear(data! + penalty!, 1e-5);
    expect(penalty).toBeGreaterThan(0);
    expect(reconstruction).toBeLessThan(history.history['val_data_loss/reconstruction']![0] as number);
    expect(readFileSync(picture, 'utf8').match(/data:image\/png;base64,iVBOR/g)).toHaveLength(3);
    expect(['train', 'validation'].map((run) => existsSync(join(logs, run)))).toEqual([true, true]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

example('08 learns to balance the pole, with clipped gradients and a target network', async () => {
  const { before, after, history } = await dqn({ epochs: 5, steps: 150 });
  expect(after).toBeGreaterThan(3 * before);
  const [loss, data, penalty] = ['loss', 'data_loss', 'regularization_loss'].map((key) => history.history[key]!);
  loss!.forEach((value, epoch) => expect(value).toBeNear((data![epoch] as number) + (penalty![epoch] as number), 1e-5));
  expect(printed.join('\n')).toMatch(/Before training, .*\n[^]*Epoch 1 {3}loss .* return \d+\n[^]*After training/);
});

example('09 writes a picture, which is the one in the README', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'picture-'));
  const path = join(folder, 'losses.svg');
  const svg = await lossesPicture({ path });
  expect(readFileSync(path, 'utf8')).toBe(svg);
  const shownIn = (svg: string) => Array.from(svg.matchAll(/>([\d.]+)<\/tspan>/g), ([, value]) => Number(value));
  const [written, shown] = [path, join(__dirname, '../../docs/losses.svg')].map((file) =>
    shownIn(readFileSync(file, 'utf8')),
  );
  expect(written!.length).toBeGreaterThan(100);
  written!.forEach((value, index) => expect(shown![index]).toBeNear(value, 0.02));
  rmSync(folder, { recursive: true });
});
