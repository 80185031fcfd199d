import type { Results } from './results.js';

const SHOWN = ['l2', 'decomposed', 'fused-decomposed', 'none'];
const COLOURS = ['#8a94a6', '#2f7ed8', '#12a150', '#c9ced8'];

const WIDTH = 760;
const LABELS = 300;
const BAR = 13;
const GROUP = SHOWN.length * (BAR + 2) + 18;
const TOP = 74;

const escape = (text: string): string => text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);

const text = (x: number, y: number, content: string, attributes = ''): string =>
  `<text x="${x}" y="${y}" ${attributes}>${escape(content)}</text>`;

/** An SVG for light and dark pages: bars of the time of a step, with plain `fit` with L2 as 1. */
export function chart({ workloads, date, machine }: Results): string {
  const longest = Math.max(...workloads.flatMap(({ ways }) => SHOWN.map((name) => ways[name]!.ratio.median)));
  const scale = (WIDTH - LABELS - 60) / longest;
  const height = TOP + workloads.length * GROUP + 12;
  const legend = SHOWN.map((name, i) => {
    const x = 16 + [0, 120, 290, 570][i]!;
    return `<rect x="${x}" y="34" width="11" height="11" rx="2" fill="${COLOURS[i]}"/>${text(x + 17, 44, workloads[0]!.ways[name]!.title)}`;
  });
  const groups = workloads.map(({ title, ways }, row) => {
    const top = TOP + row * GROUP;
    const bars = SHOWN.map((name, i) => {
      const { median } = ways[name]!.ratio;
      const y = top + i * (BAR + 2);
      const width = (median * scale).toFixed(1);
      return `<rect x="${LABELS}" y="${y}" width="${width}" height="${BAR}" rx="2" fill="${COLOURS[i]}"/>${text(
        LABELS + Number(width) + 6,
        y + BAR - 3,
        median.toFixed(2),
        'class="value"',
      )}`;
    });
    const [what, batch] = title.split(/,(?= batch)/);
    const label = text(LABELS - 12, top + 24, what!, 'text-anchor="end"');
    const below = batch ? text(LABELS - 12, top + 40, batch.trim(), 'text-anchor="end" class="value"') : '';
    return label + below + bars.join('');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Time of a training step">
<style>
text { font: 12px system-ui, sans-serif; fill: #24292f }
.value { font-size: 11px; fill: #57606a }
.title { font-size: 14px; font-weight: 600 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .value { fill: #9198a1 } }
</style>
${text(16, 20, 'Time of a training step on tfjs-node; plain fit with L2 = 1', 'class="title"')}
${text(WIDTH - 16, 20, `${date}, ${machine.split(',')[0]!}`, 'text-anchor="end" class="value"')}
${legend.join('\n')}
${groups.join('\n')}
</svg>
`;
}
