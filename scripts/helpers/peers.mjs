import fs from 'node:fs';
import path from 'node:path';
import { root } from '../setup/stamp.cjs';

/**
 * What package.json says of the peers that are TensorFlow.js itself: their names, and the oldest version of them that the
 * library supports.
 *
 * @throws Error if their ranges differ or have another form than `^1.2.3`.
 */
export function peers() {
  const { peerDependencies } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  const names = Object.keys(peerDependencies).filter((name) => /^@tensorflow\/tfjs(-core|-layers)?$/.test(name));
  const ranges = [...new Set(names.map((name) => peerDependencies[name]))];
  const oldest = ranges.length === 1 && /^\^(\d+\.\d+\.\d+)$/.exec(ranges[0])?.[1];
  if (!oldest) {
    throw new Error(
      `Expected one range such as ^4.0.0 for ${names.join(', ')} in package.json, got ${ranges.join(' and ')}. ` +
        'tfjs-core and tfjs-layers are released together: give them one range.',
    );
  }
  return { names, oldest };
}
