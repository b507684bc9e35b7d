/** How often a guest may reset itself and be started again; one in a loop stays off. */
import type { VmId } from '@banger/contract/names.ts';

export const REBOOTS = { max: 8, withinMs: 120_000 } as const;

export function createRebootLimit({ monotonicMs }: { monotonicMs: () => number }) {
  const lately = new Map<VmId, number[]>();
  return { mayComeBack, forget: (id: VmId) => void lately.delete(id) };

  /** Counts this reboot. */
  function mayComeBack(id: VmId): boolean {
    const nowMs = monotonicMs();
    const sinceMs = nowMs - REBOOTS.withinMs;
    const times = [...(lately.get(id) ?? []).filter((atMs) => atMs > sinceMs), nowMs];
    lately.set(id, times.slice(-REBOOTS.max - 1));
    return times.length <= REBOOTS.max;
  }
}
