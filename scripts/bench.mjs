import { bin, main } from './helpers.mjs';
import { pythonWith } from './python.mjs';

/** Runs the benchmark of the built package on tfjs-node, and the same models in Keras. Arguments are passed on. */
await main(async () => {
  const args = process.argv.slice(2);
  const withKeras = !args.includes('--short') && !args.includes('--only');
  const leaveOut = ({ message }) => console.warn(`Keras is left out: ${message}`);
  const python = withKeras ? await pythonWith('__tests__/fixtures/requirements.txt').catch(leaveOut) : undefined;
  const tsx = ['--tsconfig', 'bench/built.tsconfig.json', '--require', './scripts/node-24.cjs', 'bench/main.ts'];
  await bin('tsx', [...tsx, ...args], { minutes: 60, env: { ...process.env, KERAS_PYTHON: python ?? '' } });
});
