/** How far the cart may move, in metres, and how far the pole may lean, in radians. */
const LIMITS = { position: 2.4, angle: (12 * Math.PI) / 180 };

const GRAVITY = 9.8;
const CART = 1;
const POLE = 0.1;
const HALF_LENGTH = 0.5;
const FORCE = 10;
const SECONDS = 0.02;

/** Position and speed of the cart, angle and angular speed of the pole. */
export type State = readonly [position: number, speed: number, angle: number, spin: number];

/** Numbers from 0 to 1 that are the same for the same seed. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A pole that stands on the cart, almost upright. */
export function start(random: () => number): State {
  const small = (): number => (random() - 0.5) / 10;
  return [small(), small(), small(), small()];
}

/**
 * The state a fiftieth of a second later, with the cart pushed to the left (0) or to the right (1).
 *
 * @see Barto, Sutton and Anderson, "Neuronlike adaptive elements that can solve difficult learning control problems", 1983.
 */
export function push([position, speed, angle, spin]: State, action: number): State {
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const force = action === 1 ? FORCE : -FORCE;
  const shared = (force + POLE * HALF_LENGTH * spin * spin * sine) / (CART + POLE);
  const turn = (GRAVITY * sine - cosine * shared) / (HALF_LENGTH * (4 / 3 - (POLE * cosine * cosine) / (CART + POLE)));
  const acceleration = shared - (POLE * HALF_LENGTH * turn * cosine) / (CART + POLE);
  return [position + SECONDS * speed, speed + SECONDS * acceleration, angle + SECONDS * spin, spin + SECONDS * turn];
}

export const hasFallen = ([position, , angle]: State): boolean =>
  Math.abs(position) > LIMITS.position || Math.abs(angle) > LIMITS.angle;
