import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Milliseconds of a step in Keras, without regularizers and with L2. */
export interface KerasSteps {
  none: number;
  l2: number;
}

/**
 * Runs the same models in Keras, in the Python that `KERAS_PYTHON` names.
 *
 * @returns By workload; `null` if there is no such Python.
 */
export function kerasSteps(rounds: number): Record<string, KerasSteps> | null {
  const python = process.env['KERAS_PYTHON'];
  if (!python) return null;
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' };
  const { status, stdout } = spawnSync(python, [join(__dirname, 'keras.py'), String(rounds)], {
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`Expected keras.py to end well, got exit code ${status}.`);
  return JSON.parse(stdout) as Record<string, KerasSteps>;
}
