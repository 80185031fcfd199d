import { spawnSync } from 'node:child_process';
import { main, runNode } from './helpers/command.mjs';
import { root } from './setup/stamp.cjs';
import tfjsNodeAvailable from './tfjs-node-available.cjs';

const supported = ['20', '22', '24'];
const running = process.versions.node.split('.')[0];

/** The path of a Node of another major version, fetched if need be. */
function findNode(major) {
  const { status, stdout } = spawnSync(process.execPath, ['scripts/other-node.mjs', major], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`Expected a Node ${major} to try the main example on, got none; see above why.`);
  return stdout.trim();
}

/** Runs the main example for a few steps on the supported versions of Node other than the running one. */
await main(() => {
  const example = ['examples/02-mnist-fit-dataset/main.ts', '--steps', '3'];
  for (const major of supported.filter((version) => version !== running)) {
    const node = findNode(major);
    console.log(`\nThe main example on Node ${major}`);
    // The example goes on without tfjs-node; here it has to work on every Node if it works on one.
    if (tfjsNodeAvailable()) runNode(['scripts/setup/try-tfjs-node.cjs'], { node });
    runNode(['node_modules/tsx/dist/cli.mjs', '--require', './scripts/node-24.cjs', ...example], { node, minutes: 5 });
    runNode(['node_modules/tsx/dist/cli.mjs', 'examples/01-data-and-penalty/main.ts'], { node, minutes: 5 });
  }
});
