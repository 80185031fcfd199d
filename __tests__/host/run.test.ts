/** A run of `fit` tells each callback of this library when it is over, however it ends. */
import type * as tfjs from '@tensorflow/tfjs';
import { RunCallback } from '../../src/callbacks/run-callback';
import type { Run } from '../../src/host/run/run';
import { decomposedLoss } from 'tfjs-decomposed-loss';
import '../helpers/backend';
import { data, regressor } from '../helpers/models';

const HOOKS = ['onTrainBegin', 'onEpochBegin', 'onBatchBegin', 'onBatchEnd', 'onEpochEnd', 'onTrainEnd'] as const;
type Hook = (typeof HOOKS)[number];

/** Notes when its run begins and ends, and fails where it is told to. */
class Noting extends RunCallback {
  readonly events: string[] = [];
  readonly runs: Run[] = [];

  constructor(private readonly failsIn?: 'beginRun' | 'endRun' | Hook) {
    super('noting()');
    for (const hook of HOOKS.filter((one) => one === failsIn)) {
      this[hook] = async () => this.#failIn(hook);
    }
  }

  protected override beginRun(run: Run): void {
    this.events.push('begin');
    this.runs.push(run);
    this.#failIn('beginRun');
  }

  protected override endRun(): void {
    this.events.push('end');
    this.#failIn('endRun');
  }

  #failIn(place: string): void {
    if (place === this.failsIn) throw new Error(`failed in ${place}`);
  }
}

const fit = (callbacks: tfjs.Callback[], model: tfjs.LayersModel = regressor()) =>
  model.fit(data([6, 4]), data([6, 1]), { epochs: 2, batchSize: 4, verbose: 0, callbacks });

it('is one for all callbacks of it, and ends once', async () => {
  const [one, other] = [new Noting(), new Noting()];
  await fit([one, other]);
  expect(one.runs[0]).toBe(other.runs[0]);
  expect([one.events, other.events]).toEqual([
    ['begin', 'end'],
    ['begin', 'end'],
  ]);
});

it.each([...HOOKS, 'endRun'] as const)('ends for all where one of them fails in %s', async (place) => {
  const all = [new Noting(), new Noting(place), new Noting()];
  await expect(fit(all)).rejects.toThrow(`failed in ${place}`);
  expect(all.map(({ events }) => events)).toEqual(all.map(() => ['begin', 'end']));
});

it('ends for those that have begun where one of them fails to begin', async () => {
  const all = [new Noting(), new Noting('beginRun'), new Noting()];
  await expect(fit(all)).rejects.toThrow('failed in beginRun');
  expect(all.map(({ events }) => events)).toEqual([['begin', 'end'], ['begin', 'end'], []]);
});

it.each([...HOOKS, 'beginRun', 'endRun'] as const)('serves the next fit after one that failed in %s', async (place) => {
  const model = regressor();
  const [noting, own] = [new Noting(), decomposedLoss()];
  await expect(fit([own, noting, new Noting(place)], model)).rejects.toThrow(`failed in ${place}`);
  const { history } = await fit([own, noting], model);
  expect(history['data_loss']).toHaveLength(2);
  expect(noting.events).toEqual(['begin', 'end', 'begin', 'end']);
  expect(noting.runs[0]).not.toBe(noting.runs[1]);
});

it('leaves the member of the model that it watches an ordinary one', async () => {
  const model = regressor();
  const trained = (model as unknown as { model: tfjs.LayersModel }).model;
  const isTraining = () => Object.getOwnPropertyDescriptor(trained, 'isTraining');
  await fit([], model);
  const before = isTraining();
  await fit([new Noting(), new Noting()], model);
  expect(isTraining()).toEqual(before);
  await expect(fit([new Noting('onBatchEnd')], model)).rejects.toThrow();
  expect(isTraining()).toEqual(before);
});

it('gives a second run of one callback at the same time an error, and the first goes on', async () => {
  const noting = new Noting();
  const first = fit([noting]);
  await expect(fit([noting])).rejects.toThrow(/Expected each `noting\(\)` to be in one training at a time/);
  await first;
  expect(noting.events).toEqual(['begin', 'end']);
});
