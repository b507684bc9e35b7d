/** Decides what two looks at a machine say about what it takes. Plain values in and out. */
import type { Counter, MachineUsage } from '@banger/contract/api/stats.ts';
import type { Traffic } from '../platform/device-traffic.ts';
import type { ProcessUsage } from '../platform/processes.ts';

export type Look = ProcessUsage & {
  /** Tells one run of a vm from another: counters begin anew with each */
  run: string;
  /** By a clock that nobody sets */
  atMs: number;
  traffic: Traffic | null;
};

export function usageBetween(before: Look | null, now: Look): MachineUsage {
  const earlier = before?.run === now.run ? before : null;
  const elapsedMs = earlier ? now.atMs - earlier.atMs : 0;
  const count = (read: (look: Look) => number | null | undefined): Counter | null => {
    const total = read(now) ?? null;
    if (total === null) return null;
    const from = earlier ? (read(earlier) ?? null) : null;
    const isKnown = from !== null && elapsedMs > 0 && total >= from; // one that went back was begun anew
    return { total, perSecond: isKnown ? ((total - from) * 1000) / elapsedMs : null };
  };
  return {
    cpuMs: count(({ cpuMs }) => cpuMs) as Counter,
    residentBytes: now.residentBytes,
    diskReadBytes: count(({ readBytes }) => readBytes),
    diskWrittenBytes: count(({ writtenBytes }) => writtenBytes),
    receivedBytes: count(({ traffic }) => traffic?.receivedBytes),
    sentBytes: count(({ traffic }) => traffic?.sentBytes),
  };
}
