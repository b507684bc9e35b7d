/** Threads of a process of the host, read from /proc: whether they run, and whether they have. */
import { readdirSync, readFileSync } from 'node:fs';

/** `switches`: how often it has left a processor since it began. What was asleep twice with the same number has not run. */
export type Thread = { id: number; name: string; isAsleep: boolean; switches: number };

/** Those of a process that has ended are none. */
export function listThreads(pid: number): Thread[] {
  try {
    const ids = readdirSync(`/proc/${pid}/task`).map(Number);
    return ids.map((id) => parseStatus(id, readFileSync(`/proc/${pid}/task/${id}/status`, 'utf8')));
  } catch {
    return []; // it ended, or one of them did
  }
}

function parseStatus(id: number, status: string): Thread {
  const [name = ''] = /(?<=^Name:\t).+/m.exec(status) ?? [];
  const counts = [...status.matchAll(/^(?:non)?voluntary_ctxt_switches:\s*(\d+)/gm)];
  const switches = counts.reduce((sum, [, count]) => sum + Number(count), 0);
  return { id, name, isAsleep: /^State:\s+S/m.test(status), switches };
}
