import fs from 'node:fs';
import path from 'node:path';
import { root, run } from '../helpers.mjs';
import { say } from './cache.mjs';

const compiler = process.env.CXX || 'g++';
const LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];

/** Whatever Python runs pip, the wheel is the one for 3.11: its libraries do not depend on Python. */
const PIP = [
  '-m pip install --disable-pip-version-check --root-user-action=ignore --no-deps --no-compile',
  '--require-hashes --only-binary=:all:',
  '--python-version 3.11 --implementation cp --abi cp311 --platform manylinux_2_27_x86_64',
  '--requirement scripts/setup/tensorflow-cpu.txt --target',
].flatMap((options) => options.split(' '));

/** Before anything is downloaded: whether this machine can use it. */
async function checkMachine() {
  // Without this, the report may wait for name servers.
  process.report.excludeNetwork = true;
  // The report has no glibc version where the C library is another, as on Alpine.
  if (
    process.platform !== 'linux' ||
    process.arch !== 'x64' ||
    !process.report.getReport().header.glibcVersionRuntime
  ) {
    throw new Error(`Expected Linux with glibc on x64, got ${process.platform} on ${process.arch}.`);
  }
  await run('python3', ['-m', 'pip', '--version'], { quiet: true });
  await run(compiler, ['--version'], { quiet: true });
}

/**
 * Builds tfjs-node's binding against the TensorFlow libraries in PyPI's wheel. It uses only TensorFlow's C API and
 * Node-API, both stable across versions: one build serves every Node, and TensorFlow 2.21 serves in place of the 2.9.1
 * that tfjs-node was made with.
 *
 * @param {string} folder - Gets `lib` and `deps/lib`, to be linked into the package.
 * @param {string} sources - The folder of the binding's source.
 */
export async function buildFromWheel(folder, sources) {
  await checkMachine();
  const wheel = path.join(folder, 'wheel');
  say("tfjs-node: downloading TensorFlow's wheel from PyPI with pip (274 MB), which unpacks to 1.2 GB");
  await run('python3', [...PIP, wheel], { stdio: ['ignore', 2, 2] });
  say('tfjs-node: compiling its binding (about half a minute)');
  const [binding, libraries] = [path.join(folder, 'lib', 'napi-v8'), path.join(folder, 'deps', 'lib')];
  fs.mkdirSync(binding, { recursive: true });
  fs.mkdirSync(libraries, { recursive: true });
  for (const name of LIBRARIES) fs.renameSync(path.join(wheel, 'tensorflow', name), path.join(libraries, name));
  const args = [
    ...['-shared', '-fPIC', '-O2', '-std=c++17', '-DNAPI_VERSION=8', '-o', path.join(binding, 'tfjs_binding.node')],
    ...['-I', path.join(root, 'node_modules', 'node-api-headers', 'include')],
    ...['-I', path.join(wheel, 'tensorflow', 'include')],
    ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => path.join(sources, name)),
    ...LIBRARIES.map((name) => path.join(libraries, name)),
    '-Wl,-rpath,$ORIGIN/../../deps/lib',
  ];
  await run(compiler, args, { quiet: true });
  await fs.promises.rm(wheel, { recursive: true });
}
