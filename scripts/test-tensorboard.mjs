import { bin, main } from './helpers.mjs';
import { pythonWith } from './python.mjs';

/**
 * Trains on tfjs-node with `tensorBoard`, and reads the event files back with TensorBoard's own package for Python.
 * Arguments are passed on to jest.
 */
await main(async () => {
  const TENSORBOARD_PYTHON = await pythonWith('__tests__/callbacks/tensorboard/requirements.txt');
  const tests = ['--selectProjects', 'tensorflow', '--testMatch', '**/__tests__/callbacks/tensorboard/read-back.ts'];
  await bin('jest', [...tests, ...process.argv.slice(2)], { env: { ...process.env, TENSORBOARD_PYTHON } });
});
