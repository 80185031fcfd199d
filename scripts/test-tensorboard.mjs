import path from 'node:path';
import { main, runNode } from './helpers/command.mjs';
import { pythonWith } from './helpers/python.mjs';
import { root } from './setup/stamp.cjs';

/**
 * Trains on tfjs-node with `tensorBoard`, and reads the event files back with TensorBoard's own package for Python.
 * Arguments are passed on to jest.
 */
await main(async () => {
  runNode(['scripts/setup.mjs', '--if-needed'], { minutes: 30, env: { CI_REQUIRE_TFJS_NODE: '1' } });
  const python = await pythonWith('tensorboard', path.join(root, '__tests__', 'tensorboard', 'requirements.txt'));
  const tests = ['--selectProjects', 'tensorflow', '--testMatch', '**/__tests__/callbacks/tensorboard/read-back.ts'];
  runNode(['node_modules/jest/bin/jest.js', ...tests, ...process.argv.slice(2)], {
    env: { TENSORBOARD_PYTHON: python },
  });
});
