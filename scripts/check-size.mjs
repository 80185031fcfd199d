import fs from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { main, root } from './helpers.mjs';

/** The most bytes that the built files for browsers may have after `gzip -9`. */
const LIMITS = { 'decomposed-loss.min': 27_000, 'tfvis.min': 6_000 };

await main(() => {
  const folder = path.join(root, 'dist', 'browser');
  const sizes = fs.readdirSync(folder).map((file) => {
    const size = gzipSync(fs.readFileSync(path.join(folder, file)), { level: 9 }).length;
    return { file, size, limit: LIMITS[path.parse(file).name] };
  });
  console.table(sizes);
  for (const { file, size, limit } of sizes) {
    if (size > limit) throw new Error(`Expected ${file} to have at most ${limit} bytes after gzip -9, got ${size}.`);
  }
});
