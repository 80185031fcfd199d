import path from 'node:path';
import { bin, inTemporaryFolder, installInto, main, oldestTfjs } from './helpers.mjs';

/** Runs the tests on the CPU backend of the oldest TensorFlow.js in the peer range. Arguments are passed on to jest. */
await main(() =>
  inTemporaryFolder(async (folder) => {
    await installInto(folder, [`@tensorflow/tfjs@${oldestTfjs()}`]);
    const env = { ...process.env, TFJS_NODE_MODULES: path.join(folder, 'node_modules') };
    await bin('jest', process.argv.slice(2), { env });
  }),
);
