import jestConfig from './jest.config.mjs';

const cpu = jestConfig.projects.find(({ displayName }) => displayName === 'cpu');

/** The tests to run, of `__tests__`: each mutant meets all of them that reach it, so those of one folder take minutes, all hours. */
const tests = (process.env.MUTATION_TESTS ?? '**/*.test.ts').split(',');

/**
 * Mutation testing: what the tests let pass. `MUTATION_TESTS=host/patch.test.ts npm run mutation -- --mutate src/host/patch.ts`
 * tries one file on the tests that are about it; what survives may still be killed by others.
 */
export default {
  mutate: ['host', 'loss', 'regularizers', 'gradients'].map((folder) => `src/${folder}/**/*.ts`),
  // What does not compile needs no test.
  checkers: ['typescript'],
  testRunner: 'jest',
  jest: {
    config: {
      ...cpu,
      testMatch: tests.map((name) => `<rootDir>/__tests__/${name}`),
      testTimeout: jestConfig.testTimeout,
    },
    enableFindRelatedTests: false,
  },
  coverageAnalysis: 'perTest',
  // The words of an error are no behaviour; that there is one, and what it names, is tested.
  mutator: { excludedMutations: ['StringLiteral'] },
  dryRunTimeoutMinutes: 60,
  incremental: true,
  incrementalFile: 'reports/mutation.json',
  reporters: ['clear-text', 'progress-append-only', 'html'],
  htmlReporter: { fileName: 'reports/mutation.html' },
};
