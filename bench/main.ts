/** Measures what watching, fusing and breaking down cost: `npm run bench`, or `npm run bench -- --short` as CI does. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { arch, cpus, platform } from 'node:os';
import * as tf from '@tensorflow/tfjs-node';
import { chart } from './chart.js';
import { byTerms, byWeights } from './growth.js';
import { kerasSteps } from './keras.js';
import { peakMemory } from './peak-memory.js';
import { ratios, spread, timeInTurn } from './paired.js';
import type { Measured, Results } from './results.js';
import { growthTable, kerasTable, memoryTable, ratioTable, targetTable } from './tables.js';
import { TOLERATED, targetsOf } from './targets.js';
import { ways } from './ways.js';
import { workloads, type Workload } from './workloads.js';

const option = (name: string): string | undefined => {
  const place = process.argv.indexOf(`--${name}`);
  return place === -1 ? undefined : process.argv[place + 1];
};
const short = process.argv.includes('--short');
const rounds = Number(option('rounds') ?? (short ? 7 : 21));
const only = option('only')?.split(',') ?? (short ? ['mlp-32', 'narrow-100', 'tiny'] : undefined);

const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function measure(workload: Workload): Promise<Measured> {
  const taken = ways.filter((way) => way.short || !short);
  const data = workload.data(workload.batchSize * workload.steps);
  const times = await timeInTurn(
    taken.map((way) => way.prepare(workload, data)),
    rounds,
    2,
  );
  tf.disposeVariables();
  tf.dispose([data.x, data.y]);
  const timesOf = (name: string): number[] => times[taken.findIndex((way) => way.name === name)]!;
  return {
    workload: workload.name,
    title: workload.title,
    ways: Object.fromEntries(
      taken.map(({ name, title }, index) => [
        name,
        {
          title,
          milliseconds: spread(times[index]!).median / workload.steps,
          ratio: ratios(times[index]!, timesOf('l2')),
        },
      ]),
    ),
    targets: targetsOf(workload.name).map((target) => ({
      ...target,
      measured: ratios(timesOf(target.way), timesOf(target.base)).median,
    })),
  };
}

/** What tfjs-node is built on. */
const tensorFlowVersion = (): string =>
  (tf.backend() as unknown as { binding: { TF_Version: string } }).binding.TF_Version;

async function inTurn<Item, Result>(items: readonly Item[], step: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (const item of items) results.push(await step(item));
  return results;
}

async function main(): Promise<void> {
  await tf.ready();
  const chosen = workloads.filter(({ name }) => only?.includes(name) ?? true);
  const measured = await inTurn(chosen, async (workload) => {
    say(`${workload.title} …`);
    return measure(workload);
  });
  console.log(ratioTable(measured));
  console.log(targetTable(measured));
  if (short) {
    const missed = measured.flatMap(({ targets }) => targets).filter((one) => one.measured > TOLERATED * one.atMost);
    if (missed.length > 0) throw new Error(`${missed.length} ratios are above ${TOLERATED} times their target.`);
    return;
  }
  if (only) return;

  say('peak memory …');
  const memory = Object.fromEntries(
    await inTurn(workloads, async (workload) => [workload.name, await peakMemory(workload)] as const),
  );
  console.log(memoryTable(memory));
  const weights = await inTurn([1e4, 1e5, 1e6, 1e7, 3e7], (count) => (say(`${count} weights …`), byWeights(count)));
  console.log(growthTable('weights in one term', weights));
  const terms = await inTurn([1, 4, 16, 64, 100, 400], (count) => (say(`${count} terms …`), byTerms(count)));
  console.log(growthTable('terms of 8×8', terms));
  say('Keras …');
  const keras = kerasSteps(rounds);
  console.log(kerasTable(measured, keras));

  const results: Results = {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} × ${cpus()[0]!.model.trim()}, ${platform()} ${arch()}`,
    versions: { node: process.versions.node, tfjs: tf.version.tfjs, tensorflow: tensorFlowVersion() },
    workloads: measured,
    memory,
    weights,
    terms,
    keras,
  };
  writeFileSync(join(__dirname, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(join(__dirname, 'results.svg'), chart(results));
  say('wrote bench/results.json and bench/results.svg');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
