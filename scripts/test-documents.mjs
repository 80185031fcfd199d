import fs from 'node:fs';
import path from 'node:path';
import { inTemporaryFolder, main, node, npm, root, run } from './helpers.mjs';

/**
 * The JavaScript blocks of a page as ES modules: each after the preamble, the block that follows "after these lines:", if the
 * page has had it by then.
 */
function modulesOf(page) {
  const text = fs.readFileSync(path.join(root, page), 'utf8');
  let preamble = '';
  const modules = [];
  for (const { 1: code, index } of text.matchAll(/^```js\n([^]*?)^```$/gm)) {
    const before = text.slice(0, index);
    modules.push({ code: `${preamble}${code}`, line: before.split('\n').length });
    if (/after these lines:\s*$/.test(before)) preamble = code;
  }
  const fences = text.match(/^```(js|javascript|mjs|cjs|ts|typescript)\b/gm) ?? [];
  if (fences.length === modules.length) return modules;
  throw new Error(
    `Expected every block of ${page} to begin with \`\`\`js, got ${fences.length - modules.length} others.`,
  );
}

const PAGES = [
  'README.md',
  ...fs.readdirSync(path.join(root, 'docs')).flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : [])),
];

/** A project with the packed package beside the TensorFlow.js of this repository, tfjs-node included. */
async function makeProject(folder) {
  const packed = await npm(['pack', '--json', '--pack-destination', folder], { quiet: true });
  const [{ filename }] = JSON.parse(packed.slice(packed.indexOf('[')));
  const place = path.join(folder, 'node_modules', 'tfjs-decomposed-loss');
  fs.mkdirSync(place, { recursive: true });
  await run('tar', ['-xzf', path.join(folder, filename), '--strip-components=1', '-C', place]);
  fs.symlinkSync(path.join(root, 'node_modules', '@tensorflow'), path.join(folder, 'node_modules', '@tensorflow'));
  const fixtures = path.join(root, '__tests__', 'fixtures', 'keras-3', 'guide-3');
  fs.cpSync(fixtures, path.join(folder, 'model'), { recursive: true });
  const { modelTopology } = JSON.parse(fs.readFileSync(path.join(fixtures, 'model.json'), 'utf8'));
  fs.writeFileSync(path.join(folder, 'topology.json'), JSON.stringify(modelTopology.model_config));
}

/** Runs every block of the README and of the guides as a file of its own in a process of its own. */
await main(() =>
  inTemporaryFolder(async (folder) => {
    await makeProject(folder);
    const failed = [];
    const queue = PAGES.flatMap((page) => modulesOf(page).map((module, number) => ({ page, number, ...module })));
    const count = queue.length;
    const work = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const { page, number, line, code } = next;
        const file = path.join(folder, `${path.basename(page, '.md')}-${number + 1}.mjs`);
        fs.writeFileSync(file, code);
        const args = ['--require', path.join(root, 'scripts', 'node-24.cjs'), file];
        await node(args, { cwd: folder, quiet: true, minutes: 2 }).catch((error) =>
          failed.push(`${page}:${line}: ${error.message}\n${error.output?.slice(-1500)}`),
        );
      }
    };
    await Promise.all([work(), work()]);
    console.log(`${count - failed.length} of ${count} blocks on ${PAGES.length} pages run`);
    if (failed.length > 0) throw new Error(failed.join('\n\n'));
  }),
);
