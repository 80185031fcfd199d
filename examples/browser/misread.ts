import type * as tf from '@tensorflow/tfjs';
import type { Digits } from './digits.js';
import { make } from './page.js';
import { PIXELS } from './sample.js';

/** Shows some of the digits that the model misreads. */
export async function showMisread(place: HTMLElement, model: tf.Sequential, { xs, ys }: Digits): Promise<void> {
  const [labels, answers] = await Promise.all([digitsOf(ys.clone()), digitsOf(model.predict(xs) as tf.Tensor)]);
  const pixels = await xs.data();
  const wrong = [...labels.keys()].filter((index) => labels[index] !== answers[index]);
  const shown = wrong.slice(0, 8).map((index) => {
    const image = pixels.subarray(index * PIXELS, (index + 1) * PIXELS);
    return make('figure', '', drawing(image), make('figcaption', '', `${labels[index]}, read as ${answers[index]}`));
  });
  place.replaceChildren(
    make('p', '', `It misreads ${wrong.length} of ${labels.length} digits that it has not seen.`),
    make('div', 'digits', ...shown),
  );
}

/** The digit with the highest score in each row. Disposes the scores. */
async function digitsOf(scores: tf.Tensor): Promise<Int32Array> {
  const best = scores.argMax(1);
  const digits = (await best.data()) as Int32Array;
  best.dispose();
  scores.dispose();
  return digits;
}

function drawing(pixels: ArrayLike<number>): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [28, 28];
  canvas.setAttribute('aria-hidden', 'true');
  const image = new ImageData(28, 28);
  for (let i = 0; i < PIXELS; i++) image.data.set([0, 0, 0, 255 * pixels[i]!], 4 * i);
  canvas.getContext('2d')!.putImageData(image, 0, 0);
  return canvas;
}
