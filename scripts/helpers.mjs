import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '..');

export const readJson = (...names) => JSON.parse(fs.readFileSync(path.resolve(root, ...names), 'utf8'));

/**
 * Runs a program in the repository, with this process's output.
 *
 * @param {{ quiet?: boolean, minutes?: number } & import('node:child_process').SpawnOptions} [options] - `quiet`: its
 *   output is returned instead. `minutes`: the time after which it is ended.
 * @throws Error if it does not end with 0; `output` is what it wrote where that was not shown.
 */
export async function run(command, args, { quiet = false, minutes = 20, ...options } = {}) {
  const output = quiet ? 'pipe' : 'inherit';
  const stdio = ['ignore', output, output];
  const child = spawn(command, args, { cwd: root, stdio, signal: AbortSignal.timeout(minutes * 60_000), ...options });
  let written = '';
  const listen = (stream) => stream?.setEncoding('utf8').on('data', (text) => (written += text));
  [child.stdout, child.stderr].forEach(listen);
  const [code, signal] = await once(child, 'close').catch(({ cause, message }) => [null, cause?.message ?? message]);
  if (code === 0) return written;
  const line = written.split('\n').find((text) => /error:/i.test(text)) ?? written.trim().split('\n').at(-1);
  const got = [signal ?? `the exit code ${code}`, line.trim().slice(0, 300)].filter(Boolean).join(': ');
  const error = new Error(`Expected \`${[command, ...args].join(' ')}\` to succeed, got ${got}.`);
  throw Object.assign(error, { output: written });
}

export const node = (args, options) => run(process.execPath, args, options);

export const npm = (args, options) => run('npm', args, { shell: process.platform === 'win32', ...options });

/** Runs a program that npm has installed here. */
export const bin = (name, args, options) => npm(['exec', '--no', '--', name, ...args], options);

/** Runs a script's main function; what it throws becomes one message and the exit code 1. */
export async function main(work) {
  try {
    await work();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}

/** Calls `work` with the path of an empty folder, which is removed afterwards. */
export async function inTemporaryFolder(work) {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'tfjs-decomposed-loss-'));
  try {
    return await work(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Installs packages into an empty project, as an app would outside of this repository. */
export const installInto = (folder, packages) =>
  npm(['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', ...packages]);

/** The oldest TensorFlow.js that the peer range allows. */
export const oldestTfjs = () => readJson('package.json').peerDependencies['@tensorflow/tfjs'].match(/\d+\.\d+\.\d+/)[0];
