import { tf } from './backend';

/** How many tensors more there are after an action than before it. */
export async function tensorsLeftBy(action: () => Promise<unknown>): Promise<number> {
  const before = tf.memory().numTensors;
  await action();
  return tf.memory().numTensors - before;
}

/** The same of an action that fails. */
export const tensorsLeftByFailing = (action: () => Promise<unknown>): Promise<number> =>
  tensorsLeftBy(() => expect(action()).rejects.toThrow());
