import fs from 'node:fs';
import path from 'node:path';
import { inTemporaryFolder, main, node, npm, root } from './helpers.mjs';

const tool = (name, args, options) => npm(['exec', '--yes', `--package=${name}`, '--', ...args], options);

const MANAGERS = {
  'npm, beside the prerelease': (packages, at) =>
    npm(
      [
        'install',
        '--no-audit',
        '--no-fund',
        ...packages.map((name) => name.replace(/^(@tensorflow\/tfjs)$/, '$1@4.23.0-rc.0')),
      ],
      at,
    ),
  npm: (packages, at) => npm(['install', '--no-audit', '--no-fund', ...packages], at),
  'pnpm 9': (packages, at) => tool('pnpm@9', ['pnpm', 'add', ...packages], at),
  'yarn 1': (packages, at) => tool('yarn@1', ['yarn', 'add', '--silent', '--non-interactive', ...packages], at),
};

/** Other runtimes, with how they run a file. */
const RUNTIMES = [
  ['bun', 'run'],
  ['deno', 'run', '--allow-all'],
];

function checkPrinted(printed) {
  const lines = printed.match(/^Epoch \d\/3 +loss .* = data .* \+ regularization .*$/gm) ?? [];
  if (lines.length !== 3) throw new Error(`Expected three lines, got:\n${printed}`);
}

/** Installs the packed package with each package manager in an empty project, and runs the README's first example there, also on Bun and Deno. */
await main(() =>
  inTemporaryFolder(async (folder) => {
    const packed = await npm(['pack', '--json', '--pack-destination', folder], { quiet: true });
    const [{ filename }] = JSON.parse(packed.slice(packed.indexOf('[')));
    const [, example] = /^```js\n([^]*?)^```$/m.exec(fs.readFileSync(path.join(root, 'README.md'), 'utf8'));
    const failed = [];
    for (const [name, install] of Object.entries(MANAGERS)) {
      const project = path.join(folder, name.replaceAll(/\W+/g, '-'));
      fs.mkdirSync(project);
      fs.writeFileSync(path.join(project, 'package.json'), '{"private": true}');
      fs.writeFileSync(path.join(project, 'first.mjs'), example);
      try {
        await install(['@tensorflow/tfjs', path.join(folder, filename)], { cwd: project, quiet: true });
        checkPrinted(await node(['first.mjs'], { cwd: project, quiet: true }));
        console.log(`${name}: installed, and the first example ran`);
        if (name !== 'npm') continue;
        for (const [runtime, ...args] of RUNTIMES) {
          checkPrinted(await tool(runtime, [runtime, ...args, 'first.mjs'], { cwd: project, quiet: true }));
          console.log(`${runtime}: the first example ran`);
        }
      } catch (error) {
        failed.push(`${name}: ${error.message}\n${error.output?.slice(-1000) ?? ''}`);
      }
    }
    if (failed.length > 0) throw new Error(failed.join('\n\n'));
  }),
);
