import { printable } from '../audit/table.js';

/** Input that the command cannot use; the message is the sentence that the user reads. */
export class UnusableInput extends Error {}

const LONGEST = 300;

/** What the JavaScript engine says where a program trusted its input; it means nothing to whoever gave the input. */
const ENGINE =
  /Cannot (read|set|convert|destructure|use|create)|is not (a function|a constructor|iterable|defined)|call stack|Invalid (array|typed array|string) length|Array buffer/;

/** The first sentence or so of what somebody else's error says, fit for a terminal. */
export function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (ENGINE.test(message)) return 'something in it is missing, or not of the kind or size that a layer expects';
  const text = printable(message.split('\n')[0]!.trim()) || 'it did not say why';
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/** A value from a file, as a sentence names it. */
export const shown = (value: unknown): string => {
  const text = printable(JSON.stringify(value) ?? 'nothing');
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};
