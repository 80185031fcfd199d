import fc from 'fast-check';

declare global {
  // eslint-disable-next-line @typescript-eslint/no-namespace -- how jest's matchers are extended
  namespace jest {
    interface Matchers<R> {
      /** Within `tolerance` of the expected number, times that number where it is greater than 1: float32 is relative. */
      toBeNear(expected: number, tolerance?: number): R;
    }
  }
}

/** What every random number of the tests comes from: `SEED=2 npm test` tries others. */
const seed = Number(process.env['SEED'] ?? 1);

/** Mulberry32, by Tommy Ettinger; in the public domain. */
function randomNumbers(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

fc.configureGlobal({ seed });

beforeEach(() => {
  Math.random = randomNumbers(seed);
});

expect.extend({
  toBeNear(received: number, expected: number, tolerance = 1e-6) {
    const difference = Math.abs(received - expected);
    const allowed = tolerance * Math.max(1, Math.abs(expected));
    return {
      pass: difference <= allowed,
      message: () => `Expected ${received} to be within ${allowed} of ${expected}, is ${difference} away.`,
    };
  },
});
