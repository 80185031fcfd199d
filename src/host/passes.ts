import type { LayersModel } from '@tensorflow/tfjs-layers';
import { trainedModel } from './model.js';
import { RANK, patch, shared } from './patch.js';

const state = shared('passes-of-losses', () => ({
  /** How many custom losses have begun to run. */
  losses: 0,
  /** The calls of models under watch that are running, the outermost first. */
  running: [] as object[],
}));

/** Tells one run of a custom loss from the next, also where both are on one gradient tape. */
export const currentLoss = (): number => state.losses;

/**
 * What is the same for all calls of layers in one forward pass only: the call of a model under watch, or else the options that
 * the host makes for a pass, and hands on to every layer, nested model and wrapper in it.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-layers/src/engine/executor.ts#L321-L326 | execute}
 */
export const passOf = (options: object): { pass: object; loss: number } => ({
  pass: state.running[0] ?? options,
  loss: state.losses,
});

/**
 * Runs a custom loss. Each call of a model that it makes is one pass, also with `predict`, where the host makes options for each
 * layer, and where the loss uses one object of options for all.
 *
 * @param models - Built or not.
 */
export function inPasses<T>(models: readonly LayersModel[], loss: () => T): T {
  const all = new Set(models.flatMap((model) => [model, trainedModel(model) ?? model]));
  const releases = [...all].flatMap((model) => [
    patch(model, 'apply', RANK.watch, asOnePass),
    patch(model, 'predict', RANK.watch, asOnePass),
    patch(model, 'predictOnBatch', RANK.watch, asOnePass),
  ]);
  state.losses += 1;
  try {
    return loss();
  } finally {
    releases.forEach((release) => release());
  }
}

const asOnePass = <A extends unknown[], R>(inner: (...args: A) => R): ((...args: A) => R) =>
  function (this: unknown, ...args) {
    state.running.push({});
    try {
      return inner.apply(this, args);
    } finally {
      state.running.pop();
    }
  };
