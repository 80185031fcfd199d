/// <reference types="node" />
import { appendFileSync, closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { shared } from '../../host/patch.js';
import { describe } from '../../util/arguments.js';
import type { Format } from './formats.js';

/** Where rows go. */
export interface Sink {
  /**
   * Gets ready for a training. Returns the first line of a file's, if it has one, and nothing of a stream.
   *
   * @param goesOn - Whether the training goes on with the last one's rows.
   */
  open(format: Format, goesOn: boolean): { firstLine: string | undefined } | undefined;
  /** Rejects where the text could not be written. */
  write(text: string): Promise<void>;
  /** Lets go, also after a training that threw. */
  close(): void;
}

/** How many bytes are read at once, and how many of a torn line are shown. */
const [CHUNK, SHOWN] = [65_536, 40];
const [QUOTE, LINE_FEED] = ['"', '\n'].map((character) => character.charCodeAt(0)) as [number, number];

/** The files that are logged to now, whatever path leads to them. */
const openFiles = shared('log-files', () => new Set<string>());

const reason = (error: unknown) => (error as Error).message;

/** A file that rows are appended to. Each is with the system when `write` returns, so that others can read it. */
export class LogFile implements Sink {
  readonly #path: string;
  readonly #append: boolean;
  #file: number | undefined;
  #id: string | undefined;

  constructor(path: string, append: boolean) {
    this.#path = path;
    this.#append = append;
  }

  open(format: Format, goesOn: boolean): { firstLine: string | undefined } {
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
      this.#file = openSync(this.#path, 'a+');
    } catch (error) {
      throw new Error(
        `Expected \`path\` to be a file that can be written, got '${this.#path}': ${reason(error)}. Choose another one.`,
        { cause: error },
      );
    }
    const { dev, ino } = fstatSync(this.#file, { bigint: true });
    const isFile = fstatSync(this.#file).isFile();
    if (isFile) this.#claim(`${dev}:${ino}`);
    if (isFile && !this.#append && !goesOn) ftruncateSync(this.#file);
    return { firstLine: isFile ? this.#resume(this.#file, format) : undefined };
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
    if (this.#id !== undefined) openFiles.delete(this.#id);
    this.#file = this.#id = undefined;
  }

  #claim(id: string): void {
    if (openFiles.has(id)) {
      throw new Error(
        `Expected each \`lossLogger\` to have its own file, got '${this.#path}', which another one writes in a training that ` +
          'runs now. Choose another file.',
      );
    }
    openFiles.add(id);
    this.#id = id;
  }

  /** Ends or cuts off the last line, and says so, if a crash left it without a line end, and returns the first one. */
  #resume(file: number, format: Format): string | undefined {
    const { start, firstEnd, lastEnd, size } = scan(file, format.quotesLines);
    if (!start.startsWith(format.start) && !(firstEnd === 0 && format.start.startsWith(start))) {
      throw new Error(
        `Expected '${this.#path}' to be empty or a log that begins with '${format.start}', got ${describe(start)}. ` +
          'Choose another file, the format that it has, or pass {append: false} to overwrite it.',
      );
    }
    const firstLine = firstEnd === 0 ? undefined : textAt(file, 0, firstEnd).trimEnd();
    if (lastEnd === size) return firstLine;
    const rest = textAt(file, lastEnd, Math.min(size, lastEnd + CHUNK));
    const shown = `${JSON.stringify(rest.slice(0, SHOWN))}${rest.length > SHOWN ? '…' : ''}`;
    if (size - lastEnd < CHUNK && format.isRow(rest, firstLine ?? '')) {
      appendFileSync(file, '\n');
      console.warn(`Ended the last line of '${this.#path}', a whole row without a line end: ${shown}.`);
      return firstLine ?? rest.trimEnd();
    }
    ftruncateSync(file, lastEnd);
    console.warn(`Cut off the torn last line of '${this.#path}': ${shown}.`);
    return firstLine;
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

/** What a stream for rows must have: `process.stdout`, a socket, a `fs.WriteStream`, … */
export interface LogStream {
  /** Whether it still takes text. */
  readonly writable: boolean;
  /** Calls `done` when the text is on its way, or could not be written. */
  write(text: string, done: (error?: Error | null) => void): unknown;
  /** Listens for an error. */
  on(event: 'error', listener: (error: Error) => void): unknown;
  /** Stops listening. */
  off(event: 'error', listener: (error: Error) => void): unknown;
}

/** A stream of the user's, who also ends it. Training waits until it has taken each row. */
export class LogStreamSink implements Sink {
  readonly #stream: LogStream;
  readonly #fail = (error: Error) => void (this.#failure ??= error);
  #failure: Error | undefined;

  constructor(stream: LogStream) {
    this.#stream = stream;
  }

  open(): undefined {
    if (!this.#stream.writable) {
      throw new Error(
        'Expected the stream of `lossLogger` to be writable, got one that has ended or was destroyed. Pass an open one.',
      );
    }
    this.#stream.on('error', this.#fail);
  }

  async write(text: string): Promise<void> {
    if (this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#stream.write(text, (error) => {
          if (error) this.#fail(error);
          resolve();
        });
      });
    }
    if (this.#failure !== undefined) {
      throw new Error(
        `Expected the stream of \`lossLogger\` to take a row, got: ${this.#failure.message}. Look after what reads it.`,
        { cause: this.#failure },
      );
    }
  }

  close(): void {
    // A stream that failed may still say so, and a process dies of an error that nobody listens to.
    if (this.#failure === undefined) this.#stream.off('error', this.#fail);
  }
}
