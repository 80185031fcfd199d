import { join } from 'node:path';
import { defineConfig } from 'vite';
import { mnistPlugin } from './mnist-sample.js';
import { TRAINING, VALIDATION } from './sample.js';

/** The library's folder: its source, or, with `--mode package`, what `npm run build` made of it. */
const library = (mode: string) =>
  join(import.meta.dirname, '../..', ...(mode === 'package' ? ['dist', 'esm'] : ['src']));

export default defineConfig(({ mode }) => ({
  root: import.meta.dirname,
  base: './',
  plugins: [mnistPlugin(TRAINING + VALIDATION)],
  resolve: {
    alias: [
      { find: /^tfjs-decomposed-loss$/, replacement: join(library(mode), 'index') },
      { find: /^tfjs-decomposed-loss\//, replacement: `${library(mode)}/` },
    ],
  },
  build: { target: 'es2022', chunkSizeWarningLimit: 4000 },
}));
