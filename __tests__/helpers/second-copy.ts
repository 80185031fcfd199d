/**
 * A module of this library loaded afresh, over the same TensorFlow.js: as its ESM and its CommonJS build, or a bundle of it,
 * meet in one program.
 *
 * @param path - As a test imports it: `'tfjs-decomposed-loss'`, or from this folder.
 */
export function secondCopy(path: string): unknown {
  const shared = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-layers'].map(
    (name) => [name, jest.requireActual<object>(name)] as const,
  );
  let copy: unknown;
  jest.isolateModules(() => {
    shared.forEach(([name, actual]) => jest.doMock(name, () => actual));
    copy = jest.requireActual(path);
  });
  shared.forEach(([name]) => jest.dontMock(name));
  return copy;
}
