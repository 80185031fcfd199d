import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Ending } from '../../children/audit-files';

/** Milliseconds until a file is given up, on a machine that is busy with other tests, and until a process is. */
const [LIMIT, START] = [20_000, 60_000];
/** How many files one process audits. */
const BATCH = 100;

/** A file whose audit did not end in time, or took the whole process with it. */
export interface NoEnding {
  file: string;
  why: string;
}

/** How the audit of each file ended. Processes of their own do it, because an endless one can only be killed. */
export async function audited(files: readonly string[]): Promise<Array<Ending | NoEnding>> {
  const endings: Array<Ending | NoEnding> = [];
  while (endings.length < files.length) {
    endings.push(...(await batch(files.slice(endings.length, endings.length + BATCH))));
  }
  return endings;
}

async function batch(files: readonly string[]): Promise<Array<Ending | NoEnding>> {
  const program = ['--expose-gc', '--import', 'tsx', '__tests__/children/audit-files.ts', ...files];
  const child = spawn(process.execPath, program, { stdio: ['ignore', 'pipe', 'inherit'] });
  const endings: Array<Ending | NoEnding> = [];
  let why = 'the process ended';
  const kill = () => {
    why = `not ended after ${LIMIT} ms`;
    child.kill('SIGKILL');
  };
  let timer = setTimeout(kill, START);
  for await (const line of createInterface({ input: child.stdout })) {
    clearTimeout(timer);
    timer = setTimeout(kill, LIMIT);
    const said = JSON.parse(line) as Ending | 'ready';
    if (said !== 'ready') endings.push(said);
  }
  clearTimeout(timer);
  const file = files[endings.length];
  return file === undefined ? endings : [...endings, { file, why }];
}
