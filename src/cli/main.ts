/// <reference types="node" />
import { parseArgs } from 'node:util';
import { printable } from '../audit/report.js';
import { UnusableInput, reason } from './unusable.js';

const USAGE = `Usage: tfjs-decomposed-loss audit path/to/model.json [--json]

Shows where the regularizers of a saved TensorFlow.js layers model do not do what they look as if they did. Reads the
topology alone, also of Keras's \`model.to_json()\`; files of weights are not needed.

  --json   the report as JSON; without weights, penalties have no value
  --help   this text

Exit code: 0 if there is no warning (findings for information alone count as clean), 1 if there are warnings, 2 if the
file cannot be used.
`;

/** Where the command writes. */
export interface CommandOutput {
  out: (text: string) => void;
  err: (text: string) => void;
}

/**
 * Runs the command.
 *
 * @param argv - The arguments after the command's name.
 * @returns The exit code: 0 without warnings, 1 with, 2 for unusable input, about which one sentence goes to `err`.
 */
export async function main(argv: readonly string[], output: CommandOutput): Promise<number> {
  const out = (text: string): void => output.out(forTerminal(text));
  const err = (text: string): void => output.err(forTerminal(text));
  const warn = console.warn;
  console.warn = () => {};
  try {
    const { values, positionals } = parse(argv);
    if (values.help === true) {
      out(USAGE);
      return 0;
    }
    const [command, path, ...others] = positionals;
    if (command !== 'audit' || path === undefined || others.length > 0) throw new UnusableInput(USAGE.trimEnd());
    await loadTensorFlow();
    const { auditSavedModel } = await import('./audit-command.js');
    const audit = await auditSavedModel(path);
    out(`${values.json === true ? JSON.stringify(audit, null, 2) : audit.toString()}\n`);
    return audit.warnings === 0 ? 0 : 1;
  } catch (error) {
    err(`${error instanceof UnusableInput ? error.message : `The audit failed: ${reason(error)}`}\n`);
    return 2;
  } finally {
    console.warn = warn;
  }
}

/** Names and paths come from strangers. What they hold in a report of JSON stays what it is: these are JSON's escapes. */
const forTerminal = (text: string): string => text.split('\n').map(printable).join('\n');

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    throw new UnusableInput(`${reason(error)}\n\n${USAGE.trimEnd()}`);
  }
}

/**
 * Loads TensorFlow.js with its own CPU backend, which needs nothing but JavaScript.
 *
 * @throws UnusableInput if it is not installed.
 */
async function loadTensorFlow(): Promise<void> {
  const tf = await import('@tensorflow/tfjs').catch((error: unknown) => {
    throw new UnusableInput(
      `Expected @tensorflow/tfjs to be installed, and it does not load: ${reason(error)}. ` +
        'Run `npm install @tensorflow/tfjs`.',
    );
  });
  await tf.setBackend('cpu');
  await tf.ready();
}
