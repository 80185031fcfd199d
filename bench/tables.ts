import type { BrowserMeasured } from './browsers.js';
import type { Growth } from './growth.js';
import type { KerasSteps } from './keras.js';
import type { PeakMemory } from './peak-memory.js';
import type { Measured } from './results.js';

/** Rows as a Markdown table, which is also legible in a terminal. */
function table(header: string[], rows: string[][]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const line = (row: string[]) =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return `\n${[line(header), rule, ...rows.map(line)].join('\n')}\n`;
}

const fixed = (value: number): string => value.toFixed(2);

/** Every way of every workload: its time against that of plain `fit` with L2 in the same round. */
export function ratioTable(measured: readonly Measured[]): string {
  const bases = ['l2', 'l2-again', 'trainOnBatch', 'by-hand'];
  const names = Object.keys(measured[0]!.ways).filter((name) => !bases.includes(name));
  return table(
    ['time of a step, plain `fit` with L2 = 1', ...measured.map(({ workload }) => workload)],
    [
      ['plain `fit` with L2, ms', ...measured.map(({ ways }) => ways['l2']!.milliseconds.toFixed(1))],
      ...names.map((name) => [
        measured[0]!.ways[name]!.title,
        ...measured.map(({ ways }) => ways[name]!.ratio.median.toFixed(2)),
      ]),
    ],
  );
}

/** The targets, and what was measured: the median, and the quartiles around it, which show the noise. */
export function targetTable(measured: readonly Measured[]): string {
  return table(
    ['target', 'workload', 'at most', 'measured', 'quartiles', ''],
    measured.flatMap(({ workload, targets }) =>
      targets.map(({ way, base, atMost, measured: { median, low, high } }) => [
        `${way} / ${base.replace('-again', '')}`,
        workload,
        fixed(atMost),
        median.toFixed(3),
        `${fixed(low)} to ${fixed(high)}`,
        median <= atMost + 0.0005 ? '' : 'missed',
      ]),
    ),
  );
}

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

/** The high-water mark within a step. */
export function memoryTable(memory: Record<string, PeakMemory>): string {
  return table(
    ['peak of a step, MiB', 'no regularizers', 'L2', 'decomposed', 'fused'],
    Object.entries(memory).map(([workload, { none, l2, decomposed, fused }]) => [
      workload,
      ...[none, l2, decomposed, fused].map(mebibytes),
    ]),
  );
}

/** How a step grows, as multiples of the step without regularizers. */
export function growthTable(what: string, rows: readonly Growth[]): string {
  return table(
    [what, 'no regularizers, ms', 'L2', 'decomposed', 'fused'],
    rows.map(({ count, none, l2, decomposed, fused }) => [
      count.toLocaleString('en'),
      fixed(none),
      ...[l2, decomposed, fused].map(fixed),
    ]),
  );
}

/** The same models in Keras, on the same TensorFlow. */
export function kerasTable(measured: readonly Measured[], keras: Record<string, KerasSteps> | null): string {
  if (keras === null) return '\nKeras was not measured: no Python with Keras was found.\n';
  return table(
    ['ms of a step', 'Keras', 'Keras, L2', 'plain fit', 'plain fit, L2', 'fused and decomposed'],
    measured
      .filter(({ workload }) => workload in keras)
      .map(({ workload, ways }) => [
        workload,
        ...[keras[workload]!.none, keras[workload]!.l2].map(fixed),
        ...['none', 'l2', 'fused-decomposed'].map((name) => fixed(ways[name]!.milliseconds)),
      ]),
  );
}

/** One net on the backends of a browser. */
export function browserTable(measured: readonly BrowserMeasured[] | null): string {
  if (measured === null) return '\nBrowsers were not measured: no Chromium was found.\n';
  const row = (title: string, way: keyof BrowserMeasured['ratios']): string[] => [
    title,
    ...measured.map(({ ratios }) => fixed(ratios[way].median)),
  ];
  return table(
    ['time of a step, plain `fit` with L2 = 1', ...measured.map(({ backend }) => backend)],
    [
      ['plain `fit` with L2, ms', ...measured.map(({ milliseconds }) => milliseconds.toFixed(1))],
      row('plain `fit`, L2, again: the noise', 'noise'),
      row('`decomposedLoss()`', 'decomposed'),
      row('`fuseRegularizers` and `decomposedLoss()`', 'fused-decomposed'),
      row('plain `fit`, no regularizers', 'none'),
    ],
  );
}
