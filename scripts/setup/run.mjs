import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { root } from './stamp.cjs';

const windows = process.platform === 'win32';
const running = new Set();

/** Children lead process groups, so that what they started ends with them; hence Ctrl-C must be passed on. */
function end(child) {
  try {
    if (windows) child.kill();
    else process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    running.forEach(end);
    process.exit(128 + constants.signals[signal]);
  });
}

/** The line of a program's output that says what went wrong. */
function shortReason(output) {
  const lines = output.split('\n').map((line) => line.trim());
  const line = lines.find((text) => /error: /i.test(text)) ?? lines.filter(Boolean).at(-1) ?? 'no output';
  return line.replace(/^Error: /, '').slice(0, 300);
}

/**
 * Runs a program with its output captured.
 *
 * @param {{ cwd?: string, env?: Record<string, string>, shell?: boolean, minutes?: number }} [options] - `minutes` is
 *   the time after which it is ended, with all that it started.
 * @returns {Promise<string>} Its output, both streams together.
 * @throws Error with a short reason as `message` and the whole `output`.
 */
export function run(command, args, { cwd = root, env = {}, shell = false, minutes = 10 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      shell,
      env: { ...process.env, ...env },
      detached: !windows,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let late = false;
    running.add(child);
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (output += text));
    const timer = setTimeout(() => {
      late = true;
      end(child);
    }, minutes * 60_000);
    const settle = (message) => {
      clearTimeout(timer);
      running.delete(child);
      if (message === undefined) resolve(output);
      else reject(Object.assign(new Error(message), { output }));
    };
    child.on('error', (error) => settle(error.code === 'ENOENT' ? `\`${command}\` was not found` : error.message));
    child.on('close', (code, signal) => {
      if (code === 0) settle();
      else if (late) settle(`not finished after ${minutes} minutes`);
      else settle(signal ? `ended by ${signal}` : shortReason(output));
    });
  });
}
