import type { BrowserMeasured } from './browsers.js';
import type { Growth } from './growth.js';
import type { KerasSteps } from './keras.js';
import type { Spread } from './paired.js';
import type { PeakMemory } from './peak-memory.js';
import type { Target } from './targets.js';

/** One workload, all ways: the time of a step, and its ratio to that of plain `fit` with L2. */
export interface Measured {
  workload: string;
  title: string;
  ways: Record<string, { title: string; milliseconds: number; ratio: Spread }>;
  targets: Array<Target & { measured: Spread }>;
}

/** All results of a full run. */
export interface Results {
  date: string;
  machine: string;
  versions: Record<string, string>;
  workloads: Measured[];
  memory: Record<string, PeakMemory>;
  weights: Growth[];
  terms: Growth[];
  keras: Record<string, KerasSteps> | null;
  browsers: BrowserMeasured[] | null;
}
