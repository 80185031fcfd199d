/**
 * Every optional property of an argument also takes `undefined`, for callers who compile with `exactOptionalPropertyTypes`:
 * `decomposedLoss({ breakdown: isLong ? 'layer' : undefined })`.
 */
import { join } from 'node:path';
import ts from 'typescript';
import { backend } from '../helpers/backend';

const src = join(__dirname, '../../src');
const entryPoints = ['index', 'regularizers', 'gradients', 'charts', 'tfvis', 'tensorboard', 'node', 'keras'].map(
  (name) => join(src, `${name}.ts`),
);

/** The optional properties within a type that do not take `undefined`, by their path; those of other packages left out. */
function refusing(checker: ts.TypeChecker, type: ts.Type, path: string, seen = new Set<ts.Type>()): string[] {
  if (seen.has(type)) return [];
  seen.add(type);
  if (type.isUnionOrIntersection()) return type.types.flatMap((one) => refusing(checker, one, path, seen));
  return type.getProperties().flatMap((property) => {
    const declaration = property.declarations?.[0];
    if (declaration?.getSourceFile().fileName.startsWith(src) !== true) return [];
    const own = checker.getTypeOfSymbol(property);
    const name = `${path}.${property.name}`;
    const isOptional = (property.flags & ts.SymbolFlags.Optional) !== 0;
    // The compiler has another type for what may be missing; only its own identity tells the two apart.
    const takesUndefined = own.isUnion() && own.types.includes(checker.getUndefinedType());
    const refuses = isOptional && !takesUndefined && (own.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) === 0;
    return [...(refuses ? [name] : []), ...refusing(checker, own, name, seen)];
  });
}

const once = backend === 'cpu' ? it : it.skip;

once('takes undefined for every optional property of an argument', () => {
  const { config } = ts.readConfigFile(join(src, '../tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: { compilerOptions: object };
  };
  const compilerOptions = { ...config.compilerOptions, exactOptionalPropertyTypes: true };
  const { options } = ts.parseJsonConfigFileContent({ compilerOptions, files: [] }, ts.sys, join(src, '..'));
  const program = ts.createProgram(entryPoints, options);
  const checker = program.getTypeChecker();
  const checked: string[] = [];
  const found = entryPoints.flatMap((path) =>
    checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(path)!)!).flatMap((exported) => {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      if (symbol.name.endsWith('Args')) {
        checked.push(symbol.name);
        return refusing(checker, checker.getDeclaredTypeOfSymbol(symbol), symbol.name);
      }
      const parameters = checker
        .getTypeOfSymbol(symbol)
        .getCallSignatures()
        .flatMap((one) => one.parameters);
      return parameters.flatMap((parameter) =>
        refusing(checker, checker.getTypeOfSymbol(parameter), `${symbol.name}(${parameter.name})`),
      );
    }),
  );
  expect(checked).toEqual(expect.arrayContaining(['DecomposedLossArgs', 'TrainStepArgs', 'AddWeightDecayArgs']));
  expect([...new Set(found)]).toEqual([]);
});
