import type { Sink } from './sink.js';

/** What is needed of a stream that rows are written to: `process.stdout`, a socket, a `fs.WriteStream`, …. */
export interface LogStream {
  /** Whether it takes text still. */
  readonly writable: boolean;
  /** Calls `done` when the text is on its way, or could not be written. */
  write(text: string, done: (error?: Error | null) => void): unknown;
  /** Listens for an error. */
  on(event: 'error', listener: (error: Error) => void): unknown;
  /** Listens no longer. */
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
