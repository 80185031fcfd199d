import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { place } from './cache.mjs';
import { step } from './report.mjs';
import { run } from './run.mjs';
import { packageFolder, root } from './stamp.cjs';

const requirement = path.join(root, 'scripts', 'setup', 'tensorflow-cpu.txt');
const nodeApiHeaders = path.join(root, 'node_modules', 'node-api-headers', 'include');
const compiler = process.env.CXX || 'g++';
/** Whatever Python runs pip, the wheel is the one for 3.11: its libraries have nothing to do with Python. */
const pipDownload = [
  '-m pip download --disable-pip-version-check --no-deps --require-hashes --only-binary=:all:',
  '--python-version 3.11 --implementation cp --abi cp311 --platform manylinux_2_27_x86_64',
].flatMap((options) => options.split(' '));

const works = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** What this machine lacks for building from the wheel, in words, or undefined. */
function obstacle() {
  // Without this, the report may wait for name servers.
  process.report.excludeNetwork = true;
  // It has no glibc version where the C library is another, as on Alpine.
  const glibc = process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime !== undefined;
  if (!glibc || process.arch !== 'x64') {
    const here = `${process.platform} on ${process.arch}${glibc ? '' : ', without glibc'}`;
    return `TensorFlow's wheel is for Linux with glibc on x64, and this is ${here}`;
  }
  const missing = [];
  if (!works('python3', ['--version'])) missing.push('Python 3 (`python3`)');
  else if (!works('python3', ['-m', 'pip', '--version'])) missing.push('pip (`python3 -m pip`)');
  if (!works(compiler, ['--version'])) missing.push(`a C++ compiler (\`${compiler}\`)`);
  if (!existsSync(nodeApiHeaders)) missing.push('the npm package `node-api-headers`');
  return missing.length === 0 ? undefined : `it needs ${missing.join(' and ')}, not found here`;
}

/**
 * Builds tfjs-node's binding against the TensorFlow libraries that PyPI's wheel contains. It uses no more than
 * TensorFlow's C API and Node-API, which are both stable across versions: hence one build serves every Node, and 2.21
 * stands in for the 2.9.1 that tfjs-node was made with.
 *
 * @param {string} work - An empty folder. Afterwards its `built` has `lib` and `deps/lib`, to be put into the package.
 * @returns {Promise<string>} The path of `built`.
 */
export async function buildFromWheel(work) {
  const problem = obstacle();
  if (problem !== undefined) throw new Error(problem);
  await step("tfjs-node: downloading TensorFlow's wheel from PyPI with pip (274 MB, minutes on a slow line)", () =>
    run('python3', [...pipDownload, '--requirement', requirement, '--dest', work], { minutes: 20 }),
  );
  const wheel = (await fs.readdir(work)).find((name) => name.endsWith('.whl'));
  await step('tfjs-node: unpacking the libraries (853 MB)', () =>
    run('python3', [path.join(root, 'scripts', 'setup', 'unpack-wheel.py'), path.join(work, wheel), work]),
  );
  const built = path.join(work, 'built');
  const libraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];
  for (const name of libraries) await place(path.join(work, 'tensorflow', name), path.join(built, 'deps', 'lib', name));
  const binding = path.join(built, 'lib', 'napi-v8', 'tfjs_binding.node');
  await fs.mkdir(path.dirname(binding), { recursive: true });
  await step('tfjs-node: compiling its binding (ten seconds or more)', () =>
    run(compiler, [
      ...['-shared', '-fPIC', '-O2', '-std=c++17', '-DNAPI_VERSION=8', '-o', binding],
      ...['-I', nodeApiHeaders, '-I', path.join(work, 'tensorflow', 'include')],
      ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => path.join(packageFolder, 'binding', name)),
      ...libraries.map((name) => path.join(built, 'deps', 'lib', name)),
      '-Wl,-rpath,$ORIGIN/../../deps/lib',
    ]),
  );
  return built;
}
