import { keep, tidy, type Scalar, type Tensor } from '@tensorflow/tfjs-core';

/** tfjs-node's writer of event files, by what is needed of it. */
export interface SummaryWriter {
  /** Adds one value to the chart `tag`. */
  scalar(tag: string, value: number | Scalar, step: number): void;
  /** Hands what was added to the operating system. */
  flush(): void;
}

/**
 * Opens a writer of event files without the four tensors that tfjs-node does not dispose. The handle of the writer stays: it
 * belongs to tfjs-node, which keeps one writer a folder, and its file open, until the process ends.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-node/src/tensorboard.ts#L134-L145 | summaryFileWriter}
 * @see {@link https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-node/src/nodejs_kernel_backend.ts#L517-L527 | createSummaryFileWriter}
 */
export function withoutLeftovers<W extends SummaryWriter>(open: () => W): W {
  const opened: W[] = [];
  tidy(() => {
    const writer = open();
    if ('resourceHandle' in writer) keep(writer.resourceHandle as Tensor);
    opened.push(writer);
  });
  return opened[0]!;
}
