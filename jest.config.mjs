import path from 'node:path';
import { readFinding } from './scripts/setup/tfjs-node.mjs';

/** A `node_modules` whose TensorFlow.js the tests run on instead of the installed one; for the CPU backend only. */
const otherTfjs = process.env.TFJS_NODE_MODULES;

/** What is the same on every backend is tested on one. */
const ON_ONE_BACKEND = [
  ...['cli/.*', 'charts/plot-losses', 'charts/loss-colors', 'keras/mutations'],
  ...['callbacks/yielding', 'callbacks/loss-logger', 'callbacks/combine-callbacks'],
].map((name) => `/${name}.test.ts$`);

/** One project a backend, all over the same tests; `tensorflow` is tfjs-node. */
const project = (backend) => ({
  displayName: backend,
  testEnvironment: 'node',
  testMatch: ['<rootDir>/__tests__/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', ...(backend === 'cpu' ? [] : ON_ONE_BACKEND)],
  globals: { __BACKEND__: backend },
  setupFiles: [
    '<rootDir>/scripts/node-24.cjs',
    ...(backend === 'wasm' ? ['<rootDir>/__tests__/helpers/wasm.cjs'] : []),
  ],
  setupFilesAfterEnv: ['<rootDir>/__tests__/helpers/setup.ts'],
  moduleNameMapper: {
    '^tfjs-decomposed-loss$': '<rootDir>/src/index.ts',
    '^tfjs-decomposed-loss/(.*)$': '<rootDir>/src/$1.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
    ...(otherTfjs && { '^@tensorflow/(?!tfjs-vis)(.*)$': `${path.resolve(otherTfjs)}/@tensorflow/$1` }),
  },
  transform: { '^.+\\.ts$': ['ts-jest', { tsconfig: { module: 'commonjs' } }] },
});

const backends = otherTfjs ? ['cpu'] : [...(readFinding()?.usable ? ['tensorflow'] : []), 'cpu', 'wasm'];

export default {
  projects: backends.map(project),
  testTimeout: 120_000,
  // Jest leaves a core free; of two that would be half of them.
  maxWorkers: '100%',
  coverageProvider: 'v8',
  collectCoverageFrom: ['src/**/*.ts'],
  coverageThreshold: { global: { lines: 95, branches: 95 } },
};
