import fs from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { inTemporaryFolder, main, node, npm, root, run } from './helpers.mjs';
import { readFinding } from './setup/tfjs-node.mjs';

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

const CAST_NEEDED = /\b(apply|predict|arraySync|tf\.variableGrads|(optimizer|forD|forG)\.minimize)\(/;

/**
 * Checks the types of files against those that the package ships, as an editor does in JavaScript.
 *
 * @throws Error that lists what is wrong, but for lines where only a cast would help: where TensorFlow.js itself returns a union, or
 *   asks for the scalar that the types of its own losses do not promise.
 */
function checkTypes(files) {
  const program = ts.createProgram(files, {
    ...{ allowJs: true, checkJs: true, strict: true, noImplicitAny: false, noEmit: true, skipLibCheck: true },
    ...{ module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022 },
    ...{ types: ['node'], typeRoots: [path.join(root, 'node_modules', '@types')] },
  });
  const wrong = ts.getPreEmitDiagnostics(program).flatMap(({ file, start, messageText }) => {
    const { line } = file.getLineAndCharacterOfPosition(start);
    const code = file.text.split('\n')[line];
    const text = `${path.basename(file.fileName)}: ${code.trim()}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    return CAST_NEEDED.test(code) ? [] : [text];
  });
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
}

/**
 * Runs every block of the README and of the guides as a file of its own in a process of its own, those of the README on
 * tfjs-node too, and checks the types of all.
 */
await main(() =>
  inTemporaryFolder(async (folder) => {
    await makeProject(folder);
    const blocks = PAGES.flatMap((page) =>
      modulesOf(page).map((block, number) => ({ ...block, page, name: `${path.basename(page, '.md')}-${number + 1}` })),
    );
    const onNode = blocks
      .filter(({ page }) => page === 'README.md' && readFinding()?.usable)
      .map(({ code, name, ...block }) => {
        return {
          ...block,
          name: `${name}-node`,
          code: code.replaceAll("'@tensorflow/tfjs'", "'@tensorflow/tfjs-node'"),
        };
      });
    const all = [...blocks, ...onNode];
    for (const { name, code } of all) fs.writeFileSync(path.join(folder, `${name}.mjs`), code);
    const failed = [];
    const attempt = (what, run) =>
      run.catch((error) => failed.push(`${what}: ${error.message}\n${error.output?.slice(-1500)}`));
    const queue = [...all];
    const work = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const args = ['--require', path.join(root, 'scripts', 'node-24.cjs'), path.join(folder, `${next.name}.mjs`)];
        await attempt(`${next.page}:${next.line}`, node(args, { cwd: folder, quiet: true, minutes: 2 }));
      }
    };
    await Promise.all([work(), work()]);
    const files = blocks.map(({ name }) => path.join(folder, `${name}.mjs`));
    await attempt('types', Promise.resolve(files).then(checkTypes));
    if (failed.length > 0) throw new Error(failed.join('\n\n'));
    console.log(
      `${blocks.length} blocks on ${PAGES.length} pages run and have the right types; ${onNode.length} run on tfjs-node too`,
    );
  }),
);
