/** Measures what watching, fusing and breaking down cost: `npm run bench`, or `npm run bench -- --short` as CI does. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { arch, cpus, platform } from 'node:os';
import * as tf from '@tensorflow/tfjs-node';
import { inBrowsers } from './browsers.js';
import { chart } from './chart.js';
import { byTerms, byWeights } from './growth.js';
import { kerasSteps } from './keras.js';
import { peakMemory } from './peak-memory.js';
import { ratios, spread, timeInTurn } from './paired.js';
import type { Measured, Results } from './results.js';
import { browserTable, growthTable, kerasTable, memoryTable, ratioTable, targetTable } from './tables.js';
import { TOLERATED, targetsOf } from './targets.js';
import { ROUNDS, ways } from './ways.js';
import { compiled, l2, workloads, type Workload } from './workloads.js';

const option = (name: string): string | undefined => {
  const place = process.argv.indexOf(`--${name}`);
  return place === -1 ? undefined : process.argv[place + 1];
};
const short = process.argv.includes('--short');
const rounds = Number(option('rounds') ?? (short ? 5 : 21));
const only = option('only')?.split(',') ?? (short ? ['mlp-32', 'tiny'] : undefined);

const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function measure(workload: Workload): Promise<Measured> {
  const data = workload.data(workload.batchSize * workload.steps);
  const times = new Map<string, number[]>();
  const measured: Measured['ways'] = {};
  for (const group of ['cost', 'watching', 'steps', 'loops'] as const) {
    const taken = ways.filter((way) => way.group === group && (way.short || !short));
    const shared = compiled(workload, l2());
    const actions = taken.map((way) => way.prepare(workload, data, shared));
    const timed = await timeInTurn(actions, short ? rounds : rounds * ROUNDS[group], 2);
    tf.disposeVariables();
    taken.forEach(({ name, title }, index) => {
      times.set(name, timed[index]!);
      const milliseconds = spread(timed[index]!).median / workload.steps;
      measured[name] = { title, milliseconds, ratio: ratios(timed[index]!, timed[0]!) };
    });
  }
  tf.dispose([data.x, data.y]);
  return {
    workload: workload.name,
    title: workload.title,
    ways: measured,
    targets: targetsOf(workload.name).map((target) => ({
      ...target,
      measured: ratios(times.get(target.way)!, times.get(target.base)!),
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
  if (measured.length > 0) console.log(ratioTable(measured), targetTable(measured));
  if (short) {
    const missed = measured
      .flatMap(({ targets }) => targets)
      .filter((one) => one.measured.median > TOLERATED * one.atMost);
    if (missed.length > 0) throw new Error(`${missed.length} ratios are above ${TOLERATED} times their target.`);
    return;
  }
  const timeBrowsers = only === undefined || only.includes('browsers');
  const browsers = timeBrowsers ? await inBrowsers(rounds, say) : null;
  if (timeBrowsers) console.log(browserTable(browsers));
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
    browsers,
  };
  writeFileSync(join(__dirname, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(join(__dirname, 'results.svg'), chart(results));
  say('wrote bench/results.json and bench/results.svg');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
