import fs from 'node:fs';
import path from 'node:path';
import { root, run } from '../helpers.mjs';
import { say } from './cache.mjs';

const compiler = process.env.CXX || 'g++';
const LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];

/** Whatever Python runs pip, the wheel is the one for 3.11: its libraries do not depend on Python. */
const DOWNLOAD = [
  '-m pip download --disable-pip-version-check --no-deps --require-hashes --only-binary=:all:',
  '--python-version 3.11 --implementation cp --abi cp311 --platform manylinux_2_27_x86_64',
  '--requirement scripts/setup/tensorflow-cpu.txt --dest',
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
  for (const [command, ...args] of [['python3', '-m', 'pip'], [compiler]]) {
    await run(command, [...args, '--version'], { quiet: true });
  }
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
  const work = path.join(folder, 'wheel');
  say("tfjs-node: downloading TensorFlow's wheel from PyPI with pip (274 MB)");
  await run('python3', [...DOWNLOAD, work], { stdio: ['ignore', 2, 2] });
  say('tfjs-node: unpacking the libraries (853 MB) and compiling the binding (about half a minute)');
  await run('python3', ['scripts/setup/unpack-wheel.py', work], { quiet: true });
  const inDeps = (name) => path.join(folder, 'deps', 'lib', name);
  fs.mkdirSync(inDeps('.'), { recursive: true });
  for (const name of LIBRARIES) fs.renameSync(path.join(work, 'tensorflow', name), inDeps(name));
  const binding = path.join(folder, 'lib', 'napi-v8', 'tfjs_binding.node');
  fs.mkdirSync(path.dirname(binding), { recursive: true });
  await run(
    compiler,
    [
      ...['-shared', '-fPIC', '-O2', '-std=c++17', '-DNAPI_VERSION=8', '-o', binding],
      ...['-I', path.join(root, 'node_modules', 'node-api-headers', 'include')],
      ...['-I', path.join(work, 'tensorflow', 'include')],
      ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => path.join(sources, name)),
      ...LIBRARIES.map(inDeps),
      '-Wl,-rpath,$ORIGIN/../../deps/lib',
    ],
    { quiet: true },
  );
  fs.rmSync(work, { recursive: true });
}
