/** What the daemon takes: idle, and with ten vms running. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { type BenchHome, withHome } from './bench-home.ts';
import { type Row, row } from './report.ts';

export const title = 'memory and descriptors of the daemon, idle and with ten vms';

const VMS = 10;
/** A daemon just started, or just busy, has garbage that it has not collected */
const CALM_MS = 3000;

export async function measure({ say }: Bench): Promise<{ rows: Row[]; notes: string[] }> {
  return withHome({}, async (home) => {
    await home.banger('daemon', 'stop');
    await home.banger('vm', 'ls');
    const idle = await sizeWhenCalm(home);
    say(`starting ${VMS} vms`);
    const names = Array.from({ length: VMS }, (_, index) => `vm-${index}`);
    for (const name of names) await home.banger('vm', 'create', '--start', '--memory', '256M', '--name', name);
    const busy = await sizeWhenCalm(home);
    await home.banger('vm', 'rm', '--force', ...names);
    const after = await sizeWhenCalm(home);
    return {
      rows: [
        row('resident, idle', 'MiB', [idle.residentMib]),
        row(`resident, ${VMS} vms running`, 'MiB', [busy.residentMib]),
        row('resident, after they were removed', 'MiB', [after.residentMib]),
        row('descriptors, idle', '', [idle.descriptors]),
        row(`descriptors, ${VMS} vms running`, '', [busy.descriptors]),
        row('descriptors, after they were removed', '', [after.descriptors]),
      ],
      notes: [],
    };
  });
}

async function sizeWhenCalm(home: BenchHome): Promise<DaemonSize> {
  await delay(CALM_MS);
  return readDaemonSize(await home.daemonPid());
}

export type DaemonSize = { residentMib: number; descriptors: number };

export function readDaemonSize(pid: number): DaemonSize {
  const residentKib = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  return { residentMib: residentKib / 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length };
}
