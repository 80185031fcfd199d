import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { backend } from '../helpers/backend';

const root = join(__dirname, '../..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocks = Array.from(readme.matchAll(/^```js\n([^]*?)^```/gm), ([, code]) => code!);

/** What the recipes take for given, as `readme.test.ts` gives it to them. */
const given = `
import * as tfjs from '@tensorflow/tfjs-node';
import * as library from 'tfjs-decomposed-loss';
declare global {
  const tf: typeof tfjs;
  const decomposedLoss: typeof library.decomposedLoss;
  const model: tfjs.Sequential;
  const x: tfjs.Tensor, y: tfjs.Tensor, sampleWeight: tfjs.Tensor;
  const dataset: tfjs.data.Dataset<tfjs.TensorContainer>;
}`;

/** A block as a module: the compiler knows the types of what is imported, not of what is required. */
const asModule = (code: string): string =>
  `${code
    .replace(/^const (\{[^}]*\}) = require\(('[^']*')\);/gm, 'import $1 from $2;')
    .replace(/^const (\w+) = require\(('[^']*')\);/gm, 'import * as $1 from $2;')}\nexport {};\n`;

const once = backend === 'cpu' ? it : it.skip;

once('compiles, with the types that the package ships', () => {
  const files = new Map([
    [join(root, 'given.d.ts'), given],
    ...blocks.map((code, index) => [join(root, `readme-${index}.ts`), asModule(code)] as const),
  ]);
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.parseJsonConfigFileContent(
    {
      compilerOptions: { ...config.compilerOptions, strict: false, noUnusedLocals: false, noUnusedParameters: false },
      files: [],
    },
    ts.sys,
    root,
  );
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => files.get(path) ?? readFile(path);
  host.getSourceFile = (path, ...rest) => {
    const code = files.get(path);
    return code === undefined ? getSourceFile(path, ...rest) : ts.createSourceFile(path, code, ts.ScriptTarget.ES2022);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  const errors = [...files.keys()].flatMap((path) =>
    ts.getPreEmitDiagnostics(program, program.getSourceFile(path)).map(({ messageText, start, file }) => {
      const line = file?.text.slice(0, start).split('\n').length;
      return `${path.split('/').pop()!}:${line} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    }),
  );
  expect(errors).toEqual([]);
});
