const tfjsNodeAvailable = require('./scripts/tfjs-node-available.cjs');

/** One project a backend, all over the same tests; `tensorflow` is tfjs-node. */
const project = backend => ({
  displayName: backend,
  testEnvironment: 'node',
  testMatch: ['<rootDir>/__tests__/**/*.test.ts'],
  globals: { __BACKEND__: backend },
  setupFiles: ['<rootDir>/scripts/node-24.cjs'],
  moduleNameMapper: {
    '^tfjs-decomposed-loss$': '<rootDir>/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: { '^.+\\.ts$': ['ts-jest', { tsconfig: { module: 'commonjs' } }] },
});

module.exports = {
  projects: [...(tfjsNodeAvailable() ? ['tensorflow'] : []), 'cpu', 'wasm'].map(project),
  coverageProvider: 'v8',
  collectCoverageFrom: ['src/**/*.ts'],
  coverageThreshold: { global: { lines: 95, branches: 95 } },
};
