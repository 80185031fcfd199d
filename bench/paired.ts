/** The median, and the quartiles around it. */
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
 * Times several actions in turn, round after round, each round in a different order. What disturbs the machine disturbs all of
 * them, and none always comes after the same other one.
 *
 * @returns The milliseconds of each action, one value per round.
 */
export async function timeInTurn(
  actions: ReadonlyArray<() => Promise<void>>,
  rounds: number,
  warmUp: number,
): Promise<number[][]> {
  const times: number[][] = actions.map(() => []);
  for (let round = -warmUp; round < rounds; round += 1) {
    const order = actions.map((action, index) => ({ action, index, place: Math.random() }));
    for (const { action, index } of order.sort((one, other) => one.place - other.place)) {
      const begin = performance.now();
      await action();
      const time = performance.now() - begin;
      if (round >= 0) times[index]!.push(time);
    }
  }
  return times;
}

/** The ratios of two actions' times, round by round. */
export const ratios = (times: readonly number[], base: readonly number[]): Spread =>
  spread(times.map((time, round) => time / base[round]!));
