import { spawnSync } from 'node:child_process';
import { root } from '../setup/stamp.cjs';

/**
 * Runs Node on a script with this process's output.
 *
 * @param {readonly string[]} args - The script and its arguments; Node's own options may stand before it.
 * @param {{ node?: string, cwd?: string, env?: Record<string, string>, minutes?: number }} [options] - `minutes` is the
 *   time after which it is ended.
 * @throws Error if it does not end with 0.
 */
export function runNode(args, { node = process.execPath, cwd = root, env = {}, minutes = 10 } = {}) {
  const { status, signal, error } = spawnSync(node, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: minutes * 60_000,
  });
  if (status === 0) return;
  const got = error?.message ?? (signal ? `the signal ${signal}` : `the exit code ${status}`);
  throw new Error(`Expected \`node ${args.join(' ')}\` to succeed, got ${got}. What it printed stands above.`);
}

/** Runs a script's main function; what it throws becomes one message and the exit code 1. */
export async function main(work) {
  try {
    await work();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
