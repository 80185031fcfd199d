import jestConfig from './jest.config.mjs';

const cpu = jestConfig.projects.find(({ displayName }) => displayName === 'cpu');

/**
 * Mutation testing, `npm run mutation`: what the tests let pass. It takes hours; `npm run mutation -- --mutate src/host/patch.ts`
 * takes one file.
 */
export default {
  mutate: ['host', 'loss', 'regularizers', 'gradients'].map((folder) => `src/${folder}/**/*.ts`),
  testRunner: 'jest',
  jest: { config: { ...cpu, testTimeout: jestConfig.testTimeout } },
  coverageAnalysis: 'perTest',
  // The words of an error are no behaviour; that there is one, and what it names, is tested.
  mutator: { excludedMutations: ['StringLiteral'] },
  dryRunTimeoutMinutes: 60,
  incremental: true,
  incrementalFile: 'reports/mutation.json',
  reporters: ['clear-text', 'progress-append-only', 'html'],
  htmlReporter: { fileName: 'reports/mutation.html' },
};
