import fs from 'node:fs';
import path from 'node:path';
import { transformSync } from 'esbuild';

/** The names of values, not types, that a file which only exports from others exports. */
export function publicNames(file) {
  const code = fs.readFileSync(file, 'utf8');
  return Array.from(code.matchAll(/^export \{([^}]*)\}/gm)).flatMap(([, names]) => split(names));
}

const split = (names) =>
  names
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && !name.startsWith('type '));

/** What a TypeScript file imports at run time: the names, and the module as it is written. */
export function importsOf(file) {
  const { code } = transformSync(fs.readFileSync(file, 'utf8'), { loader: 'ts', format: 'esm' });
  return Array.from(code.matchAll(/^import \{([^}]*)\} from "([^"]*)";$/gm)).map(([, names, module]) => ({
    names: split(names).map((name) => name.split(' as ')[0]),
    module,
  }));
}

/** The names of the values that a file itself declares and exports. */
export function declaredNames(file) {
  const code = fs.readFileSync(file, 'utf8');
  return Array.from(code.matchAll(/^export (?:async )?(?:function\*?|class|const|let) ([\w$]+)/gm), ([, name]) => name);
}

/**
 * The file that declares a name.
 *
 * @param {string} file - It, or one that hands it on with `export *`.
 * @throws Error if there is none.
 */
export function declaringFile(file, name) {
  if (declaredNames(file).includes(name)) return file;
  const code = fs.readFileSync(file, 'utf8');
  const others = Array.from(code.matchAll(/^export \* from '(.*)';$/gm), ([, module]) => sourceFile(file, module));
  const found = others.find((other) => declaredNames(other).includes(name));
  if (found) return found;
  throw new Error(`Expected ${path.basename(file)} to declare \`${name}\`, or to hand it on with \`export *\`.`);
}

/** The file behind a relative import of a source file: `./a.js` is `a.ts`. */
export const sourceFile = (importer, module) => path.resolve(path.dirname(importer), module.replace(/\.js$/, '.ts'));
