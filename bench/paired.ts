/** The middle value, and the quarters around it. */
export interface Spread {
  median: number;
  low: number;
  high: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]!;
  return { median: at(0.5), low: at(0.25), high: at(0.75) };
}

/**
 * Times several actions in turn, round after round, each round beginning with another one: what disturbs the machine
 * disturbs all of them.
 *
 * @returns The milliseconds of each action, one value a round.
 */
export async function timeInTurn(
  actions: ReadonlyArray<() => Promise<void>>,
  rounds: number,
  warmUp: number,
): Promise<number[][]> {
  const times: number[][] = actions.map(() => []);
  for (let round = -warmUp; round < rounds; round += 1) {
    for (let turn = 0; turn < actions.length; turn += 1) {
      const index = (turn + round + warmUp) % actions.length;
      const begin = performance.now();
      await actions[index]!();
      const time = performance.now() - begin;
      if (round >= 0) times[index]!.push(time);
    }
  }
  return times;
}

/** The ratios of two actions' times, round by round. */
export const ratios = (times: readonly number[], base: readonly number[]): Spread =>
  spread(times.map((time, round) => time / base[round]!));
