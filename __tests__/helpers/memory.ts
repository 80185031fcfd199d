import { tf } from './backend';

/** How many tensors more there are after an action than before it; the action may throw. */
export async function tensorsLeftBy(action: () => Promise<unknown>): Promise<number> {
  const before = tf.memory().numTensors;
  await action().catch(() => undefined);
  return tf.memory().numTensors - before;
}
