import path from 'node:path';
import { main, runNode } from './helpers/command.mjs';
import { peers } from './helpers/peers.mjs';
import { makeProject } from './helpers/project.mjs';
import { inTemporaryFolder } from './helpers/temporary-folder.mjs';

/** Runs the tests on the CPU backend of the oldest TensorFlow.js in the peer range. Arguments are passed on to jest. */
await main(() =>
  inTemporaryFolder(async (folder) => {
    const { oldest } = peers();
    console.log(`Installing @tensorflow/tfjs ${oldest}, the oldest in the peer range`);
    await makeProject(folder, [`@tensorflow/tfjs@${oldest}`]);
    runNode(['node_modules/jest/bin/jest.js', ...process.argv.slice(2)], {
      env: { TFJS_NODE_MODULES: path.join(folder, 'node_modules') },
    });
  }),
);
