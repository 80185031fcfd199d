import { main, runNode } from './helpers/command.mjs';

/**
 * Audits 2,000 broken files with the command line; `npm test` tries 200. `SEED=2 npm run fuzz` tries others, `FUZZ_FILES`
 * says how many. Arguments are passed on to jest.
 */
await main(async () => {
  const { FUZZ_FILES = '2000' } = process.env;
  runNode(['scripts/setup.mjs', '--if-needed'], { minutes: 30 });
  const tests = ['--selectProjects', 'cpu', '--testPathPatterns', '__tests__/cli/fuzz/'];
  runNode(['node_modules/jest/bin/jest.js', ...tests, ...process.argv.slice(2)], { env: { FUZZ_FILES } });
});
