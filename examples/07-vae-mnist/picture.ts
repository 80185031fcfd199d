import type { History, Tensor, Tensor3D } from '@tensorflow/tfjs';
import { plotLosses } from 'tfjs-decomposed-loss/charts';
import { tf } from '../backend.js';

const SIDE = 28;
const WIDTH = 720;
const MARGIN = 16;
const LABELS = 116;
const GAP = 10;

/**
 * The losses over the epochs, and below them rows of images, one for each name.
 *
 * @param images - The same number in each row; shape [rows × columns, 28 × 28], from 0 to 1.
 * @returns The text of an SVG picture.
 */
export async function picture(history: History, images: Tensor, names: string[]): Promise<string> {
  const losses = plotLosses(history, {
    title: 'A VAE on MNIST: what its loss is made of',
    width: WIDTH,
    scale: 'linear',
  });
  const [, top] = /height="(\d+)"/.exec(losses)!.map(Number) as [number, number];
  const rows = tf.split(images, names.length);
  const width = WIDTH - LABELS - MARGIN;
  const height = width / rows[0]!.shape[0];
  const drawn = await Promise.all(
    rows.map(async (row, i) => {
      const y = top + i * (height + GAP);
      const place = `x="${LABELS}" y="${y}" width="${width}" height="${height}"`;
      return `<text class="name" x="${MARGIN}" y="${y + height / 2 + 4}">${names[i]}</text>
<image ${place} href="data:image/png;base64,${await png(row)}"/>`;
    }),
  );
  tf.dispose(rows);
  const bottom = top + names.length * (height + GAP) + MARGIN - GAP;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${bottom}" width="${WIDTH}" height="${bottom}">
<style>
.page { fill: #fff } .name { fill: #0b0b0b; font: 12px system-ui, sans-serif }
@media (prefers-color-scheme: dark) { .page { fill: #1a1a19 } .name { fill: #fff } }
</style>
<rect width="100%" height="100%" class="page"/>
${losses}
${drawn.join('\n')}
</svg>
`;
}

/** Images side by side, in base64. */
async function png(row: Tensor): Promise<string> {
  const { node } = await import('@tensorflow/tfjs-node');
  const [count] = row.shape as [number];
  const strip = tf.tidy(() =>
    row
      .reshape([count, SIDE, SIDE])
      .transpose([1, 0, 2])
      .reshape<Tensor3D>([SIDE, count * SIDE, 1])
      .mul<Tensor3D>(255)
      .toInt(),
  );
  const bytes = await node.encodePng(strip);
  strip.dispose();
  return Buffer.from(bytes).toString('base64');
}
