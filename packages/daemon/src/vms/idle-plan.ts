/** When an idle vm stops, as a decision over plain values. */

/** A change of the config is noticed within this time even when nobody calls */
const LONGEST_PAUSE_MS = 60_000;
/** A vm that is due and cannot be stopped is not asked again and again */
const SHORTEST_PAUSE_MS = 1000;

/** The moment at which it stops if nobody uses it until then; null is never. */
export function planIdleStop({
  limitMs,
  idleSinceMs,
}: {
  limitMs: number | null;
  idleSinceMs: number | null;
}): number | null {
  return limitMs === null || idleSinceMs === null ? null : idleSinceMs + limitMs;
}

export function nextLookMs(dueMs: readonly number[], nowMs: number): number {
  const first = Math.min(...dueMs, nowMs + LONGEST_PAUSE_MS);
  return Math.max(first - nowMs, SHORTEST_PAUSE_MS);
}
