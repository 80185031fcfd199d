import { printable } from '../audit/report.js';

/** Input that the command cannot use; the message is the sentence that the user reads. */
export class UnusableInput extends Error {}

const LONGEST = 300;

/** What the JavaScript engine says where a program trusted its input; it means nothing to whoever gave the input. */
const ENGINE =
  /Cannot (read|set|assign|convert|destructure|use|create)|is not (a function|a constructor|iterable|defined)|call stack|Invalid (array|typed array|string|count)|Array buffer|private (member|field)|in operator|'in' operator/;

/** The first sentence or so of what somebody else's error says, fit for a terminal. */
export function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (ENGINE.test(message)) return 'something in it is missing, or not of the kind or size that a layer expects';
  const line = message.split('\n', 1)[0]!.trim();
  const sentence = line
    .replace(/ This may be due to one of the following reasons:$/, '')
    .replace(/[^.]*\[object [^.]*(\.|$)/g, '')
    .replace(/[.\s]+$/, '');
  return cut(printable(sentence), LONGEST) || 'it did not say why';
}

/** A value from a file, as a sentence names it. */
export const shown = (value: unknown): string => cut(printable(JSON.stringify(value) ?? 'nothing'), 60);

/** The name of a layer from a file, in backticks. */
export const named = (name: unknown): string =>
  typeof name === 'string' ? `\`${cut(printable(name), 60)}\`` : shown(name);

const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length)}…` : text);
