/** Numbers of several rounds, brought down to the few that are reported. */

export type Summary = { median: number; p95: number; rounds: number };

export function summarize(values: readonly number[]): Summary {
  return { median: quantile(values, 0.5), p95: quantile(values, 0.95), rounds: values.length };
}

/** Between two values it lies on the line between them. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

/**
 * Each value by the one of the same round. A host that is slower for a while slows both, so their ratio says more than
 * the ratio of two medians.
 */
export function ratios(values: readonly number[], bases: readonly number[]): number[] {
  return values.map((value, round) => value / (bases[round] ?? Number.NaN));
}

/** How much the values grow from one round to the next: the median over all pairs, which no single jump can bend. */
export function slope(values: readonly number[]): number {
  const slopes = values.flatMap((value, i) => values.slice(i + 1).map((later, step) => (later - value) / (step + 1)));
  return quantile(slopes, 0.5);
}

/** A B C, then C B A, and so on: none of them always comes after the same other. */
export async function interleave<Name extends string>(
  rounds: number,
  measures: Record<Name, () => Promise<number>>,
  onRound: (round: number) => void = () => {},
): Promise<Record<Name, number[]>> {
  const names = Object.keys(measures) as Name[];
  const values = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round < rounds; round++) {
    onRound(round);
    for (const name of round % 2 === 0 ? names : names.toReversed()) values[name].push(await measures[name]());
  }
  return values;
}

export async function elapsedMs(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return performance.now() - beganMs;
}
