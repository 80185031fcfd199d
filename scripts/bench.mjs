import path from 'node:path';
import { main, runNode } from './helpers/command.mjs';
import { pythonWith } from './helpers/python.mjs';
import { root } from './setup/stamp.cjs';

/** Builds the package and runs the benchmark of it on tfjs-node, and the same models in Keras where Python is there. Arguments are passed on. */
await main(async () => {
  const args = process.argv.slice(2);
  runNode(['scripts/setup.mjs', '--if-needed'], { minutes: 30, env: { CI_REQUIRE_TFJS_NODE: '1' } });
  const keras = args.includes('--short') || args.includes('--only') ? '' : await pythonWithKeras();
  runNode(['scripts/build.mjs']);
  const tsx = [
    'node_modules/tsx/dist/cli.mjs',
    '--tsconfig',
    'bench/built.tsconfig.json',
    '--require',
    './scripts/node-24.cjs',
  ];
  runNode([...tsx, 'bench/main.ts', ...args], { minutes: 60, env: { KERAS_PYTHON: keras } });
});

async function pythonWithKeras() {
  try {
    return await pythonWith('keras', path.join(root, '__tests__', 'fixtures', 'requirements.txt'));
  } catch (error) {
    console.warn(`Keras is left out: ${error.message}`);
    return '';
  }
}
