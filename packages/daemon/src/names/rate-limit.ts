/** So many at once, and so many a second from then on, for each who asks. */

type RateLimit = { burst: number; perSecond: number };

export function createRateLimits(monotonicMs: () => number) {
  const left = new Map<string, { count: number; atMs: number }>();
  return { take };

  /** False when there were too many. `who` is one of a bounded number. */
  function take(who: string, { burst, perSecond }: RateLimit): boolean {
    const nowMs = monotonicMs();
    const before = left.get(who) ?? { count: burst, atMs: nowMs };
    const count = Math.min(burst, before.count + ((nowMs - before.atMs) / 1000) * perSecond);
    const isAllowed = count >= 1;
    left.set(who, { count: isAllowed ? count - 1 : count, atMs: nowMs });
    return isAllowed;
  }
}
