import eslint from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import globals from 'globals';
import tseslint from 'typescript-eslint';

/** Members that TensorFlow.js does not document, though some are public in its types. */
const UNDOCUMENTED = [
  ...['containerNodes', 'inboundNodes', 'outboundNodes', 'collectedTrainableWeights', 'isTraining', 'lossFunctions'],
  ...['calculateLosses', 'losses', 'addWeight', 'makeTrainFunction', 'makeTestFunction', 'standardizeUserData'],
  ...[
    'getDedupedMetricsNames',
    'optimizer_',
    'activeTape',
    'kernelDepth',
    'gradientDepth',
    'scopeId',
    'kept',
    'dataId',
  ],
  ...['hasL1', 'hasL2', 'SerializationMap'],
].join('|');

const ONLY_IN_HOST =
  'TensorFlow.js does not document this. Give it a name in src/host, with a permalink, and call that.';

const fence = [
  `MemberExpression[property.name=/^(${UNDOCUMENTED})$/]`,
  `MemberExpression[property.value=/^(${UNDOCUMENTED})$/]`,
  `ObjectPattern > Property[key.name=/^(${UNDOCUMENTED})$/]`,
  `BinaryExpression[operator='in'][left.value=/^(${UNDOCUMENTED})$/]`,
  "AssignmentExpression[left.object.property.name='prototype']",
  // A cast of a cast is how code gets at members that the types hide.
  'TSAsExpression > TSAsExpression',
].map((selector) => ({ selector, message: ONLY_IN_HOST }));

export default defineConfig(
  globalIgnores(['**/dist/', 'docs/api/', 'coverage/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  eslint.configs.recommended,
  {
    rules: {
      curly: ['error', 'multi-line'],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'off',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      'prefer-template': 'error',
    },
  },
  {
    files: ['**/*.{js,cjs,mjs}'],
    languageOptions: { globals: globals.node },
  },
  {
    // Parts of these run in a page.
    files: ['scripts/browser-test/*.mjs'],
    languageOptions: {
      globals: { ...globals.browser, tf: 'readonly', tfDecomposedLoss: 'readonly', models: 'readonly' },
    },
  },
  {
    files: ['**/*.{js,cjs}'],
    languageOptions: { sourceType: 'commonjs' },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/array-type': ['error', { default: 'array-simple' }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/dot-notation': ['error', { allowIndexSignaturePropertyAccess: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-empty-function': ['error', { allow: ['arrowFunctions', 'methods'] }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowArray: true }],
      // Both `{ [name: string]: T }`, which names the key, and `Record` have their place.
      '@typescript-eslint/consistent-indexed-object-style': 'off',
      // Hooks that the host awaits are `async` whether or not they wait for something.
      '@typescript-eslint/require-await': 'off',
      // With `noUncheckedIndexedAccess`, this is how the code says that an index is in range.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Arguments are checked at run time for what their types exclude: many callers have no types.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // TensorFlow.js is written for plain numbers where its types ask for enums that it does not export …
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      // … and for datasets and histories by their structure.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
    },
  },
  {
    // These take methods of the host off their objects, to call them with `this` or to replace them.
    files: ['src/host/**', '__tests__/**'],
    rules: { '@typescript-eslint/unbound-method': 'off' },
  },
  {
    // The direction of imports, and that they have no cycle, is in .dependency-cruiser.mjs.
    files: ['src/**'],
    ignores: ['src/host/**'],
    rules: {
      'no-restricted-syntax': ['error', ...fence],
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: ['@tensorflow/*/*'], message: ONLY_IN_HOST },
            {
              group: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-layers'],
              importNames: ['engine', 'ENGINE', 'getKernel', 'registerKernel', 'KernelBackend', 'CallbackList'],
              message: ONLY_IN_HOST,
            },
          ],
        },
      ],
    },
  },
  {
    // What jest calls an expectation, such as `expect.any(Number)`, is of type `any`.
    files: ['__tests__/**'],
    rules: { '@typescript-eslint/no-unsafe-assignment': 'off' },
  },
);
