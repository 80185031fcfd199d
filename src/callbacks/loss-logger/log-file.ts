/// <reference types="node" />
import { appendFileSync, closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe } from '../../util/arguments.js';
import type { Format } from './format.js';
import type { Sink } from './sink.js';

/** How many bytes are read at once, and how many of a torn line are shown. */
const [CHUNK, SHOWN] = [65_536, 40];
const [QUOTE, LINE_FEED] = ['"', '\n'].map((character) => character.charCodeAt(0)) as [number, number];

const reason = (error: unknown) => (error as Error).message;

/** A file that rows are appended to. Each is with the system when `write` returns, so that others can read it. */
export class LogFile implements Sink {
  readonly #path: string;
  readonly #append: boolean;
  #file: number | undefined;

  constructor(path: string, append: boolean) {
    this.#path = path;
    this.#append = append;
  }

  open(format: Format): { firstLine: string | undefined } {
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
      this.#file = openSync(this.#path, this.#append ? 'a+' : 'w');
    } catch (error) {
      throw new Error(
        `Expected \`path\` to be a file that can be written, got '${this.#path}': ${reason(error)}. Choose another one.`,
        { cause: error },
      );
    }
    const isThere = this.#append && fstatSync(this.#file).isFile();
    return { firstLine: isThere ? this.#resume(this.#file, format) : undefined };
  }

  async write(text: string): Promise<void> {
    try {
      appendFileSync(this.#file!, text);
    } catch (error) {
      throw new Error(
        `Expected to append to '${this.#path}', got: ${reason(error)}. Make room or choose another file; what is there ` +
          'can be resumed.',
        { cause: error },
      );
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  /** Cuts off the last line, and says so, if a crash left it torn, and returns the first one. */
  #resume(file: number, format: Format): string | undefined {
    const { start, firstEnd, lastEnd, size } = scan(file, format.quotesLines);
    if (!start.startsWith(format.start) && !(firstEnd === 0 && format.start.startsWith(start))) {
      throw new Error(
        `Expected '${this.#path}' to be empty or a log that begins with '${format.start}', got ${describe(start)}. ` +
          'Choose another file, the format that it has, or pass {append: false} to overwrite it.',
      );
    }
    if (lastEnd < size) {
      const torn = JSON.stringify(textAt(file, lastEnd, Math.min(size, lastEnd + SHOWN)));
      ftruncateSync(file, lastEnd);
      console.warn(`Cut off the torn last line of '${this.#path}': ${torn}${size - lastEnd > SHOWN ? '…' : ''}.`);
    }
    return firstEnd === 0 ? undefined : textAt(file, 0, firstEnd).trimEnd();
  }
}

function textAt(file: number, from: number, to: number): string {
  const bytes = Buffer.alloc(to - from);
  readSync(file, bytes, 0, to - from, from);
  return bytes.toString('utf8');
}

/** Where the first and the last complete line of a file end, 0 if there is none, and how the file begins. */
function scan(file: number, quotesLines: boolean) {
  const buffer = Buffer.alloc(CHUNK);
  const found = { start: '', firstEnd: 0, lastEnd: 0, size: 0 };
  let isQuoted = false;
  for (let read = 1; read > 0; found.size += read) {
    read = readSync(file, buffer, 0, CHUNK, found.size);
    const chunk = buffer.subarray(0, read);
    if (found.size === 0) found.start = chunk.toString('utf8', 0, 20);
    chunk.forEach((byte, index) => {
      if (byte === QUOTE && quotesLines) isQuoted = !isQuoted;
      if (byte !== LINE_FEED || isQuoted) return;
      found.lastEnd = found.size + index + 1;
      found.firstEnd ||= found.lastEnd;
    });
  }
  return found;
}
