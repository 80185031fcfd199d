/// <reference types="node" />
import { join } from 'node:path';
import { Tensor, getBackend, type Scalar } from '@tensorflow/tfjs-core';
import { withoutLeftovers, type SummaryWriter } from '../../host/run/summary-writer.js';

/** Where the values of one key of the logs are drawn: in the chart `tag`, as the curve `run`. */
export interface Curve {
  run: 'train' | 'validation';
  tag: string;
}

/** What `tensorBoard` needs of `tf.node`, tfjs-node's or tfjs-node-gpu's. */
export interface EventFileApi {
  /** Opens the folder of one run. */
  summaryFileWriter(logDir: string): SummaryWriter;
}

/** The batches that were written into each folder: they have one numbering, whichever callback and training wrote them. */
const batches = new WeakMap<SummaryWriter, number>();

/** The two folders of a training: one run each, which TensorBoard draws into the same charts. */
export class EventFiles {
  readonly #open: (run: Curve['run']) => SummaryWriter;

  constructor(api: EventFileApi, logDir: string) {
    this.#open = (run) => withoutLeftovers(() => api.summaryFileWriter(join(logDir, run)));
  }

  /** Counts one more batch of the training run, and returns its number: 1 for the first. */
  nextBatch(): number {
    const train = this.#open('train');
    const number = (batches.get(train) ?? 0) + 1;
    batches.set(train, number);
    return number;
  }

  /** Writes values under their tags and hands them to the operating system, so that none is lost if training throws. */
  write(curveOf: (key: string) => Curve | undefined, logs: object, step: number): void {
    const written = new Set<SummaryWriter>();
    for (const [key, value] of Object.entries(logs) as Array<[string, unknown]>) {
      const curve = curveOf(key);
      if (curve === undefined || !isScalar(value)) continue;
      const writer = this.#open(curve.run);
      writer.scalar(curve.tag, value, step);
      written.add(writer);
    }
    written.forEach((writer) => writer.flush());
  }
}

const isScalar = (value: unknown): value is number | Scalar =>
  typeof value === 'number' || (value instanceof Tensor && value.rank === 0);

/**
 * The `tf.node` of the tfjs-node that training runs on: to load it where training does not would change the backend.
 *
 * @throws Error if training runs on another backend, or tfjs-node is not to be found.
 */
export async function loadEventFileApi(): Promise<EventFileApi> {
  if (getBackend() !== 'tensorflow') throw new Error(noTfjsNode(`the backend \`${getBackend()}\``));
  try {
    const loaded: { default?: { node: EventFileApi }; node: EventFileApi } = await import('@tensorflow/tfjs-node');
    return (loaded.default ?? loaded).node;
  } catch (error) {
    throw new Error(noTfjsNode(`\`${String(error).split('\n')[0]}\``), { cause: error });
  }
}

const noTfjsNode = (got: string): string =>
  `Expected training on @tensorflow/tfjs-node, which writes the event files of \`tensorBoard\`, got ${got}. Run ` +
  "`npm install @tensorflow/tfjs-node`, and use its `tf`: `import * as tf from '@tensorflow/tfjs-node'`. With " +
  'tfjs-node-gpu, pass `{node: tf.node}`.';
