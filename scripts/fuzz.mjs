import { bin, main } from './helpers.mjs';

/**
 * Audits 2,000 broken files with the command line; `npm test` tries 200. `SEED=2 npm run fuzz` tries others, `FUZZ_FILES`
 * says how many. Arguments are passed on to jest.
 */
await main(() => {
  const env = { FUZZ_FILES: '2000', ...process.env };
  return bin(
    'jest',
    ['--selectProjects', 'cpu', '--testPathPatterns', '__tests__/cli/fuzz/', ...process.argv.slice(2)],
    {
      env,
    },
  );
});
