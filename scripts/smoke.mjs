import { main, npm } from './helpers.mjs';
import { readFinding } from './setup/tfjs-node.mjs';

const SUPPORTED = ['20', '22', '24'];

/** The npm package that holds Node's binary. The package `node` only fetches it, in an install script. */
const platform = process.platform === 'win32' ? 'win' : process.platform;
const prefix = platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node';
const packageName = `${prefix}-${platform}-${process.arch}`;

/** Runs the main example for a few steps on the supported versions of Node other than the running one. */
await main(async () => {
  const running = process.versions.node.split('.')[0];
  for (const major of SUPPORTED.filter((version) => version !== running)) {
    console.log(`\nThe main example on Node ${major} (from the npm package ${packageName}, 50 MB)`);
    const onOther = (args) => npm(['exec', '--yes', `--package=${packageName}@${major}`, '--', 'node', ...args]);
    const check = `if (!process.version.startsWith('v${major}.')) throw new Error(process.version)`;
    await onOther(['--eval', check]);
    // The example goes on without tfjs-node; here it has to work on every Node if it works on one.
    if (readFinding()?.usable) await onOther(['scripts/setup/try-tfjs-node.cjs']);
    const tsx = ['node_modules/tsx/dist/cli.mjs', '--require', './scripts/node-24.cjs'];
    await onOther([...tsx, 'examples/02-mnist-fit-dataset/main.ts', '--steps', '3']);
    await onOther(['node_modules/tsx/dist/cli.mjs', 'examples/01-data-and-penalty/main.ts']);
  }
});
