import path from 'node:path';
import { run } from './run.mjs';

/**
 * Runs npm: the one that started us, if one did.
 *
 * @throws Error with the beginning of what npm complains of: its reason comes first, a page of usage may follow.
 */
export async function npm(args) {
  const starter = process.env.npm_execpath ?? '';
  const [command, ...first] = path.basename(starter) === 'npm-cli.js' ? [process.execPath, starter] : ['npm'];
  try {
    await run(command, [...first, ...args], { minutes: 20, shell: command === 'npm' && process.platform === 'win32' });
  } catch (error) {
    const complaint = (error.output ?? '').split('\n').filter((line) => line.startsWith('npm error'));
    const got = complaint.slice(0, 12).join('\n') || error.message;
    const message = `Expected \`npm ${args[0]}\` to succeed, got:\n${got}\nPut that right and run the same again.`;
    throw new Error(message, { cause: error });
  }
}
