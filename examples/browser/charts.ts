import { decomposedLoss } from 'tfjs-decomposed-loss';
import { fitCallbacks } from 'tfjs-decomposed-loss/tfvis';

/**
 * The callbacks that add the parts of the loss to the logs, with tfjs-vis's charts if their section is open. On a phone the
 * charts take longer to draw than an epoch takes to train.
 */
export function lossCallbacks(place: HTMLDetailsElement) {
  const charts = place.querySelector<HTMLElement>('.charts')!;
  charts.replaceChildren();
  return place.open ? fitCallbacks(charts) : [decomposedLoss()];
}
