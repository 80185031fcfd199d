/** Audits files one after the other as the command does, and says of each how it ended, in one line of JSON. */
import { existsSync, readFileSync, statSync, writeSync } from 'node:fs';
import { main } from '../../src/cli/main';

export interface Ending {
  file: string;
  code: number;
  out: string;
  err: string;
  /** Of the processor, whatever else it does meanwhile. */
  milliseconds: number;
  /** The most memory that this process has used by now. */
  megabytes: number;
}

/** What Linux says of the program that runs; `maxRSS` there is also that of the process it was forked from. */
function mostMegabytes(): number {
  const status = '/proc/self/status';
  const peak = existsSync(status) && /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(status, 'utf8'))?.[1];
  return (peak ? Number(peak) : process.resourceUsage().maxRSS) / 1024;
}

async function audit(file: string): Promise<Ending> {
  // What the files before left is not this one's.
  if (statSync(file).size > 2 ** 20) globalThis.gc?.();
  let [out, err] = ['', ''];
  const start = process.cpuUsage();
  const argv = ['audit', file, ...(file.endsWith('7') ? [] : ['--json'])];
  const code = await main(argv, { out: (text) => (out += text), err: (text) => (err += text) });
  const { user, system } = process.cpuUsage(start);
  const milliseconds = (user + system) / 1000;
  return { file, code, out, err, milliseconds, megabytes: mostMegabytes() };
}

async function run(files: readonly string[]): Promise<void> {
  await main(['audit', ''], { out: () => {}, err: () => {} });
  writeSync(1, '"ready"\n');
  for (const file of files) writeSync(1, `${JSON.stringify(await audit(file))}\n`);
}

void run(process.argv.slice(2));
