/** What vms take of the host, measured again and again for as long as somebody wants to know it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { StatsSample, VmUsage } from '@banger/contract/api/stats.ts';
import type { VmId } from '@banger/contract/names.ts';
import { tapOf } from '@banger/contract/privileged/places.ts';
import { readGuestTraffic } from '../platform/device-traffic.ts';
import { allocatedBytes } from '../platform/files.ts';
import { readUsage } from '../platform/processes.ts';
import type { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { type Look, usageBetween } from './usage.ts';
import type { VmParts } from './vm-parts.ts';

/** In which ticks of 10 ms say something already */
const FIRST_PAUSE_MS = 500;
const PAUSE_MS = 2000;

type UsageParts = Pick<VmParts, 'drivers' | 'folders' | 'monotonicMs' | 'now'>;

/**
 * A sample after half a second, and then one every two. `list` gives those that it is about, each time anew; null ends it. Whoever
 * reads slowly gets fewer samples, over longer times. Throws what ends the task.
 */
export async function* watchUsage(
  task: Task,
  parts: UsageParts,
  list: () => readonly VmRecord[] | null,
): AsyncGenerator<StatsSample, void> {
  let before = lookAt(parts, list() ?? []);
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = PAUSE_MS) {
    await task.race(delay(pauseMs, undefined, { ref: false }));
    const vms = list();
    if (vms === null) return;
    const now = lookAt(parts, vms);
    yield {
      at: parts.now().toISOString(),
      vms: await Promise.all(vms.map((vm) => describe(parts, vm, before.get(vm.id) ?? null, now.get(vm.id) ?? null))),
    };
    before = now;
  }
}

/** Those that run. */
function lookAt({ drivers, monotonicMs }: UsageParts, vms: readonly VmRecord[]): Map<VmId, Look> {
  const looks = new Map<VmId, Look>();
  for (const { id, state } of vms) {
    if (!('machine' in state)) continue;
    const usage = readUsage(state.machine);
    if (usage === null) continue; // it has just ended, which its record says in a moment
    const isRouted = 'network' in state && state.network === 'routed';
    const traffic = isRouted
      ? readGuestTraffic(process.pid, tapOf(id)) // the tap is in the host's own network, as this daemon is
      : drivers.of(state.machine).readTraffic(state.machine);
    const run = `${state.machine.pid} ${state.machine.startTicks}`;
    looks.set(id, { ...usage, run, atMs: monotonicMs(), traffic });
  }
  return looks;
}

async function describe(
  { folders }: UsageParts,
  { id, name, state, cpus, memoryBytes, diskBytes }: VmRecord,
  before: Look | null,
  now: Look | null,
): Promise<VmUsage> {
  return {
    ...{ id, name, state: state.is, cpus, memoryBytes, diskBytes },
    diskAllocatedBytes: await allocatedBytes(folders.of(id).disk),
    machine: now && usageBetween(before, now),
  };
}
