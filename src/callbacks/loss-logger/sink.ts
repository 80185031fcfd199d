import type { Format } from './format.js';

/** Where rows go. */
export interface Sink {
  /** Gets ready for a training. Returns the first line of a file's, if it has one, and nothing of a stream. */
  open(format: Format): { firstLine: string | undefined } | undefined;
  /** Rejects where the text could not be written. */
  write(text: string): Promise<void>;
  /** Lets go, also after a training that threw. */
  close(): void;
}
