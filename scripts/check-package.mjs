import { main, runNode } from './helpers/command.mjs';
import { packInto } from './helpers/tarball.mjs';
import { inTemporaryFolder } from './helpers/temporary-folder.mjs';

/** Looks over the packed package: its manifest with publint, its types with Are The Types Wrong. */
await main(() =>
  inTemporaryFolder(async (folder) => {
    const tarball = await packInto(folder);
    runNode(['node_modules/publint/src/cli.js', 'run', tarball, '--strict']);
    runNode(['node_modules/@arethetypeswrong/cli/dist/index.js', tarball]);
  }),
);
