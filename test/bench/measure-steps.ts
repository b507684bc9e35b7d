/**
 * Where the time of `vm run --rm -- true` goes, step by step.
 *
 * The daemon is asked as the command asks it. Host steps are told by the operation's events and by when the files of the
 * run were made; guest steps by the agent's own trace, which counts from the kernel's start: the two clocks are brought
 * together by asking the guest for its own.
 */
import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { textOf } from '@banger/contract/guest/frames.ts';
import type { Bench } from './bench.ts';
import { type BenchHome, INSTRUMENTED_QEMU, withHome } from './bench-home.ts';
import { openCommand } from './guest-stream.ts';
import { type Row, row } from './report.ts';
import { elapsedMs } from './statistics.ts';

export const title = 'where the time of `vm run --rm -- true` goes';

const PINGS = 30;

export async function measure({ rounds = 6, say }: Bench): Promise<{ rows: Row[]; notes: string[] }> {
  return withHome(INSTRUMENTED_QEMU, async (home) => {
    const steps = new Map<string, number[]>();
    const add = (what: string, ms: number) => steps.set(what, [...(steps.get(what) ?? []), ms]);
    for (let round = 1; round <= rounds; round++) {
      say(`round ${round} of ${rounds}`);
      const parts = await timeOneRun(home);
      for (const [what, ms] of parts) add(what, ms);
      const wholeMs = await elapsedMs(() => home.banger('vm', 'run', '--rm', '--', 'true'));
      add('the command itself: its start, connections, end', wholeMs - parts.reduce((sum, [, ms]) => sum + ms, 0));
    }
    return {
      rows: [...steps].map(([what, values]) => row(what, 'ms', values)),
      notes: ['each step runs from the end of the one before; the command itself is the rest of a whole `vm run`'],
    };
  });
}

type Part = [what: string, ms: number];

async function timeOneRun(home: BenchHome): Promise<Part[]> {
  const marks: [what: string, atMs: number][] = [];
  const mark = (what: string, atMs = nowMs()) => marks.push([what, atMs]);

  const beganMs = nowMs();
  const creating = home.client.vmCreate({ start: true, ephemeral: true });
  let diskStepMs = 0;
  const vm = await creating.result((event) => {
    if (event.is === 'step' && event.step === 'make the disk') diskStepMs = nowMs();
  });
  const readyMs = nowMs();
  const runtime = join(home.paths.runtime, 'vms', vm.id);
  mark('request, checks, record', diskStepMs);
  mark('make the disk, record', madeMs(runtime));
  mark('network: passt in its namespace', writtenMs(join(runtime, 'passt.pid')));
  mark('plan, start QEMU', madeMs(join(home.paths.data, 'vms', vm.id, 'hypervisor.log')));
  mark('QEMU until its sockets are there', madeMs(join(runtime, 'vmm/qmp')));
  const trace = readTrace(home, vm.id);

  const execMs = nowMs();
  const command = await openCommand(home.client, vm.name, ['true']);
  const startedMs = nowMs();
  await command.exited;
  const exitedMs = nowMs();

  const kernelMs = await findKernelStart(home, vm.name);
  mark('firmware, kernel until its clock runs', kernelMs);
  for (const [step, uptimeMs] of Object.entries(trace))
    mark(GUEST_STEPS[step] ?? `agent: ${step}`, kernelMs + uptimeMs);
  mark('fork, hello, HTTP/2, record, answer', readyMs);

  const removeMs = nowMs();
  await home.client.vmRemove({ vm: vm.name, force: true }).result();
  const removedMs = nowMs();
  creating.close();
  return [
    ...marks.map(([what, atMs], index): Part => [what, atMs - (marks[index - 1]?.[1] ?? beganMs)]),
    ['exec: request until it runs', startedMs - execMs],
    ['exec: true, its exit', exitedMs - startedMs],
    ['remove', removedMs - removeMs],
  ];
}

const GUEST_STEPS: Record<string, string> = {
  init: 'kernel until the agent',
  modules: 'agent: load modules',
  image: 'agent: mount the image',
  disk: 'agent: mount and grow the disk',
  folders: 'agent: folders of the disk',
  overlay: 'agent: overlay',
  root: 'agent: switch to it',
  network: 'agent: identity and network',
  booted: 'agent: prepare the init, open the port',
};

function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

function madeMs(path: string): number {
  return Number(statSync(path, { bigint: true }).birthtimeNs) / 1e6;
}

function writtenMs(path: string): number {
  return Number(statSync(path, { bigint: true }).mtimeNs) / 1e6;
}

function readTrace({ paths }: BenchHome, id: string): Record<string, number> {
  const [path = ''] = globSync(join(paths.data, 'vms', id, 'console.log'));
  const line = /^banger-agent: trace (\{.*\})/m.exec(readFileSync(path, 'utf8'))?.[1];
  if (line === undefined) throw new Error('the agent printed no trace');
  return JSON.parse(line) as Record<string, number>;
}

/** When the guest's clock was zero, by this host's: of many questions the one that was answered fastest is believed. */
async function findKernelStart({ client }: BenchHome, vm: string): Promise<number> {
  const script = 'while read -r _; do read -r up _ </proc/uptime; echo "$up"; done';
  const { stream, events } = await openCommand(client, vm, ['bash', '-c', script]);
  let best = { roundTripMs: Number.POSITIVE_INFINITY, zeroMs: 0 };
  for (let ping = 0; ping < PINGS; ping++) {
    const askedMs = nowMs();
    await stream.stdin(Buffer.from('\n'));
    const { value } = await events.next();
    const answeredMs = nowMs();
    if (value?.is !== 'stdout') throw new Error('the guest does not tell its uptime');
    const roundTripMs = answeredMs - askedMs;
    const upMs = Number(textOf(value.bytes)) * 1000 + 5; // in hundredths of a second, cut off
    if (roundTripMs < best.roundTripMs) best = { roundTripMs, zeroMs: (askedMs + answeredMs) / 2 - upMs };
  }
  stream.close();
  return best.zeroMs;
}
