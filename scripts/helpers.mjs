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
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', output, output],
    timeout: minutes * 60_000,
    ...options,
  });
  let written = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text) => (written += text));
  const [code, signal] = await once(child, 'close');
  if (code === 0) return written;
  const line = written.split('\n').find((text) => /error:/i.test(text)) ?? written.trim().split('\n').at(-1);
  const got = [signal ? `the signal ${signal}` : `the exit code ${code}`, line.trim().slice(0, 300)]
    .filter(Boolean)
    .join(': ');
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

/**
 * The peers that are TensorFlow.js itself, and the oldest version of them that package.json allows.
 *
 * @throws Error if their ranges differ or have another form than `^1.2.3`.
 */
export function peers() {
  const { peerDependencies } = readJson('package.json');
  const names = Object.keys(peerDependencies).filter((name) => /^@tensorflow\/tfjs(-core|-layers)?$/.test(name));
  const ranges = [...new Set(names.map((name) => peerDependencies[name]))];
  const oldest = ranges.length === 1 && /^\^(\d+\.\d+\.\d+)$/.exec(ranges[0])?.[1];
  if (oldest) return { names, oldest };
  throw new Error(`Expected one range such as ^4.0.0 for ${names.join(', ')}, got ${ranges.join(' and ')}.`);
}
